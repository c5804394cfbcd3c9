"""Bytes that are meant to hide a request, to hold a connection or to fill the memory. After each attack an honest
caller is served, and no span has come in but those that were sent honestly.

docs/security.md has a row for every test of this file; a check in tests/lint holds the two together."""
import contextlib
import gzip
import pathlib
import random
import shutil
import socket
import tempfile
import zlib

import pytest

import attacker
import wire
from attacker import ask, chunked, get, post, span
from daemon import Daemon
from waiting import wait_until

HIDDEN = post(span("smuggled"))
TE = "Transfer-Encoding: chunked"


@pytest.fixture(scope="module")
def standing():
    path = pathlib.Path(tempfile.mkdtemp(prefix="spanferry-test-"))
    d = Daemon(path / "d", drain={"timeout": "100ms"})
    yield d
    d.close()
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def victim(standing):
    standing.honest = standing.status()["accepted"]["spans"]
    yield standing
    assert ask(standing.address, post(span("honest"))).statuses == [200]
    status = standing.status()
    assert status["accepted"]["spans"] == standing.honest + 1
    assert status["ingest"]["inflight_bytes"] == 0
    assert standing.memory_mib() < 300


def refused_and_cut(victim, request, status=400):
    """One refusal, and the connection ends: what follows in it is never read as a request."""
    answers = ask(victim.address, request)
    assert answers.statuses == [status] and answers.closed, answers


# --- request smuggling

@pytest.mark.parametrize("order", [0, 1])
def test_a_length_and_chunks_together_hide_nothing(victim, order):
    body = b"0\r\n\r\n" + HIDDEN
    headers = [f"Content-Length: {len(body)}", TE]
    refused_and_cut(victim, post(body, *(headers if order else reversed(headers)), length=False))


@pytest.mark.parametrize("headers", [
    ["Content-Length: 0", "Content-Length: {n}"], ["Content-Length: {n}", "Content-Length: 0"],
    ["Content-Length: {n}", "Content-Length: {n}"], ["Content-Length: {n}, {n}"], ["Content-Length: 0, {n}"],
    ["Content-Length: +{n}"], ["Content-Length: -{n}"], ["Content-Length: 0x{n}"], ["Content-Length: {n} 0"],
    ["Content-Length: {n}a"], ["Content-Length: "], ["Content-Length: 18446744073709551616"], ["Content-Length : {n}"],
    ["Content-Length:\0{n}"], ["Content-Length: {n}", "content-length: 0"],
])
def test_a_length_that_can_be_read_in_two_ways_hides_nothing(victim, headers):
    body = span("ambiguous")
    refused_and_cut(victim, post(body, *(h.format(n=len(body)) for h in headers), length=False) + HIDDEN)


@pytest.mark.parametrize("header", [
    "Transfer-Encoding: xchunked", "Transfer-Encoding: identity", "Transfer-Encoding: gzip", "Transfer-Encoding: chunked, identity",
    "Transfer-Encoding: gzip, chunked", "Transfer-Encoding: chunked, chunked", 'Transfer-Encoding: "chunked"',
    "Transfer-Encoding:\x0bchunked", "Transfer-Encoding:\x0cchunked", "Transfer-Encoding : chunked", " Transfer-Encoding: chunked",
    "Transfer-Encoding: chunked;q=1", "Transfer-Encoding:", "Transfer-Encoding: \x00chunked", "X: y\nTransfer-Encoding: chunked",
    "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
])
@pytest.mark.parametrize("with_length", [True, False])
def test_a_transfer_encoding_in_disguise_hides_nothing(victim, header, with_length):
    body = chunked(span("disguised")) + b"0\r\n\r\n"
    refused_and_cut(victim, post(body, header, length=with_length) + HIDDEN)


@pytest.mark.parametrize("chunks", [
    b"10000000000000000\r\n", b"0x0\r\n\r\n", b"-1\r\n\r\n", b"+0\r\n\r\n", b"0 \r\n\r\n", b" 0\r\n\r\n", b"0\n\n", b"0\r\n\n",
    b"0;a\nb\r\n\r\n", b"1\r\naXX0\r\n\r\n", b"1\r\na\n0\r\n\r\n", b"1\r\na0\r\n\r\n", b"\r\n\r\n", b"g\r\n\r\n", b"1g\r\na\r\n0\r\n\r\n",
    b"0\r\nContent-Length: 5\r\n\r\n", b"0\r\nTransfer-Encoding: chunked\r\n\r\n", b"0\r\n trailer\r\n\r\n", b"\x000\r\n\r\n",
])
def test_chunks_that_are_none_hide_nothing(victim, chunks):
    refused_and_cut(victim, post(chunks, TE, length=False) + HIDDEN)


