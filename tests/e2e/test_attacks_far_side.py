"""What a destination may try that is not the one it claims to be, and what comes of it.

docs/security.md has a row for every test of this file; a check in tests/lint holds the two together."""
import gzip
import itertools
import json

import pytest
import trustme

import wire
from hostile_far_side import HostileFarSide, answer
from waiting import wait_until

SECRET = "planted-credential-of-the-far-side"


@pytest.fixture
def delivering(daemon):
    """Makes daemons with one destination; they stop at once, whatever is left to deliver."""
    return lambda destination, **settings: daemon(destinations=[destination], drain={"timeout": "100ms"}, **settings)


def send(d, *names):
    assert d.post(wire.request(names).SerializeToString())[0] == 200


def mlflow(url, **more):
    return {"name": "far", "kind": "mlflow", "url": url, "token": SECRET, "assemble": {"quiet": "0"}, **more}


def otlp(url, **more):
    return {"name": "far", "kind": "otlp", "url": url, "headers": {"x-api-key": SECRET}, **more}


def turn_honest(d, far):
    """Nothing was lost meanwhile."""
    far.answer = lambda head, body: answer(200, b"", "Content-Type: application/x-protobuf")
    d.wait_until_settled("far")
    assert d.destination("far")["accounting"]["dead"] == 0


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("kind", [mlflow, otlp])
def test_a_redirect_is_not_followed_and_carries_no_credential(delivering, status, kind):
    with HostileFarSide(lambda *_: answer(200)) as thief:
        to = f"Location: {thief.url}/v1/traces"
        with HostileFarSide(lambda *_: answer(status, b"", to)) as far:
            d = delivering(kind(far.url))
            send(d, "redirected")
            state = d.wait_for_state("paused_config", "far")
            assert "redirects elsewhere" in state["reason"]
            assert far.requests and not thief.requests
            turn_honest(d, far)
            assert not thief.requests


def endless(head):
    yield head
    yield from itertools.repeat(b"x" * 65536, 1 << 14)  # 1 GiB


@pytest.mark.parametrize("name, flood", [
    ("body with a length", lambda: endless(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n")),
    ("body without one", lambda: endless(b"HTTP/1.1 503 Never\r\n\r\n")),
    ("chunks", lambda: itertools.chain([b"HTTP/1.1 500 X\r\nTransfer-Encoding: chunked\r\n\r\n"],
                                       itertools.repeat(b"10000\r\n" + b"x" * 65536 + b"\r\n", 1 << 14))),
    ("header", lambda: endless(b"HTTP/1.1 200 OK\r\nX: ")),
    ("headers", lambda: itertools.chain([b"HTTP/1.1 200 OK\r\n"], itertools.repeat(b"X: y\r\n" * 10_000, 1 << 14))),
    ("status line", lambda: endless(b"HTTP/1.1 200 ")),
    ("zip bomb", lambda: [answer(200, gzip.compress(b"\0" * (256 << 20)), "Content-Encoding: gzip")]),
])
def test_an_answer_without_end_is_cut(delivering, name, flood):
    with HostileFarSide(lambda *_: flood()) as far:
        d = delivering(otlp(far.url))
        send(d, "flooded")
        wait_until(lambda: far.requests, "a request")
        wait_until(lambda: d.destination("far")["requests"] > 1 or not d.destination("far")["accounting"]["pending"],
                   lambda: d.destination("far"))
        assert d.memory_mib() < 200
        send(d, "an app, meanwhile")


@pytest.mark.parametrize("kind", [mlflow, otlp])
@pytest.mark.parametrize("status", [400, 401, 403, 500])
def test_a_credential_that_is_sent_back_is_not_shown(delivering, status, kind):
    def echo(head, body):
        said = [line.decode() for line in head.split(b"\r\n") if SECRET.encode() in line]
        return answer(status, json.dumps({"error_code": "NO", "message": f"you said {said}"}).encode())

    with HostileFarSide(echo) as far:
        d = delivering(kind(far.url))
        send(d, "echoed")
        wait_until(lambda: d.destination("far")["last_error"], lambda: d.destination("far"))
        if status == 400:
            wait_until(d.dead_letters, lambda: d.destination("far"))
        assert "you said" in d.destination("far")["last_error"]
        for shown in (json.dumps(d.status()), json.dumps(d.dead_letters()), d.log(), d.request("/readyz")[2].decode(),
                      d.request("/metrics")[2].decode(), d.run("status").stdout):
            assert SECRET not in shown


def test_what_a_far_side_says_forges_no_line_of_the_log(delivering):
    forged = 'x\n{"time":"2026-01-01T00:00:00Z","level":"error","message":"forged"}\r\n\x1b[2J\x9b31m\u202e\u2028end'

    def speak(head, body):
        return answer(401, forged.encode(), "X: y")

    with HostileFarSide(speak) as far:
        for log_format in ("json", "text"):
            d = delivering(otlp(far.url), log={"format": log_format})
            send(d, "spoken to")
            d.wait_for_state("paused_auth", "far")
            wait_until(lambda: "paused_auth" in d.log(), "a line about it")
            for line in d.log().splitlines():
                assert not any(c in line for c in "\x1b\x9b\u202e\u2028\0"), line
                if log_format == "json":
                    assert json.loads(line)["message"] != "forged"
                else:
                    assert line[:2] == "20" and " forged" not in line.split("paused_auth")[0]
            assert "\x1b" not in d.run("status").stdout and "\x9b" not in d.run("status").stdout
            d.kill()


def test_a_wait_that_a_far_side_asks_for_has_an_end(delivering):
    with HostileFarSide(lambda *_: answer(429, b"", "Retry-After: 99999999999999")) as far:
        d = delivering(otlp(far.url))
        send(d, "put off")
        d.wait_for_state("rate_limited", "far")
        send(d, "an app, meanwhile")
        assert d.status()["spool"]["accepting"]


@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}/steal", "http://169.254.169.254/latest/meta-data",
                                 "file:///etc/passwd", "gopher://127.0.0.1:{port}/_x", ""])
