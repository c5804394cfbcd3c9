"""MLflow's own client, unmodified, with the daemon alone for its server: what it writes it reads back."""
import json
import os
import pathlib
import subprocess
import sys

import pytest
import requests

APP = pathlib.Path(__file__).with_name("mlflow_app.py")
OURS = ("MLFLOW_", "DATABRICKS_", "OTEL_")


def run_app(*arguments, python=sys.executable, program=APP, seconds=180, **env):
    """What the app printed last."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(OURS)}
    environment |= {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2"} | env
    done = subprocess.run([python, program, *arguments], env=environment, capture_output=True, text=True, timeout=seconds)
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


def check_chat(out):
    """The trace that the app wrote, edited and read."""
    info, spans = out["read"]["chat"]["info"], out["read"]["chat"]["spans"]
    assert info["trace_id"] == out["chat"]
    assert info["client_request_id"] == "req-1"
    assert info["state"] == "OK"
    if not out["chat"].startswith("trace:/"):  # those in tables are in no experiment
        assert info["experiment_id"] == out["experiment"][0]
    assert info["tags"] == {"mlflow.traceName": "chat", "mlflow.trace.session": "session-1", "environment": "production", "kept": "ünï"}
    assert info["metadata"]["mlflow.trace.user"] == "jane"
    assert json.loads(info["metadata"]["mlflow.trace.tokenUsage"])["total_tokens"] == 18
    assert "残高" in info["request_preview"]
    assert [[name, value, rationale, valid] for _, name, value, rationale, valid, _ in info["assessments"]] == [
        ["good", False, "on reflection", True], ["stays", [1, "two"], None, None],
        ["tone", "kind", None, False], ["tone", "rude", None, True],
    ]
    kind, rude = [a for a in info["assessments"] if a[1] == "tone"]
    assert rude[5] == kind[0], "it says which one it overrides"
    root, child = spans
    assert (root["name"], root["parent_id"], child["name"], child["parent_id"]) == ("chat", None, "call_llm", root["span_id"])
    assert root["inputs"] == {"message": "What is my balance? 残高", "request_id": "req-1"}
    assert child["type"] == "CHAT_MODEL"
    assert child["outputs"]["choices"][0]["message"]["content"] == "Processed: What is my balance? 残高"
    assert child["attributes"]["big"] == 2**53 + 1
    assert child["attributes"]["numbers"] == [1, 2.5, None, True]
    assert root["start"] <= child["start"] <= child["end"] <= root["end"]


def check_failed(out):
    failed = out["read"]["failed"]
    assert failed["info"]["state"] == "ERROR"
    (span,) = failed["spans"]
    assert span["status"] == "ERROR"
    assert [e[0] for e in span["events"]] == ["exception"]


def check_app(out):
    check_chat(out)
    check_failed(out)
    assert out["found"] == [out["chat"]]
    assert out["experiment"][1:] == ["shop", "active"]
    assert out["experiment_by_id"] == "shop"
    assert "shop" in out["experiments"]
    assert out["updated"] is False
    assert out["deletions"] == 1
    assert out["after_deletion"] != "there"


def test_an_app_reads_back_what_it_wrote(daemon):
    d = daemon()
    out = run_app("shop", MLFLOW_TRACKING_URI=d.url)
    check_app(out)
    d.sent.acknowledged += 5  # two chats of two spans, one failure
    status = d.status()
    assert status["accepted"]["spans"] == 5
    assert status["accepted"]["requests"] > 10, "edits count too"


@pytest.mark.parametrize("credential", [
    {"DATABRICKS_TOKEN": "any"},
    {"DATABRICKS_CLIENT_ID": "any", "DATABRICKS_CLIENT_SECRET": "any"},
], ids=["token", "oauth"])
def test_an_app_that_believes_it_talks_to_a_workspace_reads_back_what_it_wrote(daemon, credential):
    d = daemon()
    out = run_app("shop", MLFLOW_TRACKING_URI="databricks", DATABRICKS_HOST=d.url, **credential)
    check_app(out)
    d.sent.acknowledged += 5
    assert d.status()["accepted"]["spans"] == 5


def test_tables_of_unity_catalog_are_taken_and_read_back(daemon):
    d = daemon()
    out = run_app("shop", "delete", MLFLOW_TRACKING_URI="databricks", DATABRICKS_HOST=d.url, DATABRICKS_TOKEN="any",
                  APP_TABLES="main.genai.chat")
    check_chat(out)
    check_failed(out)
    d.sent.acknowledged += 5
    assert d.status()["accepted"]["spans"] == 5


def test_an_address_for_a_file_is_good_for_that_file_alone(daemon):
    d = daemon()
    trace_id = "tr-" + "7" * 32
    info = {"trace_id": trace_id, "state": "OK"}
    requests.post(f"{d.url}/api/3.0/mlflow/traces", json={"trace": {"trace_info": info}}, timeout=30).raise_for_status()
    upload = requests.get(f"{d.url}/api/2.0/mlflow/traces/{trace_id}/credentials-for-data-upload", {"path": "attachments/one"}, timeout=30)
    address = upload.json()["credential_info"]["signed_uri"]
    assert requests.put(address, b"bytes", timeout=30).status_code == 200
    for wrong in (address.replace("/one", "/two"), address.replace(trace_id, "tr-" + "8" * 32), address.replace("sig=", "sig=0"),
                  address.replace("expires=", "expires=9"), address.split("?")[0]):
        assert requests.put(wrong, b"bytes", timeout=30).status_code == 403, wrong
    assert requests.get(address, timeout=30).status_code == 403, "it is for writing"
    d.kill()
    d.start()
    assert requests.put(address, b"more", timeout=30).status_code == 200, "its client would not ask for another"
    download = requests.get(f"{d.url}/api/2.0/mlflow/traces/{trace_id}/credentials-for-data-download", {"path": "attachments/one"}, timeout=30)
    assert requests.get(download.json()["credential_info"]["signed_uri"], timeout=30).content == b"more"
    unknown = requests.get(f"{d.url}/api/2.0/mlflow/traces/tr-{'9' * 32}/credentials-for-data-upload", timeout=30)
    assert (unknown.status_code, unknown.json()["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")


def test_with_a_destination_that_is_away_the_app_goes_on(daemon):
    """It was never reached: the experiment gets a provisional id, and everything is there to be read."""
    server = {"name": "server", "kind": "mlflow", "url": "http://127.0.0.1:9", "experiment": "configured"}
    d = daemon(destinations=[server])
    out = run_app("shop", MLFLOW_TRACKING_URI=d.url)
    check_app(out)
    assert int(out["experiment"][0]) >= 9200000000000000000
    d.kill()
    d.start()
    by_name = requests.get(f"{d.url}/api/2.0/mlflow/experiments/get-by-name", {"experiment_name": "shop"}, timeout=30)
    assert by_name.json()["experiment"]["experiment_id"] == out["experiment"][0]
    read = requests.get(f"{d.url}/api/3.0/mlflow/traces/get", {"trace_id": out["chat"]}, timeout=30)
    assert len(read.json()["trace"]["spans"]) == 2
    assert read.headers["X-Spanferry-Partial"]
    d.sent.acknowledged += 5


def test_what_was_acknowledged_is_there_after_a_kill(daemon):
    d = daemon()
    out = run_app("shop", MLFLOW_TRACKING_URI=d.url)
    d.sent.acknowledged += 5
    d.kill()
    d.start()
    trace = requests.get(f"{d.url}/api/3.0/mlflow/traces/get", {"trace_id": out["chat"]}, timeout=30).json()["trace"]
    assert trace["trace_info"]["client_request_id"] == "req-1"
    assert trace["trace_info"]["tags"]["kept"] == "ünï"
    assert len(trace["trace_info"]["assessments"]) == 4
    assert len(trace["spans"]) == 2
    assert requests.get(f"{d.url}/api/3.0/mlflow/traces/{out['deleted']}", timeout=30).status_code == 404
    experiment = requests.get(f"{d.url}/api/2.0/mlflow/experiments/get-by-name", {"experiment_name": "shop"}, timeout=30).json()
    assert experiment["experiment"]["tags"] == [{"key": "team", "value": "chat"}]


def test_a_client_that_uploads_files_reads_them_back(daemon):
    """What mlflow 3.2 to 3.5 and the TypeScript SDK do."""
    d = daemon()
    trace_id = "tr-" + "5" * 32
    info = {"trace_id": trace_id, "trace_location": {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "0"}},
            "request_time": "2026-11-24T02:20:46.125Z", "execution_duration": "0.001s", "state": "OK", "tags": {}, "trace_metadata": {}}
    started = requests.post(f"{d.url}/api/3.0/mlflow/traces", json={"trace": {"trace_info": info}}, timeout=30).json()["trace"]["trace_info"]
    assert "mlflow.trace.spansLocation" not in started["tags"]
    path = started["tags"]["mlflow.artifactLocation"].removeprefix("mlflow-artifacts:/")
    span = {"trace_id": "VVVVVVVVVVVVVVVVVVVVVQ==", "span_id": "AAAAAAAAAAE=", "parent_span_id": None, "name": "ts", "start_time_unix_nano": 5, "end_time_unix_nano": 9,
            "events": [], "status": {"code": "STATUS_CODE_OK", "message": ""}, "attributes": {"mlflow.traceRequestId": f'"{trace_id}"'}, "links": []}
    files = f"{d.url}/api/2.0/mlflow-artifacts/artifacts/{path}"
    put = requests.put(f"{files}/traces.json", json.dumps({"spans": [span]}), headers={"Content-Type": "text/plain"}, timeout=30)
    assert (put.status_code, put.text) == (200, "")
    d.sent.acknowledged += 1
    assert requests.get(f"{files}/traces.json", timeout=30).json()["spans"] == [span]
    assert requests.put(f"{files}/attachments/9b2d", b"\x89PNG\0\xff", headers={"Content-Type": "image/png"}, timeout=30).status_code == 200
    back = requests.get(f"{files}/attachments/9b2d", timeout=30)
    assert (back.content, back.headers["Content-Type"]) == (b"\x89PNG\0\xff", "image/png")
    (trace,) = requests.get(f"{d.url}/api/3.0/mlflow/traces/batchGet", {"trace_ids": trace_id}, timeout=30).json()["traces"]
    assert [s["name"] for s in trace["spans"]] == ["ts"]


@pytest.mark.parametrize("method, path, body, status, code", [
    ("POST", "/api/3.0/mlflow/traces", "{", 400, "INVALID_PARAMETER_VALUE"),
    ("POST", "/api/3.0/mlflow/traces", "{}", 400, "INVALID_PARAMETER_VALUE"),
    ("POST", "/api/3.0/mlflow/traces", '{"trace":{"trace_info":{"trace_id":"mine"}}}', 400, "INVALID_PARAMETER_VALUE"),
    ("POST", "/api/2.0/mlflow/traces", "{}", 400, "BAD_REQUEST"),
    ("GET", "/api/3.0/mlflow/traces/tr-00000000000000000000000000000001", "", 404, "RESOURCE_DOES_NOT_EXIST"),
    ("GET", "/api/3.0/mlflow/traces/get", "", 400, "INVALID_PARAMETER_VALUE"),
    ("PATCH", "/api/2.0/mlflow/traces/tr-00000000000000000000000000000001/tags", '{"key":"k","value":"v"}', 404, "RESOURCE_DOES_NOT_EXIST"),
    ("PATCH", "/api/2.0/mlflow/traces/tr-00000000000000000000000000000001/tags", '{"value":"v"}', 400, "INVALID_PARAMETER_VALUE"),
    ("POST", "/api/3.0/mlflow/traces/tr-00000000000000000000000000000001/assessments", '{"assessment":{"assessment_name":"a","feedback":{"value":1}}}', 404, "RESOURCE_DOES_NOT_EXIST"),
    ("POST", "/api/3.0/mlflow/traces/tr-00000000000000000000000000000001/assessments", '{"assessment":{"assessment_name":"a"}}', 400, "INVALID_PARAMETER_VALUE"),
    ("POST", "/api/2.0/mlflow/traces/delete-traces", '{"experiment_id":"0"}', 400, "INVALID_PARAMETER_VALUE"),
    ("GET", "/api/2.0/mlflow/experiments/get-by-name?experiment_name=none", "", 404, "RESOURCE_DOES_NOT_EXIST"),
    ("GET", "/api/2.0/mlflow/experiments/get?experiment_id=77", "", 404, "RESOURCE_DOES_NOT_EXIST"),
    ("POST", "/api/2.0/mlflow/experiments/create", '{"name":"Default"}', 400, "RESOURCE_ALREADY_EXISTS"),
    ("POST", "/api/2.0/mlflow/experiments/create", '{"name":""}', 400, "INVALID_PARAMETER_VALUE"),
    ("PUT", "/api/2.0/mlflow-artifacts/artifacts/0/traces/tr-00000000000000000000000000000001/artifacts/traces.json", "nonsense", 400, "INVALID_PARAMETER_VALUE"),
    ("PUT", "/api/2.0/mlflow-artifacts/artifacts/0/traces/tr-00000000000000000000000000000001/artifacts/../../x", "a", 400, "INVALID_PARAMETER_VALUE"),
    ("POST", "/api/2.0/mlflow/runs/create", "{}", 404, "ENDPOINT_NOT_FOUND"),
    ("GET", "/api/5.0/mlflow/anything", "", 404, "ENDPOINT_NOT_FOUND"),
])
def test_what_cannot_be_served_is_told_in_the_servers_words(alone, method, path, body, status, code):
    headers = {"Content-Type": "application/json"}
    answered, _, text = alone.request(path, body.encode() or None, headers, method=method)
    answer = json.loads(text)
    assert (answered, answer["error_code"]) == (status, code), text
    assert answer["message"]


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    from daemon import Daemon

    d = Daemon(tmp_path_factory.mktemp("mlflow") / "d")
    yield d
    d.close()


def test_a_repeated_create_gets_the_first_answer(daemon):
    d = daemon()
    trace_id = "tr-" + "6" * 32
    url = f"{d.url}/api/3.0/mlflow/traces"
    requests.post(url, json={"trace": {"trace_info": {"trace_id": trace_id, "state": "OK"}}}, timeout=30).raise_for_status()
    feedback = {"assessment": {"assessment_name": "good", "feedback": {"value": True}, "create_time": "2026-11-24T02:20:46.125Z"}}
    ids = [requests.post(f"{url}/{trace_id}/assessments", json=feedback, timeout=30).json()["assessment"]["assessment_id"] for _ in range(3)]
    assert len(set(ids)) == 1
    assert len(requests.get(f"{url}/{trace_id}", timeout=30).json()["trace"]["trace_info"]["assessments"]) == 1
    create = f"{d.url}/api/2.0/mlflow/experiments/create"
    made = [requests.post(create, json={"name": "twice"}, timeout=30).json()["experiment_id"] for _ in range(2)]
    assert made[0] == made[1]
    other = requests.post(create, json={"name": "twice", "tags": []}, timeout=30)
    assert (other.status_code, other.json()["error_code"]) == (400, "RESOURCE_ALREADY_EXISTS")


def test_traces_are_deleted_by_time_the_oldest_first(daemon):
    d = daemon()
    ids = [f"{n:032x}" for n in (0xA1, 0xA2, 0xA3)]
    for n, trace in enumerate(ids):
        span = {"traceId": trace, "spanId": f"{n + 1:016x}", "name": "s", "startTimeUnixNano": str(10**9 * (n + 1)), "endTimeUnixNano": str(10**9 * (n + 1) + 5)}
        body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).encode()
        assert d.post(body, "application/json", x_mlflow_experiment_id="0")[0] == 200
    url = f"{d.url}/api/2.0/mlflow/traces/delete-traces"
    deleted = requests.post(url, json={"experiment_id": "0", "max_timestamp_millis": 2500, "max_traces": 1}, timeout=30).json()
    assert deleted == {"traces_deleted": 1}
    statuses = [requests.get(f"{d.url}/api/3.0/mlflow/traces/tr-{trace}", timeout=30).status_code for trace in ids]
    assert statuses == [404, 200, 200]
