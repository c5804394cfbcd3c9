"""Secrets and files: what a process on this machine, or a stolen disk, gets to see.

docs/security.md has a row for every test of this file; a check in tests/lint holds the two together."""
import base64
import json
import os
import pathlib
import re
import shutil
import signal
import stat
import subprocess

import pytest

import wire
from attacker import ask, get, post
from daemon import BINARY
from hostile_far_side import HostileFarSide, answer
from waiting import wait_until

AT_ONCE = {"drain": {"timeout": "100ms"}}
NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")


def send(d, *names):
    assert d.post(wire.request(names).SerializeToString())[0] == 200


# --- planted secrets

def everything_shown(d):
    """Whatever the daemon says of itself, by where it says it; the files of its spool as bytes."""
    shown = {
        "log": d.log(), "status": json.dumps(d.status()), "dead letters": json.dumps(d.dead_letters()),
        "traces": d.request("/api/spanferry/v1/traces")[2].decode(), "metrics": d.request("/metrics")[2].decode(),
        "readyz": d.request("/readyz")[2].decode(),
        "command line": pathlib.Path(f"/proc/{d.process.pid}/cmdline").read_bytes().decode(),
    }
    for command in (["config"], ["config", "--json"], ["status"], ["status", "--json"]):
        done = d.run(*command)
        shown["spanferry " + " ".join(command)] = done.stdout + done.stderr
    for file in d.spool.rglob("*"):
        if file.is_file():
            shown[str(file)] = file.read_bytes().decode("latin-1")
    return shown


def test_planted_secrets_turn_up_nowhere(daemon, workspace, scratch):
    planted = {}

    def plant(where):
        planted[where] = f"planted-{len(planted)}-{os.urandom(8).hex()}"
        return planted[where]

    files = {}
    for name in ("token_file", "password_file", "headers_file"):
        files[name] = scratch / name
        files[name].write_text(("x-api-key=" if name == "headers_file" else "") + plant(name) + "\n")
    refusing = lambda head, body: answer(400, b"no: " + head)  # noqa: E731
    workspace.state.config["tokens"].append(plant("token of the workspace"))
    workspace.state.config["client_secret"] = plant("client secret")
    (scratch / "client_secret").write_text(planted["client secret"])
    with HostileFarSide(refusing) as mlflow, HostileFarSide(refusing) as otlp, \
            HostileFarSide(lambda head, body: answer(407, head)) as proxy:
        d = daemon(env={"AWS_SECRET_ACCESS_KEY": plant("a variable that is none of ours"),
                        "OTEL_EXPORTER_OTLP_HEADERS": f"x={plant('headers in the environment')}",
                        "DATABRICKS_TOKEN": plant("token in the environment"),
                        "HTTPS_PROXY": f"http://user:{plant('password of the proxy')}@127.0.0.1:{proxy.port}"},
                   destinations=[
            {"name": "workspace", "kind": "databricks", "url": workspace.url, "token": planted["token of the workspace"],
             "experiment": "/Shared/x", "assemble": {"quiet": "0"}},
            {"name": "machine", "kind": "databricks", "url": workspace.url, "client_id": "client",
             "client_secret_file": str(scratch / "client_secret"), "experiment": "/Shared/y", "assemble": {"quiet": "0"}, "from": "oldest"},
            {"name": "proxied", "kind": "otlp", "url": "https://far.invalid", "headers": {"x-api-key": plant("header for the far end")},
             "from": "oldest"},
            {"name": "a", "kind": "mlflow", "url": mlflow.url, "token_file": str(files["token_file"]), "assemble": {"quiet": "0"}},
            {"name": "b", "kind": "mlflow", "url": mlflow.url, "username": "u", "password_file": str(files["password_file"]),
             "assemble": {"quiet": "0"}},
            {"name": "c", "kind": "otlp", "url": otlp.url, "headers": {"authorization": plant("headers")}},
            {"name": "e", "kind": "otlp", "url": otlp.url, "headers_file": str(files["headers_file"])},
        ], log={"level": "debug"}, **AT_ONCE)
        callers = [f"{name}: {scheme}{plant('caller: ' + name)}" for name, scheme in (
            ("Authorization", "Bearer "), ("Proxy-Authorization", "Basic "), ("Cookie", "session="), ("X-Api-Key", ""),
            ("X-Databricks-Org", ""))]
        seen = "seen-" + os.urandom(8).hex()
        query = f"/v1/traces?access_token={plant('query')}"
        accepted = wire.request([seen]).SerializeToString()
        assert d.request(query, accepted, {"Content-Type": wire.PROTOBUF, **dict(c.split(": ", 1) for c in callers)})[0] == 200
        d.sent.acknowledged += 1
        for request in (post(b"\xff\xff", *callers), get("/nothing?sig=" + planted["query"], *callers), post(b"x", *callers, content_type="a/b"),
                        get("/livez", *callers, host="evil.example")):
            assert ask(d.address, request)[0][0] >= 400
        wait_until(lambda: {letter["destination"] for letter in d.dead_letters()} >= {"a", "b", "c", "e"},
                   lambda: (d.dead_letters(), d.log_tail()))
        d.wait_until_settled("workspace")
        d.wait_until_settled("machine")
        wait_until(lambda: proxy.requests and d.destination("proxied")["last_error"], lambda: d.destination("proxied"))
        planted |= {f"access token {i}": token for i, token in enumerate(workspace.state.oauth)}
        assert "access token 0" in planted
        planted["pair for the proxy"] = base64.b64encode(f"user:{planted['password of the proxy']}".encode()).decode()
        signatures = re.findall(r"sig=([0-9a-f]{64})", json.dumps(workspace.state.requests))
        assert signatures, "the workspace handed out signed URLs"
        planted |= {f"signed URL {i}": signature for i, signature in enumerate(signatures)}
        for where, text in everything_shown(d).items():
            for what, secret in planted.items():
                assert secret not in text, f"{what} stands in {where}"
        assert any(seen in text for where, text in everything_shown(d).items() if "/spool/" in where), "the search finds what is there"


