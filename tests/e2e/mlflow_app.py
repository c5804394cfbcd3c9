"""An app with MLflow's own client, as its users write one; what it held and what it read back, as JSON on its last
line. The client's settings come from the environment. argv: the experiment, and what to leave out."""
import json
import os
import sys
import time

import mlflow
from mlflow.entities import AssessmentSource, Feedback, SpanType

try:
    from mlflow.client import MlflowClient
except ImportError:  # the package mlflow-tracing has none
    MlflowClient = None

HUMAN = AssessmentSource(source_type="HUMAN", source_id="jane")


@mlflow.trace(span_type=SpanType.CHAT_MODEL)
def call_llm(message):
    span = mlflow.get_current_active_span()
    span.set_attributes({"mlflow.chat.tokenUsage": {"input_tokens": 11, "output_tokens": 7, "total_tokens": 18},
                         "mlflow.llm.model": "demo-model", "numbers": [1, 2.5, None, True], "big": 2**53 + 1})
    return {"choices": [{"message": {"role": "assistant", "content": f"Processed: {message}"}}]}


@mlflow.trace(name="chat")
def chat(message, request_id):
    mlflow.update_current_trace(
        client_request_id=request_id,
        tags={"mlflow.trace.session": "session-1", "environment": "production"},
        metadata={"mlflow.trace.session": "session-1", "mlflow.trace.user": "jane"},
    )
    return {"response": call_llm(message)["choices"][0]["message"]["content"]}


@mlflow.trace
def failing(message):
    raise ValueError("boom: " + message)


def info_of(trace):
    i = trace.info
    return {
        "trace_id": i.trace_id, "client_request_id": i.client_request_id, "state": str(i.state.value),
        "request_time": i.request_time, "execution_duration": i.execution_duration,
        "request_preview": i.request_preview, "response_preview": i.response_preview,
        "experiment_id": i.experiment_id if i.trace_location.mlflow_experiment else None,
        "tags": {k: v for k, v in i.tags.items() if k not in ("mlflow.artifactLocation", "mlflow.trace.spansLocation")},
        "metadata": {k: v for k, v in i.trace_metadata.items() if k != "mlflow.trace.infoFinalized"},
        "assessments": sorted(([a.assessment_id, a.name, a.value, a.rationale, a.valid, a.overrides] for a in i.assessments or []),
                              key=lambda a: (a[1], str(a[2]))),
    }


def spans_of(trace):
    return [{
        "name": s.name, "span_id": s.span_id, "parent_id": s.parent_id, "start": s.start_time_ns, "end": s.end_time_ns,
        "status": s.status.status_code.value, "attributes": s.attributes, "inputs": s.inputs, "outputs": s.outputs,
        "events": [[e.name, e.timestamp, sorted(e.attributes)] for e in s.events], "type": s.span_type,
    } for s in sorted(trace.data.spans, key=lambda s: (s.start_time_ns, s.parent_id is not None))]


def search(experiment_id, filter_string):
    """Whichever of the two spellings of the keyword is living."""
    for place in ("locations", "experiment_ids"):
        try:
            return [t.info.trace_id for t in mlflow.search_traces(**{place: [experiment_id]}, filter_string=filter_string, return_type="list")]
        except TypeError:
            continue


def main(experiment, *leave_out):
    out = {}
    held = {}

    def keep(name, trace_id):
        out[name] = trace_id

    if "APP_TABLES" in os.environ:
        from mlflow.entities.trace_location import UnityCatalog

        e = mlflow.set_experiment(experiment, trace_location=UnityCatalog(*os.environ["APP_TABLES"].split(".")))
    else:
        e = mlflow.set_experiment(experiment)
    chat("What is my balance? 残高", "req-1")
    keep("chat", mlflow.get_last_active_trace_id())
    try:
        failing("x")
    except ValueError:
        pass
    keep("failed", mlflow.get_last_active_trace_id())
    chat("to be deleted", "req-2")
    keep("deleted", mlflow.get_last_active_trace_id())
    began = time.monotonic()
    mlflow.flush_trace_async_logging()
    out["flush_s"] = time.monotonic() - began

    client = MlflowClient and MlflowClient()
    if client:
        e = client.get_experiment_by_name(experiment)
        out["experiment_by_id"] = client.get_experiment(e.experiment_id).name
        out["experiments"] = sorted(e.name for e in client.search_experiments())
        client.set_experiment_tag(e.experiment_id, "team", "chat")
    out["experiment"] = [e.experiment_id, e.name, e.lifecycle_stage]
    if "APP_TABLES" not in os.environ:
        out["found"] = search(e.experiment_id, "attributes.client_request_id = 'req-1'")
    one = mlflow.log_feedback(trace_id=out["chat"], name="good", value=True, source=HUMAN, rationale="helpful")
    other = mlflow.log_feedback(trace_id=out["chat"], name="tone", value="kind", source=HUMAN)
    mlflow.override_feedback(trace_id=out["chat"], assessment_id=other.assessment_id, value="rude", source=HUMAN)
    mlflow.update_assessment(out["chat"], one.assessment_id, Feedback(name="good", value=False, rationale="on reflection"))
    out["updated"] = mlflow.get_assessment(out["chat"], one.assessment_id).value
    gone = mlflow.log_expectation(trace_id=out["chat"], name="expected", value={"answer": 42}, source=HUMAN)
    mlflow.delete_assessment(out["chat"], gone.assessment_id)
    mlflow.log_expectation(trace_id=out["chat"], name="stays", value=[1, "two"], source=HUMAN)
    mlflow.set_trace_tag(out["chat"], "reviewed", "yes")
    mlflow.set_trace_tag(out["chat"], "kept", "ünï")
    mlflow.delete_trace_tag(out["chat"], "reviewed")
    if client and "delete" not in leave_out:
        out["deletions"] = client.delete_traces(e.experiment_id, trace_ids=[out["deleted"]])
        try:
            out["after_deletion"] = mlflow.get_trace(out["deleted"]) and "there"
        except Exception as e:  # what it raises differs by version
            out["after_deletion"] = type(e).__name__
    for name in ("chat", "failed"):
        trace = mlflow.get_trace(out[name])
        held[name] = {"info": info_of(trace), "spans": spans_of(trace)}
    out["read"] = held
    out["version"] = mlflow.__version__
    print("\n" + json.dumps(out, default=str))


if __name__ == "__main__":
    main(*sys.argv[1:])
