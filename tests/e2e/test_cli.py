"""The command line: what it prints, and exit codes that scripts can use."""
import json
import subprocess

import genai
import wire
from daemon import BINARY
from waiting import wait_until


def spanferry(*arguments, **more):
    return subprocess.run([BINARY, *arguments], capture_output=True, text=True, timeout=60, **more)


def test_version_and_usage():
    assert json.loads(spanferry("version", "--json").stdout)["version"]
    assert spanferry("no-such-command").returncode == 2
    assert spanferry("run", "--no-such-flag").returncode == 2


def test_status_and_trace_tell_where_a_trace_is(daemon, otlp_sink):
    d = daemon(destinations=[{"name": "backend", "kind": "otlp", "url": otlp_sink.url}])
    app = genai.App(d.url)
    chat = genai.chat_with_retrieval(app)
    app.close()
    d.wait_until_settled("backend")
    status = d.run("status").stdout
    assert "backend" in status and "ok" in status
    assert json.loads(d.run("status", "--json").stdout)["accepted"]["spans"] == 4
    assert d.run("status", "--ready").returncode == 0
    assert d.run("status", "--live").returncode == 0
    tree = d.run("trace", chat).stdout
    for words in ("answer_question", "search_documents", "chat gpt-4o", "812", "backend", "delivered"):
        assert words in tree, tree
    assert json.loads(d.run("trace", f"tr-{chat}", "--json").stdout)
    assert d.run("trace", "0" * 31 + "1", check=False).returncode == 1


def test_send_takes_files_and_datagrams(daemon, otlp_sink, scratch):
    d = daemon(destinations=[{"name": "backend", "kind": "otlp", "url": otlp_sink.url}])
    binary, text, udp = (wire.request([name]) for name in ("binary", "text", "udp"))
    file = scratch / "request.pb"
    file.write_bytes(binary.SerializeToString())
    d.run("send", str(file))
    d.run("send", input=wire.as_json(text).decode())
    (scratch / "udp.json").write_bytes(wire.as_json(udp))
    d.run("send", "--udp", str(scratch / "udp.json"))
    wait_until(lambda: set(otlp_sink.ids()) == wire.ids_of(binary, text, udp), lambda: otlp_sink.ids())
    d.sent.acknowledged += 2


def test_commands_say_so_when_no_daemon_answers(daemon):
    d = daemon(start=False)
    d.write_config()
    done = d.run("status", check=False)
    assert done.returncode == 1 and d.address in done.stdout + done.stderr
    assert d.run("status", "--ready", check=False).returncode == 1
    assert d.run("status", "--live", check=False).returncode == 1


def test_all_errors_of_a_file_come_at_once(scratch):
    file = scratch / "bad.yaml"
    file.write_text("listen:\n  htp: [127.0.0.1:0]\nspool:\n  max_bytes: many\n  max_bytes: 1GiB\n")
    done = spanferry("config", "--config", str(file))
    text = done.stdout + done.stderr
    assert done.returncode != 0
    for words in ("bad.yaml:2:3", "http", "bad.yaml:4", "bad.yaml:5"):
        assert words in text, text


def test_config_tells_where_each_value_is_from_and_masks_secrets(daemon):
    d = daemon(start=False, env={"SPANFERRY_LOG_LEVEL": "warn"}, destinations=[
        {"name": "w", "kind": "databricks", "url": "https://example.invalid", "token": "planted-secret-2", "experiment": "/e"}])
    d.write_config()
    text = d.run("config").stdout
    assert "planted-secret-2" not in text
    assert "SPANFERRY_LOG_LEVEL" in text and "spanferry.yaml" in text and "default" in text


def test_a_spool_can_be_inspected_when_nobody_has_it(daemon, load_sink):
    d = daemon(destinations=[{"name": "backend", "kind": "otlp", "url": load_sink.url}])
    load_sink.set("status")
    r = wire.request(["kept", "kept too"])
    assert d.post(r.SerializeToString())[0] == 200
    assert d.stop() == 0
    inspected = json.dumps(d.inspect())
    assert "backend" in inspected and '"spans": 2' in inspected
