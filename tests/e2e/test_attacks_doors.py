"""Who tries to come in that should not: through a browser, from the network, with no token, by odd paths.

docs/security.md has a row for every test of this file; a check in tests/lint holds the two together."""
import base64
import json
import pathlib
import shutil
import tempfile

import pytest

import attacker
from attacker import ask, get, post, span
from daemon import Daemon
from waiting import wait_until

TOKEN = "a-token-that-only-the-app-has"
API = ["/api/spanferry/v1/status", "/api/spanferry/v1/traces", f"/api/spanferry/v1/traces/{'0' * 31}1",
       "/api/spanferry/v1/dead-letters", "/metrics"]


@pytest.fixture(scope="module")
def directory():
    path = pathlib.Path(tempfile.mkdtemp(prefix="spanferry-test-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


def started(directory, name, wide=False, **listen):
    d = Daemon(directory / name, start=False, listen=listen, drain={"timeout": "100ms"})
    if wide:
        d.config["listen"] |= {"http": [f"0.0.0.0:{d.port}"], "udp": [f"0.0.0.0:{d.udp_port}"]}
    d.start()
    return d


@pytest.fixture(scope="module")
def here(directory):
    """As it comes: on loopback, without a token."""
    d = started(directory, "here")
    yield d
    d.close()


@pytest.fixture(scope="module")
def wide(directory):
    """As in a container: reachable from elsewhere, without a token."""
    d = started(directory, "wide", wide=True, allow_remote=True, max_connections=40)
    yield d
    d.close()


@pytest.fixture(scope="module")
def guarded(directory):
    """Reachable from elsewhere, with a token."""
    file = directory / "token"
    file.write_text(TOKEN + "\n")
    d = Daemon(directory / "guarded", start=False, listen={"token_file": str(file)}, drain={"timeout": "100ms"})
    d.config["listen"] |= {"http": [f"0.0.0.0:{d.port}"], "udp": [f"0.0.0.0:{d.udp_port}"]}
    d.write_config()
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    d.request_without_token = d.request
    d.request = lambda path, data=None, headers=None, method=None, timeout=30: d.request_without_token(
        path, data, bearer | (headers or {}), method, timeout)
    d.start()
    yield d
    d.close()


@pytest.fixture(scope="module")
def elsewhere():
    return attacker.address_from_elsewhere()


def accepted(d):
    return d.status()["accepted"]["spans"]


# --- through somebody's browser

@pytest.mark.parametrize("host", [
    "evil.example", "evil.example:4318", "127.0.0.1.evil.example", "localhost.evil.example", "localhost@evil.example",
    "localhost/evil", "2130706433", "0x7f.0.0.1", "127.1",
])
def test_a_rebound_name_gets_nothing(here, host):
    before = accepted(here)
    assert ask(here.address, get("/api/spanferry/v1/traces", host=host)).statuses == [403]
    assert ask(here.address, post(span("rebound")).replace(b"Host: localhost", b"Host: " + host.encode())).statuses == [403]
    assert accepted(here) == before


def test_a_rebound_name_gets_nothing_where_others_may_use_any_name(wide):
    browser = "Sec-Fetch-Site: same-origin"
    assert ask(wide.address, get("/v1/traces", browser, host="evil.example", method="POST")).statuses == [403]
    assert ask(wide.address, get("/api/spanferry/v1/traces", "Origin: http://evil.example", host="evil.example")).statuses == [403]
    assert ask(wide.address, get("/api/spanferry/v1/traces", host="collector.internal")).statuses == [200]


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost:3000", "https://localhost", "file://"])
def test_a_page_of_another_origin_can_neither_send_nor_read(here, origin):
    before = accepted(here)
    for request in (
        post(span("forged"), f"Origin: {origin}"),
        post(b"x", f"Origin: {origin}", content_type="text/plain"),  # what needs no preflight
        get("/api/spanferry/v1/traces", f"Origin: {origin}"),
        get("/v1/traces", f"Origin: {origin}", "Access-Control-Request-Method: POST",
            "Access-Control-Request-Private-Network: true", method="OPTIONS"),
    ):
        answers = ask(here.address, request)
        assert answers.statuses == [403]
        assert b"access-control" not in answers[0][1].lower()
    assert accepted(here) == before


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_tag_in_a_foreign_page_fetches_nothing(here, site):
    before = accepted(here)
    for mode, dest in (("no-cors", "image"), ("no-cors", "script"), ("navigate", "iframe"), ("navigate", "document")):
        headers = [f"Sec-Fetch-Site: {site}", f"Sec-Fetch-Mode: {mode}", f"Sec-Fetch-Dest: {dest}"]
        assert ask(here.address, get("/api/spanferry/v1/traces", *headers)).statuses == [403], (mode, dest)
    assert ask(here.address, post(span("form"), f"Sec-Fetch-Site: {site}", "Sec-Fetch-Mode: navigate")).statuses == [403]
    assert accepted(here) == before


def test_what_a_browser_did_get_it_neither_keeps_nor_guesses_at(here):
    head = ask(here.address, get("/api/spanferry/v1/traces"))[0][1].lower()
    for line in (b"cache-control: no-store", b"x-content-type-options: nosniff", b"cross-origin-resource-policy: same-origin"):
        assert line in head


# --- from the network

def test_a_wide_address_without_a_word_about_it_is_no_start(directory):
    d = Daemon(directory / "refused", start=False)
    for key, address in (("http", f"0.0.0.0:{d.port}"), ("udp", f"0.0.0.0:{d.udp_port}"), ("http", f"[::]:{d.port}")):
        d.config["listen"] = {"http": [d.address], "udp": []} | {key: [address]}
        d.write_config()
        done = d.run("run", check=False)
        assert done.returncode == 2 and "listen.token_file" in done.stderr and "allow_remote" in done.stderr


@pytest.mark.parametrize("path", [
    *API, "/", "/api/2.0/mlflow/experiments/search", "/api/3.0/mlflow/traces", "/unknown", "/api/",
    "/api/spanferry/v1/dead-letters/1/retry",
])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "PUT", "HEAD", "OPTIONS"])
def test_a_peer_in_the_network_finds_every_path_shut(wide, elsewhere, path, method):
    request = get(path, "Content-Length: 0", method=method)
    answers = ask(f"{elsewhere}:{wide.port}", request, source=elsewhere)
    assert answers.statuses == [403], answers
    if method != "HEAD":
        assert b"listen.token_file" in answers[0][2]


