"""The real SDK through the daemon to a real MLflow server: what its client reads is what was sent."""
import pytest

import accounts
import genai
import reading
import wire
from mlflow_server import count_spans
from mlflow_server import serve as serve_mlflow
from waiting import wait_until


@pytest.fixture(scope="module")
def mlflow_server():
    with serve_mlflow() as url:
        yield url


@pytest.fixture
def server(far_sides, mlflow_server):
    """Its address; what it holds is compared with the accounts of the daemon."""
    accounts.register_far_side(mlflow_server, lambda: count_spans(mlflow_server))
    return mlflow_server


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


def test_a_chat_reads_back_as_it_was_sent(daemon, server):
    d = daemon(destinations=[server_destination(server, experiment="chat")])
    app = genai.App(d.url)
    chat, error = genai.chat_with_retrieval(app), genai.failing_chat(app)
    app.close()
    d.wait_until_settled("server")
    with reading.client(server) as c:
        wait_for_request_id(c, chat, "req-1")
        trace = read(c, "chat", chat)
        reading.assert_same_spans(trace, app.sent())
        reading.assert_chat_with_retrieval(trace)
        failed = read(c, "chat", error)
        reading.assert_same_spans(failed, app.sent())
        assert failed.info.state.value == "ERROR"
        assert [s.status.description for s in failed.data.spans if s.name == "chat gpt-4o"] == ["the model did not answer"]


def test_an_experiment_is_chosen_by_header_and_by_attribute(daemon, server):
    d = daemon(destinations=[server_destination(server, experiment="default-one")])
    by_header = genai.App(d.url, headers={"x-spanferry-experiment": "by-header"})
    by_attribute = genai.App(d.url, resource={"mlflow.experiment_name": "by-attribute"})
    one, two = genai.chat_with_retrieval(by_header, "req-2"), genai.chat_with_retrieval(by_attribute, "req-3")
    by_header.close()
    by_attribute.close()
    d.wait_until_settled("server")
    with reading.client(server) as c:
        reading.assert_same_spans(read(c, "by-header", one), by_header.sent())
        reading.assert_same_spans(read(c, "by-attribute", two), by_attribute.sent())


def test_one_refused_span_among_a_thousand_is_set_aside(daemon, server):
    d = daemon(destinations=[server_destination(server, experiment="poison")])
    r = wire.request([f"span {i}" for i in range(1000)])
    # A cost that is no object is fine by the wire format, and the server's store chokes on it: 422 for the whole request.
    poison = wire.spans_of(r)[617]
    poison.attributes.add(key="mlflow.llm.cost").value.string_value = "[1]"
    assert d.post(r.SerializeToString())[0] == 200
    accounting = d.wait_until_settled("server", seconds=120)
    assert (accounting["delivered"], accounting["dead"]) == (999, 1)
    letter = wait_until(d.dead_letters, "a dead letter: they are written with the cursor's next move")[0]
    assert (letter["span_id"], letter["status"]) == (poison.span_id.hex(), 422), letter
    with reading.client(server) as c:
        trace = c.get_trace(f"tr-{poison.trace_id.hex()}")
    assert {s.span_id for s in trace.data.spans} == {s.span_id.hex() for s in wire.spans_of(r)} - {poison.span_id.hex()}
    # The log moves on.
    after = wire.request(["after"])
    assert d.post(after.SerializeToString())[0] == 200
    assert d.wait_until_settled("server")["delivered"] == 1000
