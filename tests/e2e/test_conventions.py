"""Real GenAI instrumentations, without MLflow's SDK: what the MLflow client reads from experiment storage, where our
encoder wrote the spans, is what a real MLflow server shows of the same OTLP sent to it directly."""
import json
import shutil
import urllib.request

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

import applications
import reading
import stub_llm
import wire
from mlflow_server import serve as serve_mlflow
from waiting import wait_until

EXPERIMENT = "/Shared/conventions"


@pytest.fixture(scope="module")
def mlflow_server():
    with serve_mlflow() as url:
        yield url


def traces_in(requests):
    return {span.trace_id.hex() for body in requests for span in wire.spans_of(ExportTraceServiceRequest.FromString(body))}


def through_the_daemon(daemon, workspace, requests):
    d = daemon(destinations=[{"name": "workspace", "kind": "databricks", "url": workspace.url, "token": "x",
                              "experiment": EXPERIMENT, "assemble": {"quiet": "200ms"}}])
    for body in requests:
        assert d.post(body)[0] == 200
    d.wait_until_settled("workspace")
    with reading.client("databricks", DATABRICKS_HOST=workspace.url, DATABRICKS_TOKEN="x") as c:
        return {t: c.get_trace(f"tr-{t}") for t in traces_in(requests)}


def straight_to_mlflow(url, requests):
    with reading.client(url) as c:
        found = c.get_experiment_by_name(EXPERIMENT)
        experiment = found.experiment_id if found else c.create_experiment(EXPERIMENT)
        for body in requests:
            headers = {"Content-Type": wire.PROTOBUF, "x-mlflow-experiment-id": experiment}
            with urllib.request.urlopen(urllib.request.Request(f"{url}/v1/traces", body, headers), timeout=60) as answer:
                assert answer.status == 200
        return {t: wait_until(lambda t=t: c.get_trace(f"tr-{t}"), f"trace {t} at the server") for t in traces_in(requests)}


def facts_of_span(span):
    return {
        "name": span.name, "parent": span.parent_id, "type": span.span_type, "inputs": span.inputs, "outputs": span.outputs,
        "status": (span.status.status_code.value, span.status.description or ""),
        "times": (span.start_time_ns, span.end_time_ns), "attributes": dict(span.attributes),
        "events": [(e.name, e.timestamp, dict(e.attributes)) for e in span.events],
    }


def facts_of_trace(trace):
    info, metadata = trace.info, trace.info.trace_metadata
    cost = json.loads(metadata.get("mlflow.trace.cost", "{}"))
    return {
        "state": info.state.value, "request": info.request_preview, "response": info.response_preview, "started": info.request_time,
        "tokens": json.loads(metadata.get("mlflow.trace.tokenUsage", "null")),
        "cost": {kind: pytest.approx(usd) for kind, usd in cost.items()},  # summed up in another order
        "session": metadata.get("mlflow.trace.session"), "user": metadata.get("mlflow.trace.user"),
        "tags": {key: value for key, value in info.tags.items() if not key.startswith("mlflow.")},
        "spans": {span.span_id: facts_of_span(span) for span in trace.data.spans},
    }