def test_a_workspace_cannot_send_spans_to_an_address_without_tls(delivering, secure_workspace, authority, scratch, url):
    ca = scratch / "ca.pem"
    authority.cert_pem.write_to_path(str(ca))
    workspace = secure_workspace()
    with HostileFarSide(lambda *_: answer(200)) as thief:
        info = {"type": "AWS_PRESIGNED_URL", "signed_uri": url.format(port=thief.port), "headers": []}
        workspace.state.faults.append({
            "match": "credentials-for-data-upload", "count": 1000, "status": 200,
            "body": json.dumps({"credential_info": info}), "headers": {"Content-Type": "application/json"}})
        d = delivering({
            "name": "far", "kind": "databricks", "url": workspace.url, "token": "x", "ca_file": str(ca),
            "experiment": "/Shared/x", "assemble": {"quiet": "0"}})
        send(d, "led astray")
        letters = wait_until(d.dead_letters, lambda: (d.destination("far"), d.log_tail()))
        assert not thief.requests
        assert "https" in letters[0]["reason"]


def test_a_signed_url_gets_no_credential(delivering, workspace):
    d = delivering({"name": "far", "kind": "databricks", "url": workspace.url, "token": "x", "experiment": "/Shared/x",
                              "assemble": {"quiet": "0"}})
    send(d, "stored")
    d.wait_until_settled("far")
    stored = [r for r in workspace.state.requests if "/__storage__/" in r["path"]]
    # This storage refuses, as S3 does, a request that is signed and carries an Authorization.
    assert stored and all(r["status"] == 200 for r in stored)


def test_who_is_not_the_far_side_gets_neither_credential_nor_spans(delivering, secure_workspace, authority, scratch):
    ca = scratch / "ca.pem"
    authority.cert_pem.write_to_path(str(ca))
    other = trustme.CA()
    for certificate, reason in ((other.issue_cert("localhost", "127.0.0.1"), "no trusted authority"),
                                (authority.issue_cert("elsewhere.example"), "another name")):
        impostor = secure_workspace(certificate)
        d = delivering({"name": "far", "kind": "databricks", "url": impostor.url, "token": SECRET, "ca_file": str(ca),
                                  "experiment": "/Shared/x", "assemble": {"quiet": "0"}})
        send(d, "kept")
        assert reason in d.wait_for_state("paused_config", "far")["reason"]
        assert not impostor.state.requests