def test_a_peer_in_the_network_may_send_spans_and_ask_for_health(wide, elsewhere):
    address, before = f"{elsewhere}:{wide.port}", accepted(wide)
    assert ask(address, post(span("welcome")), source=elsewhere).statuses == [200]
    assert ask(address, post(span("welcome"), path="/api/2.0/otel/v1/traces"), source=elsewhere).statuses == [200]
    assert ask(address, get("/livez") + get("/readyz"), source=elsewhere).statuses == [200, 200]
    assert accepted(wide) == before + 2


def test_a_proxy_on_this_host_does_not_lend_its_place_to_others(here):
    for header in ("X-Forwarded-For: 203.0.113.9", "Forwarded: for=203.0.113.9", "Via: 1.1 edge"):
        for path in API:
            assert ask(here.address, get(path, header)).statuses == [403], (header, path)


def test_the_network_cannot_take_all_connections(wide, elsewhere):
    address = f"{elsewhere}:{wide.port}"
    with attacker.crowd(address, 30, b"POST /v1/tra", source=elsewhere):
        wait_until(lambda: wide.status()["ingest"]["connections"] >= 30, "the crowd")
        assert ask(address, post(span("late")), source=elsewhere).statuses == [503]
        assert ask(wide.address, post(span("at home"))).statuses == [200]
    wait_until(lambda: wide.status()["ingest"]["connections"] < 5, "their end")


def test_the_network_cannot_take_all_memory_for_bodies(directory, elsewhere):
    d = started(directory, "memory", wide=True, allow_remote=True, max_inflight_bytes="1MiB")
    address, slow = f"{elsewhere}:{d.port}", post(b"x" * 200_000)[:-1]
    with attacker.crowd(address, 8, slow, source=elsewhere):
        wait_until(lambda: d.status()["ingest"]["inflight_bytes"] >= 600_000, "slow bodies")
        assert ask(address, post(b"x" * 200_000), source=elsewhere).statuses == [503]
        assert d.status()["ingest"]["inflight_bytes"] <= 786_432
        assert ask(d.address, post(span("at home" + "x" * 200_000))).statuses == [200]
    d.close()


# --- with a token that is none

@pytest.mark.parametrize("path", [*API, "/", "/unknown", "/v1/traces"])
@pytest.mark.parametrize("credential", [
    None, "Bearer", "Bearer ", "Bearer wrong", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}x", f"Bearer {TOKEN} {TOKEN}", TOKEN,
    f"Token {TOKEN}", "Basic Og==", "Basic %%%", "Bearer " + "x" * 10_000,
])
def test_without_the_token_no_path_opens(guarded, credential, path):
    headers = [f"Authorization: {credential}"] if credential is not None else []
    answers = ask(guarded.address, get(path, *headers))
    assert answers.statuses == [401]
    assert TOKEN.encode() not in answers[0][1] + answers[0][2]


