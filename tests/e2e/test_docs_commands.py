"""The commands of docs/api.md and docs/troubleshooting.md, run as they stand: they work, and what they answer has the shape
that is shown. Those of docs/deploy-*.md are in tests/deploy."""
import json
import re
import subprocess

from daemon import BINARY
from programs import ROOT
from waiting import wait_until

TRACE = "0af7651916cd43dd8448eb211c80319c"  # as in the examples
SPAN = {
    "traceId": TRACE, "spanId": "b7ad6b7169203331", "name": "chat gpt", "kind": 3,
    "startTimeUnixNano": "1764000000000000000", "endTimeUnixNano": "1764000001500000000",
    "attributes": [
        {"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}},
        {"key": "gen_ai.usage.input_tokens", "value": {"intValue": "12"}},
    ],
}
REQUEST = {"resourceSpans": [{
    "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "chat"}}]},
    "scopeSpans": [{"spans": [SPAN, SPAN | {"traceId": "0af7"}]}],
}]}


def text_of(name):
    return (ROOT / "docs" / name).read_text()


def commands(name):
    """(command, what it is shown to print) of the indented blocks that begin with a prompt."""
    blocks = re.findall(r"^    \$ (.*)\n((?:    .*\n)*)", text_of(name), re.M)
    assert blocks
    return [(command, re.sub("^    ", "", shown, flags=re.M)) for command, shown in blocks]


def example(heading):
    """The JSON that is shown below a heading of api.md."""
    section = re.search(rf"^## GET {re.escape(heading)}.*?\n(.*?)(?=^## |\Z)", text_of("api.md"), re.M | re.S)[1]
    return json.loads(re.search(r"^    (\{.*?\})\n\n", section, re.M | re.S)[1].replace(",…}", ',"…":0}'))


def same_shape(shown, real, path="answer"):
    """The same members everywhere, of the same kinds; `…` stands for more of them."""
    if isinstance(shown, dict):
        assert isinstance(real, dict), (path, shown, real)
        assert shown.keys() == real.keys() or "…" in shown and shown.keys() - {"…"} <= real.keys(), (path, shown, real)
        for key in shown.keys() - {"…"}:
            same_shape(shown[key], real[key], f"{path}.{key}")
    elif isinstance(shown, list):
        assert isinstance(real, list) and bool(shown) == bool(real), (path, shown, real)
        for one in shown and real:
            same_shape(shown[0], one, path)
    elif shown is not None:
        assert isinstance(real, (int, float) if isinstance(shown, float) else type(shown)), (path, shown, real)


def run(d, command, code=0, **places):
    """In the shell, as a reader would, but with the ports and the ids of this test."""
    for shown, real in ({"127.0.0.1:4318": d.address, "127.0.0.1/4319": f"127.0.0.1/{d.udp_port}"} | places).items():
        command = command.replace(shown, real)
    path = f"{BINARY.parent}:{d.env['PATH']}"
    done = subprocess.run(["bash", "-c", command], cwd=d.directory, env=d.env | {"PATH": path}, capture_output=True,
                          text=True, timeout=60)
    assert done.returncode == code, (command, done.returncode, done.stdout, done.stderr)
    return done.stdout


def test_the_calls_of_the_api_answer_as_they_are_shown(daemon):
    d = daemon()
    (d.directory / "request.json").write_text(json.dumps(REQUEST))
    run(d, re.search(r"`(echo .* > /dev/udp/[^`]*)`", text_of("api.md"))[1])
    for command, shown in commands("api.md"):
        if "/feedback" in command:  # it is by an id that the app gave its request
            later = json.loads(json.dumps(REQUEST).replace(TRACE, "1" * 32).replace("gen_ai.operation.name", "client_request_id")
                               .replace('"chat"', '"req-1"'))
            later["resourceSpans"][0]["scopeSpans"][0]["spans"].pop()
            assert d.post(json.dumps(later).encode(), "application/json")[0] == 200
            wait_until(lambda: any(t["request_id"] == "req-1" for t in d.get("/api/spanferry/v1/traces")["traces"]), "the trace")
        answer = json.loads(run(d, command))
        if "…" in shown:
            same_shape(json.loads(shown), answer)
        else:
            assert answer == json.loads(shown), command
        if "@request.json" in command:
            d.sent.acknowledged += 1
            wait_until(lambda: d.status()["accepted"]["by_source"] == {"http": 1, "udp": 1}, "both spans")
            look_at_what_is_there(d)


def look_at_what_is_there(d):
    """Two spans, one by each door: as the examples have it."""
    same_shape(example("/api/spanferry/v1/status"), d.status())
    same_shape(example("/api/spanferry/v1/traces?"), d.get("/api/spanferry/v1/traces?limit=100"))
    wait_until(lambda: d.get(f"/api/spanferry/v1/traces/{TRACE}")["delivery"][0]["settled"], "a settled trace")
    assert d.get(f"/api/spanferry/v1/traces/{TRACE}") == example("/api/spanferry/v1/traces/ID")
    metrics = d.request("/metrics")[2].decode().splitlines()
    section = text_of("api.md").split("## GET /metrics")[1]
    shown = re.findall(r"^    (.*)$", section, re.M)
    assert len(shown) == 4 and set(shown) <= set(metrics), (shown, metrics)


def test_what_helps_in_trouble_works_beside_a_running_daemon(daemon):
    d = daemon()
    assert d.post(json.dumps(REQUEST).encode(), "application/json")[0] == 200
    d.env["SPANFERRY_CONFIG"] = str(d.directory / "spanferry.yaml")
    every = set(re.findall(r"`(spanferry [a-z ]+(?:ID)?)`|^    (spanferry [a-z]+) +#", text_of("troubleshooting.md"), re.M))
    every = {one or other for one, other in every}
    assert {"spanferry check", "spanferry status", "spanferry trace ID", "spanferry spool inspect"} <= every, every
    for command in every:
        assert run(d, command, ID=TRACE), command


def test_a_check_prints_what_troubleshooting_shows(daemon, secure_workspace, authority):
    ((command, shown),) = commands("troubleshooting.md")
    d = daemon(start=False)
    d.spool.mkdir()
    authority.cert_pem.write_to_path(str(d.directory / "ca.pem"))
    (d.directory / "token").write_text("stale")
    d.config["destinations"] = [{
        "name": "workspace", "kind": "databricks", "url": secure_workspace().url, "experiment": "/Shared/app",
        "token_file": str(d.directory / "token"), "ca_file": str(d.directory / "ca.pem")}]
    d.write_config()
    printed = run(d, command, code=1)
    for here, there in ((d.address, "127.0.0.1:4318"), (f"127.0.0.1:{d.udp_port}", "127.0.0.1:4319"),
                        (str(d.directory / "token"), "/run/secrets/token"), (str(d.spool), "/var/lib/spanferry"),
                        (d.config["destinations"][0]["url"], "https://your-workspace.cloud.databricks.com")):
        printed = printed.replace(here, there)

    def told(text):
        """Line by line; free space and the kind of filesystem are the machine's, and what is behind a refusal is the far
        side's."""
        lines = [re.split(r" {2,}", line.partition("is refused")[0].strip()) for line in text.splitlines()]
        return [line[1:2] if line[1:2] in (["spool filesystem"], ["free space"]) else line for line in lines[:-1]]

    assert told(printed) == told(shown), printed
