"""`spanferry check` names what is wrong with a set-up and what to do about it, one line each."""
import contextlib
import datetime
import json
import os
import shutil
import socket
import subprocess
import threading
import urllib.request
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from daemon import BINARY, Daemon
from waiting import free_port

NOBODY = 65534


@pytest.fixture
def setup(scratch):
    """Makes set-ups that are sound until a test breaks them: setup(destination, **settings)."""

    def make(*destinations, env=None, **settings):
        return Daemon(scratch / "d", destinations=list(destinations), env=env, start=False,
                      **{"spool": {"max_bytes": "96MiB"}, **settings})

    return make


def check(d, code, **more):
    """The findings of a check that ends with `code`, by subject."""
    if not (d.directory / "spanferry.yaml").exists():
        d.write_config()
    done = d.run("check", "--json", check=False, **more)
    assert done.returncode == code, (done.stdout, done.stderr)
    return {f["subject"]: f for f in json.loads(done.stdout)["findings"]}


def fails(findings, subject, cause, remedy):
    """Just this one fails, and says why and what to do."""
    failed = [f for f in findings.values() if f["grade"] == "fail"]
    assert [f["subject"] for f in failed] == [subject], failed
    assert cause in failed[0]["text"] and remedy in failed[0]["next"], failed[0]


def databricks(url, **more):
    return {"name": "w", "kind": "databricks", "url": url, "token": "x", "experiment": "/Shared/app", **more}


def otlp(url, **more):
    return {"name": "o", "kind": "otlp", "url": url, **more}


