"""The real SDK through the daemon to a real MLflow server: what its client reads is what was sent."""
import pytest

import genai
import reading
from mlflow_server import serve as serve_mlflow
from waiting import wait_until


@pytest.fixture(scope="module")
def mlflow_server():
    with serve_mlflow() as url:
        yield url


def server_destination(url, **more):
    return {"name": "server", "kind": "mlflow", "url": url, "assemble": {"quiet": "200ms"}, **more}


def read(c, experiment, trace_id):
    e = c.get_experiment_by_name(experiment)
    found = {t.info.trace_id for t in reading.search(c, e.experiment_id, max_results=500)}
    assert f"tr-{trace_id}" in found
    return c.get_trace(f"tr-{trace_id}")


def wait_for_request_id(c, trace_id, request_id):
    """The StartTrace that carries it comes once the trace is quiet."""
    return wait_until(
        lambda: c.get_trace(f"tr-{trace_id}").info.client_request_id == request_id,
        lambda: f"{request_id}, but {c.get_trace(f'tr-{trace_id}').info}",
    )


def test_a_chat_reads_back_as_it_was_sent(daemon, mlflow_server):
    d = daemon(destinations=[server_destination(mlflow_server, experiment="chat")])
    app = genai.App(d.url)
    chat, error = genai.chat_with_retrieval(app), genai.failing_chat(app)
    app.close()
    d.wait_until_settled("server")
    with reading.client(mlflow_server) as c:
        wait_for_request_id(c, chat, "req-1")
        trace = read(c, "chat", chat)
        reading.assert_same_spans(trace, app.sent())
        reading.assert_chat_with_retrieval(trace)
        failed = read(c, "chat", error)
        reading.assert_same_spans(failed, app.sent())
        assert failed.info.state.value == "ERROR"
        assert [s.status.description for s in failed.data.spans if s.name == "chat gpt-4o"] == ["the model did not answer"]


def test_an_experiment_is_chosen_by_header_and_by_attribute(daemon, mlflow_server):
    d = daemon(destinations=[server_destination(mlflow_server, experiment="default-one")])
    by_header = genai.App(d.url, headers={"x-spanferry-experiment": "by-header"})
    by_attribute = genai.App(d.url, resource={"mlflow.experiment_name": "by-attribute"})
    one, two = genai.chat_with_retrieval(by_header, "req-2"), genai.chat_with_retrieval(by_attribute, "req-3")
    by_header.close()
    by_attribute.close()
    d.wait_until_settled("server")
    with reading.client(mlflow_server) as c:
        reading.assert_same_spans(read(c, "by-header", one), by_header.sent())
        reading.assert_same_spans(read(c, "by-attribute", two), by_attribute.sent())


def test_one_refused_span_among_many_is_set_aside(daemon, mlflow_server):
    import wire

    d = daemon(destinations=[server_destination(mlflow_server, experiment="poison")])
    r = wire.request([f"span {i}" for i in range(200)])
    # Of the values the server cannot store, one that the wire format allows and ingest has no reason to repair.
    poison = wire.spans_of(r)[117]
    poison.attributes.add(key="mlflow.spanInputs").value.string_value = "{not json"
    assert d.post(r.SerializeToString())[0] == 200
    accounting = d.wait_until_settled("server")
    assert accounting["delivered"] + accounting["dead"] == 200
    trace_id = wire.spans_of(r)[0].trace_id.hex()
    with reading.client(mlflow_server) as c:
        trace = c.get_trace(f"tr-{trace_id}")
        assert len(trace.data.spans) == accounting["delivered"] >= 199