def test_a_broken_configuration_is_told_without_its_secrets(daemon, scratch):
    file = scratch / "broken.yaml"
    for text in ("destinations: [{name: a, kind: databricks, token: planted-1, tokn: planted-2}]",
                 "destinations:\n  - name: a\n    kind: otlp\n    url: http://user:planted-3@h\n    headers: {a b: planted-4}",
                 "destinations: [{name: a, kind: mlflow, url: ftp://h, password: [planted-5], token: {x: planted-6}}]",
                 "token: planted-7", "destinations:\n  - token: \"planted-8\n"):
        file.write_text(text)
        done = subprocess.run([BINARY, "run", "--config", file], capture_output=True, text=True, timeout=60)
        assert done.returncode == 2 and done.stderr
        assert "planted" not in done.stdout + done.stderr, done.stderr


def test_no_flag_takes_a_secret_that_everybody_could_see_in_the_process_list():
    done = subprocess.run([BINARY, "run", "--set", "destinations.token=planted"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "planted" not in done.stderr


# --- secrets that change

def test_a_destination_resumes_by_itself_with_the_new_token(daemon, scratch):
    """As Kubernetes changes a secret: the link to its directory is turned. Nothing is restarted, nothing is lost."""
    valid = "second"

    def judge(head, body):
        good = f"authorization: bearer {valid}".encode() in head.lower()
        if good and b" /v1/traces" not in head.split(b"\r\n")[0]:
            return answer(200, b'{"trace":{"trace_info":{}}}', "Content-Type: application/json")
        return answer(200 if good else 401, b"", "Content-Type: application/x-protobuf")

    for version in ("first", "second"):
        (scratch / version).mkdir()
        (scratch / version / "token").write_text(version + "\n")
    (scratch / "..data").symlink_to("first")
    (scratch / "token").symlink_to("..data/token")
    with HostileFarSide(judge) as far:
        d = daemon(destinations=[{"name": "far", "kind": "mlflow", "url": far.url, "token_file": str(scratch / "token"),
                                  "assemble": {"quiet": "0"}}], **AT_ONCE)
        send(d, "before")
        assert str(scratch / "token") in d.wait_for_state("paused_auth", "far")["reason"]
        send(d, "meanwhile")
        assert d.request("/readyz")[0] == 200
        (scratch / "..data").unlink()
        wait_until(lambda: "is not there" in d.destination("far")["reason"], lambda: d.destination("far"), 60)
        (scratch / "..data").symlink_to("second")
        shutil.rmtree(scratch / "first")
        d.wait_until_settled("far")
        d.wait_for_state("ok", "far")
        assert d.destination("far")["accounting"]["delivered"] == 2


@pytest.mark.parametrize("what", ["a pipe", "too large", "two lines", "empty", "a directory", "not there"])
def test_a_secret_file_that_is_none_is_named_and_holds_nothing_up(daemon, scratch, what):
    file = scratch / "token"
    if what == "a pipe":
        os.mkfifo(file)
    elif what == "a directory":
        file.mkdir()
    elif what != "not there":
        file.write_text({"too large": "x" * 70_000, "two lines": "planted-1\nplanted-2", "empty": "\n"}[what])
    with HostileFarSide(lambda *_: answer(200)) as far:
        d = daemon(destinations=[{"name": "far", "kind": "mlflow", "url": far.url, "token_file": str(file)}], **AT_ONCE)
        send(d, "kept")
        reason = d.wait_for_state("paused_auth", "far")["reason"]
        assert str(file) in reason and "planted" not in reason
        assert not far.requests
        refused = subprocess.run([BINARY, "run", "--set", f"listen.token_file={file}", "--set", f"spool.directory={scratch}/s",
                                  "--set", "listen.http=127.0.0.1:0", "--set", "listen.udp=off"],
                                 env=d.env, capture_output=True, text=True, timeout=60)
        assert refused.returncode == 2 and "listen.token_file" in refused.stderr and str(file) in refused.stderr


# --- this machine

@as_root
def test_a_process_of_the_same_user_cannot_look_inside(daemon, scratch):
    """Neither the environment nor the memory: the daemon is not dumpable."""
    place = pathlib.Path("/tmp") / scratch.name / "as-nobody"
    place.mkdir()
    for path in (scratch, place):
        path.chmod(0o755)
    shutil.copy(BINARY, place / "spanferry")
    os.chown(place, NOBODY, NOBODY)
    d = daemon(start=False)
    running = subprocess.Popen(
        [place / "spanferry", "run", "--set", f"listen.http={d.address}", "--set", "listen.udp=off", "--set",
         f"spool.directory={place}/spool", "--set", "spool.min_free_bytes=16MiB", "--set", "drain.timeout=100ms"],
        env={"DATABRICKS_TOKEN": "planted"}, user=NOBODY, group=NOBODY, extra_groups=[], stderr=subprocess.PIPE)
    try:
        def answers():
            try:
                return ask(d.address, get("/livez")).statuses == [200]
            except OSError:
                assert running.poll() is None, running.stderr.read()
                return False

        wait_until(answers, "a daemon")
        for look in ("cat environ", "cat mem", "cat maps", "ls fd/"):
            command, file = look.split()
            seen = subprocess.run([command, f"/proc/{running.pid}/{file}"], user=NOBODY, group=NOBODY, extra_groups=[],
                                  capture_output=True, text=True)
            assert seen.returncode != 0 and "planted" not in seen.stdout, look
        limits = pathlib.Path(f"/proc/{running.pid}/limits").read_text()
        assert re.search(r"Max core file size +0 +0 ", limits)
        running.send_signal(signal.SIGSEGV)
        assert running.wait(20) == -signal.SIGSEGV
        assert not [f for f in place.rglob("*") if "core" in f.name]
    finally:
        running.kill()
        running.wait()
        running.stderr.close()


def test_the_spool_is_for_its_owner_alone(daemon, scratch):
    old = os.umask(0)
    try:
        d = daemon(**AT_ONCE)
    finally:
        os.umask(old)
    send(d, "private")
    for path in (d.spool, *d.spool.rglob("*")):
        mode = stat.S_IMODE(path.lstat().st_mode)
        assert mode & 0o077 == 0, (path, oct(mode))


def test_a_wide_spool_is_narrowed(daemon, scratch):
    (scratch / "spool").mkdir()
    (scratch / "spool").chmod(0o777)
    daemon(spool_directory=scratch / "spool", **AT_ONCE)
    assert stat.S_IMODE((scratch / "spool").stat().st_mode) == 0o700


def refused_spool(d):
    d.write_config()
    done = d.run("run", check=False)
    assert done.returncode != 0
    return done.stderr


def test_a_spool_behind_a_link_is_refused(daemon, scratch):
    (scratch / "elsewhere").mkdir()
    (scratch / "link").symlink_to(scratch / "elsewhere")
    assert "symbolic link" in refused_spool(daemon(spool_directory=scratch / "link", start=False))
    assert not list((scratch / "elsewhere").iterdir())


@as_root
def test_a_spool_of_another_user_is_refused(daemon, scratch):
    (scratch / "theirs").mkdir()
    os.chown(scratch / "theirs", NOBODY, NOBODY)
    assert "another user" in refused_spool(daemon(spool_directory=scratch / "theirs", start=False))
    assert not list((scratch / "theirs").iterdir())


def test_links_laid_in_the_spool_lead_nowhere(daemon, scratch):
    """By who could write there before its mode was narrowed."""
    victim, spool = scratch / "victim", scratch / "spool"
    victim.write_text("precious")
    spool.mkdir()
    spool.chmod(0o777)
    for name in ("lock.new", "progress.new", "clean.new"):
        (spool / name).symlink_to(victim)
    (spool / "reserve").symlink_to(scratch / "made-by-us")
    d = daemon(spool_directory=spool, **AT_ONCE)
    send(d, "one")
    d.stop()  # which leaves its marks
    assert victim.read_text() == "precious" and not (scratch / "made-by-us").exists()


def test_what_callers_write_forges_no_line_of_the_log(daemon):
    forged = '"}\n{"level":"error","message":"forged"}\x1b[2J'
    for log_format in ("json", "text"):
        d = daemon(log={"format": log_format, "level": "debug"}, **AT_ONCE)
        send(d, forged)
        printable = forged.replace("\n", "%0a").replace("\x1b", "%1b")
        for request in (get("/" + printable.replace(" ", "%20")), get("/livez", "User-Agent: " + printable), get("/x", host=printable),
                        post(b"x", "x-spanferry-experiment: " + printable), post(forged.encode(), content_type=wire.JSON),
                        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + forged.encode()):
            ask(d.address, request)
        d.send_datagram(forged.encode())
        wait_until(lambda: d.status()["rejected"]["udp_malformed"], lambda: d.status())
        for line in d.log().splitlines():
            assert "\x1b" not in line
            if log_format == "json":
                assert json.loads(line)["message"] != "forged"
            else:
                assert re.match(r"\d{4}-\d\d-\d\dT[\d:.]+Z (debug|info|warn|error) ", line), line
        shown = d.run("trace", d.get("/api/spanferry/v1/traces")["traces"][0]["trace_id"]).stdout
        assert "\x1b" not in shown and '\n{"level"' not in shown


def test_what_kubernetes_injects_for_a_service_of_our_name_changes_nothing(daemon):
    env = {
        "SPANFERRY_SERVICE_HOST": "10.96.0.7", "SPANFERRY_SERVICE_PORT": "4318", "SPANFERRY_SERVICE_PORT_HTTP": "4318",
        "SPANFERRY_PORT": "tcp://10.96.0.7:4318", "SPANFERRY_PORT_4318_TCP": "tcp://10.96.0.7:4318",
        "SPANFERRY_PORT_4318_TCP_ADDR": "10.96.0.7", "SPANFERRY_PORT_4318_TCP_PORT": "4318", "SPANFERRY_PORT_4318_TCP_PROTO": "tcp",
        "SPANFERRY_LISTEN_PORT": "tcp://10.96.0.8:1", "SPANFERRY_LISTEN_SERVICE_HOST": "10.96.0.8",
    }
    d = daemon(env=env, **AT_ONCE)
    send(d, "as ever")
    assert "10.96" not in d.run("config").stdout + d.log()


def test_a_misspelt_variable_is_no_silent_hole(daemon):
    """SPANFERRY_LISTEN_TOKEN_FIL would leave the doors without a token."""
    d = daemon(env={"SPANFERRY_LISTEN_TOKEN_FIL": "/run/secrets/token"}, start=False)
    d.write_config()
    done = d.run("run", check=False)
    assert done.returncode == 2 and "SPANFERRY_LISTEN_TOKEN_FILE" in done.stderr


def test_a_credential_over_plain_http_is_told(daemon):
    d = daemon(destinations=[{"name": "far", "kind": "otlp", "url": "http://collector.invalid:4318", "headers": {"x-api-key": "planted"}}], **AT_ONCE)
    assert "can be read on the way" in d.log() and "planted" not in d.log()