def differences(ours, theirs, at=""):
    """Paths at which the two differ, with both values. Tags that we add for a trace's context are no difference."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        keys = theirs.keys() if at == ".tags" else ours.keys() | theirs.keys()
        return [d for key in keys for d in differences(ours.get(key), theirs.get(key), f"{at}.{key}")]
    same = ours == theirs and isinstance(ours, bool) == isinstance(theirs, bool)
    return [] if same else [f"{at}: {ours!r}, the server has {theirs!r}"]


def assert_reads_as_at_the_server(daemon, workspace, server, requests):
    """The traces as our encoder wrote them."""
    ours, theirs = through_the_daemon(daemon, workspace, requests), straight_to_mlflow(server, requests)
    for trace_id, trace in theirs.items():
        found = differences(facts_of_trace(ours[trace_id]), facts_of_trace(trace))
        assert not found, "\n".join(found)
        # Experiment storage is told the root's times, as MLflow's own client tells them; a server takes those of all spans.
        root = next(s for s in trace.data.spans if s.parent_id is None)
        assert abs(ours[trace_id].info.execution_duration - (root.end_time_ns - root.start_time_ns) / 1e6) <= 1
    return list(ours.values())


def conversation_in(traces):
    return next(t for t in traces if any(s.name == "conversation" for s in t.data.spans))


def calls_of(trace, span_type):
    return [s for s in sorted(trace.data.spans, key=lambda s: s.start_time_ns) if s.span_type == span_type]


def assert_conversation(trace, types, models):
    """What a reader expects of it, whatever the server makes of it."""
    info = trace.info
    assert info.trace_metadata["mlflow.trace.session"] == "session-9"
    assert {s.span_type for s in trace.data.spans} - {None} == types
    assert {s.get_attribute("mlflow.llm.model") for s in trace.data.spans} - {None} == models
    assert json.loads(info.trace_metadata["mlflow.trace.tokenUsage"])["input_tokens"] > 0
    assert json.loads(info.trace_metadata["mlflow.trace.cost"])["total_cost"] > 0
    assert info.tags["service.name"] == "weather-bot"


OPENAI_MODELS = {"gpt-4o-2024-08-06", "gpt-4o-mini-2024-07-18", "text-embedding-3-small"}
TYPES = {"genai": {"CHAT_MODEL", "EMBEDDING"}, "genai_earlier_names": {"CHAT_MODEL", "EMBEDDING"},
         "openinference": {"LLM", "EMBEDDING"}, "traceloop": {"CHAT_MODEL", "EMBEDDING"}}


@pytest.mark.parametrize("name", applications.PYTHON)
def test_the_openai_sdk_reads_as_at_an_mlflow_server(daemon, workspace, mlflow_server, name):
    traces = assert_reads_as_at_the_server(daemon, workspace, mlflow_server, applications.run_python(name))
    conversation = conversation_in(traces)
    assert_conversation(conversation, TYPES[name], OPENAI_MODELS)
    assert conversation.info.trace_metadata["mlflow.trace.user"] == "user-joe"
    first = calls_of(conversation, "LLM" if name == "openinference" else "CHAT_MODEL")[0]
    assert first.get_attribute("mlflow.chat.tokenUsage")["total_tokens"] == 49
    if name == "genai_earlier_names":  # tells no content on spans
        assert first.inputs is None
    else:
        assert "Paris? ☀" in json.dumps(first.inputs, ensure_ascii=False)
        assert "get_weather" in json.dumps(first.outputs)
    assert [t.info.state.value for t in traces].count("ERROR") == 1


def test_numbered_prompts_of_earlier_openllmetry_read_as_at_an_mlflow_server(daemon, workspace, mlflow_server):
    """As it was recorded: the release of today writes OpenTelemetry's names."""
    requests = applications.recorded("traceloop_earlier")
    conversation = conversation_in(assert_reads_as_at_the_server(daemon, workspace, mlflow_server, requests))
    calls = sorted((s for s in conversation.data.spans if s.name == "openai.chat"), key=lambda s: s.start_time_ns)
    assert [s.inputs for s in calls] == ["Be brief."] * 3  # the first prompt, as the server has it
    assert calls[1].outputs == stub_llm.ANSWER
    assert calls[0].get_attribute("mlflow.chat.tokenUsage") == {"input_tokens": 42, "output_tokens": 7, "total_tokens": 49}
    assert calls[0].get_attribute("mlflow.llm.provider") == "OpenAI"


def assert_vercel(traces):
    conversation = conversation_in(traces)
    assert_conversation(conversation, {"LLM", "TOOL", "EMBEDDING"}, OPENAI_MODELS - {"text-embedding-3-small"})
    (tool,) = calls_of(conversation, "TOOL")
    assert (tool.inputs, tool.outputs) == ({"city": "Paris"}, {"city": "Paris", "celsius": 21})
    call = next(s for s in calls_of(conversation, "LLM") if s.name == "ai.generateText.doGenerate")
    assert call.get_attribute("mlflow.message.format") == "vercel_ai"
    assert call.inputs["tools"][0]["name"] == "get_weather" and call.inputs["messages"][0]["role"] == "system"
    assert call.outputs["toolCalls"][0]["toolName"] == "get_weather"
    assert [t.info.state.value for t in traces].count("ERROR") == 2


def test_the_vercel_ai_sdk_reads_as_at_an_mlflow_server(daemon, workspace, mlflow_server):
    """As it was recorded: Node is not needed for this."""
    assert_vercel(assert_reads_as_at_the_server(daemon, workspace, mlflow_server, applications.recorded("vercel")))


def test_the_vercel_ai_sdk_still_sends_what_was_recorded(daemon, workspace, mlflow_server, scratch, soak):
    if not soak:
        pytest.skip("installs Node packages: with --soak")
    if not shutil.which("npm"):
        pytest.skip("no npm here")
    requests = applications.run_vercel(scratch)
    assert_vercel(assert_reads_as_at_the_server(daemon, workspace, mlflow_server, requests))
    assert attributes_of(requests) == attributes_of(applications.recorded("vercel"))


def attributes_of(requests):
    """span name → all attribute names that such spans have."""
    names = {}
    for body in requests:
        for span in wire.spans_of(ExportTraceServiceRequest.FromString(body)):
            names.setdefault(span.name, set()).update(a.key for a in span.attributes)
    return names