def test_chunks_in_http_1_0_hide_nothing(victim):
    request = post(b"0\r\n\r\n", TE, "Connection: keep-alive", length=False).replace(b"HTTP/1.1", b"HTTP/1.0")
    refused_and_cut(victim, request + HIDDEN)


def test_a_body_where_none_belongs_is_read_away(victim):
    """GET with a body: its bytes are no request of their own."""
    hidden = get("/metrics")
    answers = ask(victim.address, get("/livez", f"Content-Length: {len(hidden)}") + hidden + get("/readyz"))
    assert answers.statuses == [200, 200] and b'"ready"' in answers[1][2]


def test_a_refused_body_is_no_request(victim):
    answers = ask(victim.address, post(HIDDEN, content_type="text/plain") + get("/nothing"))
    assert answers.statuses == [415, 404]
    answers = ask(victim.address, post(b"", "Expect: 100-continue", content_type="text/plain", length=False)[:-2]
                  + b"Content-Length: %d\r\n\r\n" % len(HIDDEN) + HIDDEN)
    assert answers.statuses == [415] and answers.closed


@pytest.mark.parametrize("header", [
    "Host: evil.example", "Content-Encoding: gzip\r\nContent-Encoding: identity", "Content-Type: application/json",
    "Origin: http://localhost\r\nOrigin: http://evil.example", "x-mlflow-experiment-id: 1\r\nx-mlflow-experiment-id: 2",
])
def test_a_header_that_decides_comes_once(victim, header):
    refused_and_cut(victim, post(span("twice"), header) + HIDDEN)


@pytest.mark.parametrize("header", [
    "X: a\0b", "X: a\rb", "X\0: a", "X Y: a", ": a", "X", "X:\x7f", "X: \x01", "(X): a", "X: a\nY: b", "\x80: a",
])
def test_a_header_that_is_none_is_refused(victim, header):
    refused_and_cut(victim, post(span("odd"), header) + HIDDEN)


def test_an_upgrade_is_not_taken(victim):
    """h2c: the rules would not be asked about what comes after it."""
    upgrade = get("/livez", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__")
    assert ask(victim.address, upgrade).statuses == [200]
    assert not ask(victim.address, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9))


# --- floods

@pytest.mark.parametrize("flood", [
    b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nX: " + b"a" * 100_000,
    b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"".join(b"X%d: y\r\n" % i for i in range(20_000)), b"A" * 100_000,
    b"GET / HTTP/1.1\r\n" + b"X: y\r\n z\r\n" * 10_000,
])
def test_a_flood_of_headers_is_cut(victim, flood):
    answers = ask(victim.address, flood)
    assert answers.closed and answers.statuses in ([431], [400], [])


@pytest.mark.parametrize("chunks", [b"5;" + b"x" * 500_000, b"0\r\n" + b"X: y\r\n" * 100_000, b"0" * 500_000])
def test_a_flood_between_chunks_is_cut(victim, chunks):
    answers = ask(victim.address, post(chunks, TE, length=False))
    assert answers.closed and answers.statuses in ([400], [])


def test_a_flood_of_empty_requests_is_only_that(victim):
    assert ask(victim.address, get("/nothing") * 3000).statuses == [404] * 3000


def test_noise_is_refused(victim):
    dice = random.Random(12)
    for _ in range(100):
        answers = ask(victim.address, dice.randbytes(dice.randint(1, 2000)))
        assert set(answers.statuses) <= {400, 431}


# --- slow ones

def test_slow_headers_keep_nobody_out(victim):
    with attacker.crowd(victim.address, 500, b"POST /v1/traces HTTP/1.1\r\nHost: localhost\r\nX-Slow: "):
        assert ask(victim.address, post(span("honest"))).statuses == [200]
        victim.honest += 1