class Page(BaseHTTPRequestHandler):
    """What answers in place of a far side."""
    protocol_version = "HTTP/1.1"
    status, headers_sent, body = 200, {"Content-Type": "text/html"}, b"<html>Log in to the guest network</html>"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(self.status)
        for name, value in {**self.headers_sent, "Content-Length": str(len(self.body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(self.body)

    do_POST = do_GET


@pytest.fixture
def page():
    """Serves one answer to everything: page(status=..., body=..., headers_sent=..., date=...); its address."""
    made = []

    def make(date=None, **answer):
        more = {"date_time_string": lambda self, timestamp=None: date} if date else {}
        server = ThreadingHTTPServer(("127.0.0.1", 0), type("OnePage", (Page,), {**answer, **more}))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        made.append(server)
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield make
    for server in made:
        server.shutdown()
        server.server_close()


# --- sound ones


def test_a_sound_setup_is_ok_and_nothing_is_changed_at_the_far_side(setup, workspace):
    d = setup(databricks(workspace.url))
    found = check(d, 0)
    assert {f["grade"] for f in found.values()} == {"ok"}, found
    assert "the first span makes it" in found["destination w: experiment"]["text"]
    assert not workspace.state.experiments and not d.spool.exists()
    assert {r["method"] for r in workspace.state.requests} == {"GET"}
    text = d.run("check").stdout
    assert text.splitlines()[-1] == "ok: 0 failed, 0 to look at"


def test_an_otlp_backend_gets_no_span(setup, otlp_sink):
    found = check(setup(otlp(otlp_sink.url)), 0)
    assert found["destination o: connection"]["grade"] == "ok"
    assert not otlp_sink.received


def test_it_works_beside_the_running_daemon(daemon, otlp_sink):
    d = daemon(destinations=[otlp(otlp_sink.url)])
    found = check(d, 0)
    assert "the running daemon uses it" in found["spool lock"]["text"]
    assert "the running daemon listens there" in found[f"listen.http {d.address}"]["text"]
    assert "the running daemon listens there" in found[f"listen.udp 127.0.0.1:{d.udp_port}"]["text"]


# --- the far side


def test_a_host_that_no_name_service_knows(setup):
    fails(check(setup(databricks("https://no-such-workspace.invalid")), 1),
          "destination w: connection", "no-such-workspace.invalid", "getent hosts no-such-workspace.invalid")


def test_a_host_that_is_something_else(setup, page):
    url = page(body=b'{"hello":"world"}', headers_sent={"Content-Type": "application/json"})
    fails(check(setup(databricks(url)), 1), "destination w: answer", "does not answer as an MLflow server does", "`url`")


def test_a_port_where_nobody_listens(setup):
    port = free_port()
    fails(check(setup(otlp(f"http://127.0.0.1:{port}")), 1),
          "destination o: connection", f"127.0.0.1:{port}", "correct host and port")


def test_a_token_that_is_refused(setup, workspace):
    d = setup(databricks(workspace.url, token="a-planted-wrong-token"))
    found = check(d, 1)
    fails(found, "destination w: credential", "`token` of destination w is refused", "valid")
    assert "planted" not in json.dumps(found)


def test_a_service_principal(setup, workspace):
    principal = databricks(workspace.url, client_id=workspace.state.config["client_id"],
                           client_secret=workspace.state.config["client_secret"])
    del principal["token"]
    assert check(setup(principal), 0)["destination w: credential"]["grade"] == "ok"


def test_a_service_principal_with_a_wrong_secret(setup, workspace):
    principal = databricks(workspace.url, client_id=workspace.state.config["client_id"], client_secret="planted-secret")
    del principal["token"]
    found = check(setup(principal), 1)
    fails(found, "destination w: credential", "client_id", "client_secret")
    assert "planted" not in json.dumps(found)


def test_a_token_file_that_cannot_be_read(setup, workspace, scratch):
    destination = databricks(workspace.url, token_file=str(scratch / "no-token"))
    del destination["token"]
    found = check(setup(destination), 1)
    fails(found, "destination w: credential", f"{scratch}/no-token is not there", "name another file")


def test_a_certificate_of_an_authority_that_is_not_trusted(setup, secure_workspace):
    fails(check(setup(databricks(secure_workspace().url)), 1),
          "destination w: connection", "certificate", "set `ca_file`")


def test_a_trusted_authority_is_enough(setup, secure_workspace, authority, scratch):
    authority.cert_pem.write_to_path(scratch / "ca.pem")
    found = check(setup(databricks(secure_workspace().url, ca_file=str(scratch / "ca.pem"))), 0)
    assert "certificate is trusted" in found["destination w: connection"]["text"]


def test_a_certificate_for_another_name(setup, secure_workspace, authority, scratch):
    authority.cert_pem.write_to_path(scratch / "ca.pem")
    far_side = secure_workspace(authority.issue_cert("elsewhere.example"))
    fails(check(setup(databricks(far_side.url, ca_file=str(scratch / "ca.pem"))), 1),
          "destination w: connection", "localhost", "a host name that the certificate carries")


def test_a_certificate_that_is_expired(setup, secure_workspace, authority, scratch):
    authority.cert_pem.write_to_path(scratch / "ca.pem")
    past = datetime.datetime(2020, 1, 1)
    far_side = secure_workspace(authority.issue_cert("localhost", not_before=past, not_after=past + datetime.timedelta(days=9)))
    fails(check(setup(databricks(far_side.url, ca_file=str(scratch / "ca.pem"))), 1),
          "destination w: connection", "expired at 2020-01-10", "set this machine's clock")


def test_http_where_https_is_spoken(setup, secure_workspace):
    url = secure_workspace().url
    fails(check(setup(databricks(url.replace("https", "http"))), 1),
          "destination w: connection", "speaks https at this port", "https://")


def test_https_where_http_is_spoken(setup, workspace):
    fails(check(setup(databricks(workspace.url.replace("http", "https"))), 1),
          "destination w: connection", "speaks plain http at this port", "http://")


def test_an_experiment_that_is_missing_and_may_not_be_made(setup, workspace):
    fails(check(setup(databricks(workspace.url, create_experiment=False)), 1),
          "destination w: experiment", "/Shared/app does not exist", "`create_experiment: true`")


def linked(workspace):
    """With an experiment that keeps its traces in a Unity Catalog table, as the client links one."""

    def call(path, body):
        headers = {"Authorization": "Bearer x", "Content-Type": "application/json"}
        request = urllib.request.Request(workspace.url + path, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    prefix = {"uc_table_prefix": {"catalog_name": "main", "schema_name": "traces", "table_prefix": "app"}}
    experiment = call("/api/2.0/mlflow/experiments/create", {"name": "/Shared/app"})["experiment_id"]
    call("/api/5.0/mlflow/tracing/locations", prefix)
    call(f"/api/5.0/mlflow/experiments/{experiment}/trace-location:link", {"experiment_id": experiment, **prefix})
    return databricks(workspace.url)


def test_an_experiment_whose_traces_are_in_unity_catalog(setup, workspace):
    found = check(setup(linked(workspace)), 0)
    assert found["destination w: table"]["grade"] == "ok"
    assert "takes spans" in found["destination w: table"]["text"] and "main.traces.app_otel_spans" in found["destination w: table"]["text"]
    assert not workspace.state.uc_rows, "it got none"


def test_a_table_that_is_not_there(setup, workspace):
    destination = linked(workspace)
    workspace.state.locations.clear()
    fails(check(setup(destination), 1), "destination w: table", "is not there", "a table that exists")


def test_a_table_that_the_credential_may_not_write_to(setup, workspace):
    destination = linked(workspace)
    workspace.state.faults.append({"match": "otel/v1/traces", "count": -1, "status": 403,
                                   "body": json.dumps({"error_code": "PERMISSION_DENIED", "message": "no"})})
    fails(check(setup(destination), 1), "destination w: table", "may not write", "USE SCHEMA")


def test_no_experiment_for_a_workspace(setup, workspace):
    destination = databricks(workspace.url)
    del destination["experiment"]
    fails(check(setup(destination), 1), "destination w: experiment", "none is configured", "MLFLOW_EXPERIMENT_NAME")


def test_a_clock_that_is_off_by_an_hour(setup, page):
    import datetime
    hour_ago = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=1)
    url = page(date=format_datetime(hour_ago, usegmt=True), body=b"", headers_sent={"Content-Type": "application/x-protobuf"})
    found = check(setup(otlp(url)), 1)
    fails(found, "destination o: clock", "s ahead of that of", "timedatectl")
    assert 3590 < int(found["destination o: clock"]["text"].split()[4]) < 3700, found


def test_a_captive_portal(setup, page):
    fails(check(setup(databricks(page())), 1), "destination w: answer", "answers with a web page", "captive portal")


def test_a_redirect_to_a_login(setup, page):
    url = page(status=302, headers_sent={"Location": "https://login.example/", "Content-Type": "text/plain"}, body=b"")
    fails(check(setup(databricks(url)), 1), "destination w: answer", "HTTP 302", "the address that answers itself")


def test_a_far_side_in_trouble_is_no_fault_of_the_setup(setup, page):
    found = check(setup(otlp(page(status=503, body=b"", headers_sent={}))), 0)
    assert found["destination o: answer"]["grade"] == "warn" and "503" in found["destination o: answer"]["text"]


# --- this machine


@contextlib.contextmanager
def tmpfs(path, size):
    path.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", path], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip(f"a tmpfs cannot be mounted here: {mounted.stderr.decode()}")
    try:
        yield path
    finally:
        subprocess.run(["umount", path], check=True)


def test_a_full_disk(setup, scratch):
    with tmpfs(scratch / "small", "24m") as small:
        (small / "junk").write_bytes(b"x" * (20 << 20))
        d = setup(spool={"directory": str(small / "spool"), "min_free_bytes": "4MiB"})
        fails(check(d, 1), "free space", "is full", "make room")


def test_a_spool_in_memory(setup, scratch):
    with tmpfs(scratch / "memory", "256m") as memory:
        found = check(setup(spool={"directory": str(memory), "min_free_bytes": "1MiB"}), 0)
        assert found["spool filesystem"]["grade"] == "warn"
        assert "in memory (tmpfs)" in found["spool filesystem"]["text"]


def as_nobody():
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []}


@pytest.fixture
def open_scratch(scratch):
    """Where another user may go too."""
    if os.geteuid() != 0:
        pytest.skip("only root can run things as another user")
    scratch.chmod(0o755)
    return scratch


def check_as_nobody(d):
    d.write_config()
    binary = d.directory.parent / "spanferry"
    shutil.copy(BINARY, binary)  # where that user may go
    done = subprocess.run([binary, "check", "--json", "--config", d.directory / "spanferry.yaml"], env=d.env,
                          capture_output=True, text=True, timeout=60, cwd="/", **as_nobody())
    assert done.returncode == 1, (done.stdout, done.stderr)
    return {f["subject"]: f for f in json.loads(done.stdout)["findings"]}


def test_a_directory_that_cannot_be_written(setup, open_scratch):
    d = setup()
    d.spool.mkdir()
    os.chown(d.spool, NOBODY, NOBODY)
    d.spool.chmod(0o500)
    fails(check_as_nobody(d), "spool directory", "cannot be written", f"chmod u+rwx {d.spool}")


def test_a_token_file_of_another_user(setup, open_scratch, workspace):
    secret = open_scratch / "token"
    secret.write_text("x")
    secret.chmod(0o600)
    destination = databricks(workspace.url, token_file=str(secret))
    del destination["token"]
    d = setup(destination)
    d.spool.mkdir()
    os.chown(d.spool, NOBODY, NOBODY)
    fails(check_as_nobody(d), "destination w: credential", f"{secret} may not be read", "the user that the daemon runs as")


def test_a_directory_of_another_user(setup, open_scratch):
    d = setup()
    d.spool.mkdir(mode=0o700)
    fails(check_as_nobody(d), "spool directory", "cannot be written", "it belongs to root")


def test_a_read_only_filesystem(setup, scratch):
    with tmpfs(scratch / "ro", "256m") as mounted:
        subprocess.run(["mount", "-o", "remount,ro", mounted], check=True)
        d = setup(spool={"directory": str(mounted / "spool"), "min_free_bytes": "1MiB"})
        fails(check(d, 1), "spool directory", "Read-only file system", "mount a volume")


def test_a_symbolic_link_for_a_spool(setup, scratch):
    (scratch / "real").mkdir()
    (scratch / "link").symlink_to(scratch / "real")
    fails(check(setup(spool={"directory": str(scratch / "link")}), 1),
          "spool directory", "is a symbolic link", "name the directory itself")


def test_a_directory_that_another_daemon_uses(daemon, setup, otlp_sink):
    other = daemon(destinations=[otlp(otlp_sink.url)])
    d = setup(spool={"directory": str(other.spool)})
    fails(check(d, 1), "spool lock", f"process {other.process.pid}", "another spool.directory")


def test_a_port_that_is_taken(setup):
    d = setup()
    with socket.create_server(("127.0.0.1", d.port)):
        fails(check(d, 1), f"listen.http {d.address}", "taken by another program", f"sport = :{d.port}")


def test_a_datagram_port_that_is_taken(setup):
    d = setup()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", d.udp_port))
        fails(check(d, 1), f"listen.udp 127.0.0.1:{d.udp_port}", "taken by another program", "set listen.udp")


# --- the configuration


def test_an_unknown_key(setup):
    d = setup(listen={"htpp": ["127.0.0.1:0"]})
    fails(check(d, 1), "configuration", "nearest known key: listen.http", "docs/configuration.md")


def test_an_address_that_the_network_reaches(setup):
    d = setup(listen={"http": ["0.0.0.0:0"]})
    fails(check(d, 1), "configuration", "reachable from outside this machine", "docs/configuration.md")
