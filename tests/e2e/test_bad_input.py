"""What is broken, endless or hostile gets its clear error or is cut at its limit; a neighbour is served throughout."""
import json
import random
import resource
import socket

import pytest

import bad_inputs
import wire
from load import Load
from waiting import wait_until


@pytest.fixture
def quiet(daemon):
    """A daemon with nothing configured: its spans stay in the local view."""
    return daemon()


@pytest.fixture
def neighbour(quiet, scratch, soak):
    """A well-behaved app beside the trouble; at the end all it sent was taken (and soon, where times are asserted)."""
    load = Load(quiet.address, scratch / "neighbour", seconds=120, seed=9, connections=2, rate=50)
    wait_until(lambda: quiet.status()["accepted"]["spans"] > 0, "a neighbour at work")
    yield load
    report = load.stop()
    assert report["acked_requests"] > 0
    assert report["acked_requests"] == report["sent_requests"], report
    if soak:
        assert report["max_ms"] < 2000, report


def body_of(answer):
    status, headers, body = answer
    return status, body.decode(errors="replace")


@pytest.mark.parametrize("name, body", [
    ("random", random.Random(1).randbytes(5000)),
    ("truncated", wire.request(["a", "b"]).SerializeToString()[:-3]),
    ("json with the wrong type", b'{"resourceSpans": 3}'),
])
def test_what_is_no_request_is_400_with_a_reason(quiet, neighbour, name, body):
    content_type = wire.JSON if name.startswith("json") else wire.PROTOBUF
    status, text = body_of(quiet.post(body, content_type))
    assert status == 400 and text, (status, text)


def test_an_empty_request_is_fine(quiet):
    assert quiet.post(b"")[0] == 200
    assert quiet.post(b"{}", wire.JSON)[0] == 200


def test_errors_come_in_the_encoding_of_the_request(quiet):
    status, headers, body = quiet.post(b"{", wire.JSON)
    assert status == 400 and headers["Content-Type"] == wire.JSON and json.loads(body)["message"]
    status, headers, body = quiet.post(b"\xff\xff", wire.PROTOBUF)
    assert status == 400 and headers["Content-Type"] == wire.PROTOBUF and body


@pytest.mark.parametrize("path, method, content_type, status", [
    ("/v1/nothing", "POST", wire.PROTOBUF, 404),
    ("/v1/traces", "GET", None, 405),
    ("/v1/traces", "POST", "text/plain", 415),
])
def test_wrong_doors_say_so(quiet, path, method, content_type, status):
    headers = {"Content-Type": content_type} if content_type else {}
    got, sent, _ = quiet.request(path, b"x" if method == "POST" else None, headers, method)
    assert got == status
    if status == 405:
        assert "POST" in sent["Allow"]


def test_deep_nesting_is_refused(quiet, neighbour):
    assert quiet.post(bad_inputs.nested_json(), wire.JSON)[0] == 400
    assert quiet.post(bad_inputs.nested_protobuf())[0] == 400


def test_a_bomb_is_cut_at_the_limit(quiet, neighbour, soak):
    bomb = bad_inputs.gzip_bomb(10 << 30 if soak else 1 << 30)
    status, text = body_of(quiet.post(bomb, content_encoding="gzip"))
    assert status == 413, (status, text)
    assert quiet.memory_mib() < 300


def test_a_body_over_the_limit_is_413(quiet, neighbour):
    with socket.create_connection(("127.0.0.1", quiet.port)) as s:
        s.sendall(b"POST /v1/traces HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-protobuf\r\nContent-Length: 99999999999\r\n\r\n")
        assert s.recv(100).startswith(b"HTTP/1.1 413")


def test_a_large_json_body_is_served_or_refused_by_name(quiet, neighbour):
    answer = bad_inputs.post(quiet.address, bad_inputs.large_json(63 << 20), wire.JSON)
    assert answer.startswith((b"HTTP/1.1 200", b"HTTP/1.1 413")), answer


def test_dense_json_takes_no_more_memory_than_is_counted_for_it(quiet):
    before = quiet.memory_mib()
    for mib, status in ((4, 200), (8, 413), (10, 413)):  # the parser takes 13 times their size
        assert quiet.post(bad_inputs.dense_json(mib << 20), wire.JSON)[0] == status
    assert quiet.memory_mib() - before < 64 + 8  # listen.max_inflight_bytes, and what is not for bodies


def test_a_body_without_end_is_cut_at_the_limit(quiet, neighbour):
    before = quiet.memory_mib()
    bad_inputs.endless_body(quiet.address)
    assert quiet.memory_mib() - before < 64 + 16
    assert quiet.status()["rejected"]["too_large"] + quiet.status()["rejected"]["overloaded"] == 1


def test_two_lengths_are_refused(quiet):
    with socket.create_connection(("127.0.0.1", quiet.port)) as s:
        s.sendall(b"POST /v1/traces HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd")
        assert s.recv(100).startswith(b"HTTP/1.1 400")


def test_ids_of_wrong_length_are_refused_one_by_one(quiet):
    r = wire.request(["good", "short trace id", "no span id", "good too"])
    spans = wire.spans_of(r)
    spans[1].trace_id, spans[2].span_id = b"\x01\x02", b""
    status, _, body = quiet.post(r.SerializeToString())
    answer = wire.response(body)
    assert status == 200
    assert answer.partial_success.rejected_spans == 2 and answer.partial_success.error_message
    assert quiet.status()["accepted"]["spans"] == 2
    assert quiet.status()["rejected"]["refused_spans"] == 2


def test_http2_is_told_what_to_set(quiet):
    with socket.create_connection(("127.0.0.1", quiet.port)) as s:
        s.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0" * 9)
        while s.recv(1000):
            pass
    wait_until(lambda: "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf" in quiet.log(), lambda: quiet.log_tail())


def test_endless_headers_are_cut(quiet, neighbour):
    bad_inputs.endless_header(quiet.address)
    assert quiet.status()["rejected"]["header_too_large"] == 1


def test_idle_connections_keep_nobody_out(quiet, neighbour, soak):
    count = 10_000 if soak else 800
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, count + 200)), hard))
    with bad_inputs.idle_connections(quiet.address, count):
        for _ in range(20):
            assert quiet.post(wire.request(["through"]).SerializeToString())[0] == 200


def test_random_datagrams_are_counted_and_survived(quiet, neighbour):
    before = quiet.status()["accepted"]["by_source"].get("udp", 0)
    bad_inputs.random_datagrams(quiet.udp_port)
    quiet.send_datagram(b'{"name": "after"}')
    wait_until(lambda: quiet.status()["accepted"]["by_source"].get("udp", 0) > before, lambda: quiet.status())
    rejected = quiet.status()["rejected"]
    assert rejected["udp_malformed"] + rejected["udp_kernel_dropped"] + rejected["udp_queue_full"] > 19_000, rejected


def test_a_browser_from_elsewhere_is_refused(quiet):
    status, _, _ = quiet.request("/api/spanferry/v1/status", headers={"Host": "evil.example"})
    assert status in (403, 421)


@pytest.mark.soak
def test_random_mutations_of_real_requests(quiet, neighbour, soak):
    if not soak:
        pytest.skip("soak only")
    dice = random.Random(3)
    whole = wire.request([f"s{i}" for i in range(20)], text_bytes=50).SerializeToString()
    for _ in range(20_000):
        body = bytearray(whole)
        for _ in range(dice.randint(1, 5)):
            body[dice.randrange(len(body))] = dice.randrange(256)
        assert quiet.post(bytes(body))[0] in (200, 400)