def test_slow_bodies_keep_nobody_out(victim):
    """Each announces more than all may have together, and sends a byte."""
    head = post(b"", length=False)[:-2] + b"Content-Length: 60000000\r\n\r\nx"
    with attacker.crowd(victim.address, 100, head):
        wait_until(lambda: victim.status()["ingest"]["connections"] >= 100, "the crowd")
        assert ask(victim.address, post(span("honest"))).statuses == [200]
        victim.honest += 1
    wait_until(lambda: victim.status()["ingest"]["inflight_bytes"] == 0, "their room given back")


def test_slow_readers_keep_nobody_out(victim):
    with contextlib.ExitStack() as crowd:
        for _ in range(50):
            s = crowd.enter_context(socket.socket())
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            s.connect(("127.0.0.1", victim.port))
            s.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                for _ in range(100):
                    s.send(get("/metrics") * 10)
        assert ask(victim.address, post(span("honest"))).statuses == [200]
        victim.honest += 1


@pytest.mark.soak
def test_who_sends_its_header_for_ever_is_cut_in_time(victim, soak):
    """A byte now and then does not help: the clock runs from the first one (10 s)."""
    if not soak:
        pytest.skip("soak only: it waits for that clock")
    with socket.create_connection(("127.0.0.1", victim.port)) as s:
        s.settimeout(0.5)
        s.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        answer = b""

        def cut():
            nonlocal answer
            with contextlib.suppress(TimeoutError):
                answer = s.recv(100)
                return True
            s.sendall(b"y")
            return False

        wait_until(cut, "an end", seconds=60)
    assert answer.startswith(b"HTTP/1.1 408")


# --- bombs

def inflated(coding, size):
    if coding == "gzip":
        pack = zlib.compressobj(9, zlib.DEFLATED, 31)
    elif coding == "deflate":
        pack = zlib.compressobj(9, zlib.DEFLATED, 15)
    else:
        pack = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = b"\0" * (1 << 20)
    return b"".join(pack.compress(block) for _ in range(size >> 20)) + pack.flush()


def zstd_bomb(size):
    """A frame of RLE blocks, each 128 KiB of one byte in four (RFC 8878)."""
    blocks, rle = size >> 17, 1
    header = b"\x28\xb5\x2f\xfd" + bytes([0b0000_0000, 0x38])  # window of 128 KiB
    block = lambda last: ((1 << 17) << 3 | rle << 1 | last).to_bytes(3, "little") + b"\0"  # noqa: E731
    return header + block(0) * (blocks - 1) + block(1)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "raw deflate", "zstd"])
@pytest.mark.parametrize("content_type", [wire.PROTOBUF, wire.JSON])
def test_a_bomb_is_cut_in_every_encoding(victim, coding, content_type):
    bomb = zstd_bomb(96 << 20) if coding == "zstd" else inflated(coding, 96 << 20)
    answers = ask(victim.address, post(bomb, f"Content-Encoding: {coding.split()[-1]}", content_type=content_type))
    assert answers.statuses == [413]


def test_a_bomb_in_a_bomb_is_no_encoding(victim):
    bomb = gzip.compress(inflated("gzip", 64 << 20))
    for header in ("Content-Encoding: gzip, gzip", "Content-Encoding: gzip,br", "Content-Encoding: br", "Content-Encoding: x"):
        assert ask(victim.address, post(bomb, header)).statuses == [415]
    assert ask(victim.address, post(bomb, "Content-Encoding: gzip")).statuses == [400]  # unpacked once, and that is no OTLP


def test_a_crowd_of_bombs_stays_within_its_memory(victim):
    bomb = post(inflated("gzip", 80 << 20), "Content-Encoding: gzip")
    with attacker.crowd(victim.address, 12, bomb) as sockets:
        for s in sockets:
            assert s.recv(12) in (b"HTTP/1.1 413", b"HTTP/1.1 503")


def test_depth_is_cut(victim):
    deep = b'{"resourceSpans":' + b'[{"a":' * 50_000
    assert ask(victim.address, post(deep, content_type=wire.JSON)).statuses == [400]
    assert ask(victim.address, post(b"\x0a\x7f" * 50_000)).statuses == [400]


def test_a_length_inside_a_message_is_not_believed(victim):
    for body in (b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", b"\x0a\xff\xff\xff\xff\x0f", b"\x0a\x7f", b"\xff" * 11):
        assert ask(victim.address, post(body)).statuses == [400]
