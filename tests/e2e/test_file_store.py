"""A real MLflow server on a file store: it takes no spans by OTLP (501), so each trace goes as a file, as MLflow's own
client does it there, and that client reads it back."""
import json

import pytest

import accounts
import genai
import reading
import wire
from mlflow_server import count_spans
from mlflow_server import serve as serve_mlflow
from test_sdk_to_mlflow import read, server_destination, wait_for_request_id
from test_unity_catalog import described, run_app
from waiting import wait_until


@pytest.fixture(scope="module")
def file_server():
    with serve_mlflow(file_store=True) as url:
        yield url


@pytest.fixture
def server(far_sides, file_server):
    accounts.register_far_side(file_server, lambda: count_spans(file_server))
    return file_server


def settle(d):
    d.wait_until_settled("server")
    wait_until(lambda: d.destination("server")["lag_records"] == 0, "the traces are told")


def as_by_otlp(attributes):
    """A text that is JSON reads back as what it says, once it came by OTLP."""
    return json.dumps({k: reading.as_read(v) for k, v in json.loads(attributes).items()}, sort_keys=True)


def test_a_chat_reads_back_as_it_was_sent(daemon, server):
    d = daemon(destinations=[server_destination(server, experiment="chat")])
    app = genai.App(d.url)
    chat, error = genai.chat_with_retrieval(app), genai.failing_chat(app)
    app.close()
    settle(d)
    assert d.destination("server")["state"] == "ok" and "takes no spans by OTLP" in d.log()
    with reading.client(server) as c:
        wait_for_request_id(c, chat, "req-1")
        trace, failed = read(c, "chat", chat), read(c, "chat", error)
    reading.assert_same_spans(trace, app.sent())
    reading.assert_same_spans(failed, app.sent())
    assert (trace.info.state.value, failed.info.state.value) == ("OK", "ERROR")
    assert trace.info.execution_duration >= 0


def test_late_spans_join_their_trace_before_and_after_a_restart(daemon, server):
    d = daemon(destinations=[server_destination(server, experiment="late")])
    r = wire.request(["root", "child"])
    assert d.post(r.SerializeToString())[0] == 200
    settle(d)
    root = wire.spans_of(r)[0]
    for n, restart in enumerate((False, True)):
        if restart:
            assert d.stop() == 0
            d.start()
        late = wire.request([f"late {n}"], trace_id=root.trace_id)
        wire.spans_of(late)[0].parent_span_id = root.span_id
        assert d.post(late.SerializeToString())[0] == 200
        settle(d)
    with reading.client(server) as c:
        trace = read(c, "late", root.trace_id.hex())
    assert sorted(s.name for s in trace.data.spans) == ["child", "late 0", "late 1", "root"]


def test_an_mlflow_app_behind_the_daemon_reads_as_when_it_logs_there_itself(daemon, server):
    with reading.client(server) as c:
        wanted = [described(c.get_trace(f"tr-{i}")) for i in run_app(MLFLOW_TRACKING_URI=server)]
    before = count_spans(server)
    d = daemon(destinations=[server_destination(server)])
    ferried = run_app(MLFLOW_TRACKING_URI=d.url)
    d.sent.acknowledged += 4
    settle(d)
    wait_until(lambda: d.destination("server")["parked_records"] == 0, "edits are there")
    with reading.client(server) as c:
        found = [described(c.get_trace(f"tr-{i}")) for i in ferried]
    for trace in (*wanted, *found):
        trace["tags"].pop("mlflow.artifactLocation")
    for trace in wanted:
        trace["spans"] = [(*span[:5], as_by_otlp(span[5]), *span[6:]) for span in trace["spans"]]
    assert found == wanted
    assert count_spans(server) == before + 4