def test_without_the_token_a_body_is_not_even_read(guarded):
    head = post(b"", length=False)[:-2] + b"Content-Length: 60000000\r\n\r\n"
    answers = ask(guarded.address, head)
    assert answers.statuses == [401] and answers.closed
    assert accepted(guarded) == 0


def test_two_tokens_are_not_tried_one_after_the_other(guarded):
    headers = ["Authorization: Bearer wrong", f"Authorization: Bearer {TOKEN}"]
    assert ask(guarded.address, get("/metrics", *headers)).statuses == [400]
    assert ask(guarded.address, get("/metrics", *reversed(headers))).statuses == [400]


def test_with_the_token_the_network_is_let_in(guarded, elsewhere):
    address = f"{elsewhere}:{guarded.port}"
    basic = base64.b64encode(f"anybody:{TOKEN}".encode()).decode()
    for credential in (f"Bearer {TOKEN}", f"Basic {basic}"):
        assert ask(address, get("/metrics", f"Authorization: {credential}", host=elsewhere), source=elsewhere).statuses == [200]
    assert "carry no token" in guarded.log()  # datagrams, which it says at its start


def test_an_old_token_is_no_token(directory):
    file = directory / "turned"
    (directory / "v1").mkdir()
    (directory / "v2").mkdir()
    (directory / "v1" / "token").write_text("old-one")
    (directory / "v2" / "token").write_text("new-one\n")
    data = directory / "..data"
    data.symlink_to("v1")
    file.symlink_to("..data/token")
    d = Daemon(directory / "turning", start=False, listen={"token_file": str(file)}, drain={"timeout": "100ms"})
    ask_with = lambda token: ask(d.address, get("/metrics", f"Authorization: Bearer {token}")).statuses  # noqa: E731
    real = d.request
    d.request = lambda path, data=None, headers=None, *rest, **named: real(
        path, data, {"Authorization": f"Bearer {d.token}"} | (headers or {}), *rest, **named)
    d.token = "old-one"
    d.start()
    assert ask_with("old-one") == [200] and ask_with("new-one") == [401]
    fresh = directory / "..data_tmp"  # as a kubelet turns it
    fresh.symlink_to("v2")
    fresh.rename(data)
    shutil.rmtree(directory / "v1")
    wait_until(lambda: ask_with("new-one") == [200], "the new token in force")
    assert ask_with("old-one") == [401]
    d.token = "new-one"
    d.close()


# --- by odd paths

@pytest.mark.parametrize("path", [
    "/livez/../api/spanferry/v1/traces", "/livez/%2e%2e/api/spanferry/v1/traces", "/livez%2f..%2fapi%2fspanferry%2fv1%2ftraces",
    "//api/spanferry/v1/traces", "/api//spanferry/v1/traces", "/API/spanferry/v1/traces", "/api/spanferry/v1/traces%00",
    "/api/spanferry/v1/traces;x", "/livez/", "/livez%00", "/livez;/metrics", "/v1/traces/", "/v1/%74races", "/v1/traces%20",
    "/api/spanferry/v1/traces/../../../../etc/passwd", "/api/spanferry/v1/traces/..%2f..%2f..%2fetc%2fpasswd", "/%", "/%zz",
])
def test_no_spelling_of_a_path_leads_around_the_rules(here, wide, elsewhere, path):
    status, _, body = ask(here.address, get(path))[0]
    assert status in (400, 404), (status, body)
    assert b"root:" not in body
    assert ask(f"{elsewhere}:{wide.port}", get(path), source=elsewhere).statuses == [403]


def test_the_host_inside_a_target_counts(here):
    for target in ("http://evil.example/api/spanferry/v1/traces", "HTTPS://evil.example/livez", "http://localhost@evil.example/"):
        assert ask(here.address, get(target)).statuses == [403]
    assert ask(here.address, get("http://localhost/livez", host="evil.example")).statuses == [200]


@pytest.mark.parametrize("line", [
    "GET /livez\0 HTTP/1.1", "GET /li vez HTTP/1.1", "GET livez HTTP/1.1", "GET  /livez HTTP/1.1", "G\0T /livez HTTP/1.1",
    "GET /livez HTTP/1.1\0", "GET /livez HTTP/3.0", "GET /livez", "CONNECT evil.example:80 HTTP/1.1", " GET /livez HTTP/1.1",
])
def test_a_request_line_that_is_none_is_refused(here, line):
    answers = ask(here.address, line.encode() + b"\r\nHost: localhost\r\n\r\n")
    assert answers.statuses == [400] and answers.closed, line


def test_no_file_of_the_machine_is_served(here):
    for target in ("/etc/passwd", "/../../etc/passwd", "file:///etc/passwd", "/api/spanferry/v1/traces/%2fetc%2fpasswd"):
        for _, _, body in ask(here.address, get(target)):
            assert b"root:" not in body
            assert json.loads(body)
