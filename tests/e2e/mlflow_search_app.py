"""The searches of the guide and more, by MLflow's own client on traces of its own; what each found, as JSON on the
last line: the client request ids, in order. argv: the experiment."""
import json
import sys
import time

import mlflow
from mlflow.client import MlflowClient
from mlflow.entities import AssessmentSource
from mlflow.exceptions import MlflowException


@mlflow.trace
def chat(n):
    mlflow.update_current_trace(
        client_request_id=f"req-{n}",
        tags={"mlflow.trace.session": f"session-{n % 2}", "mlflow.trace.user": f"user-{n % 3}", "environment": "production"},
        metadata={"mlflow.trace.session": f"session-{n % 2}"})
    with mlflow.start_span("llm", span_type="LLM") as span:
        span.set_inputs({"n": n})
    if n == 4:
        raise ValueError("boom")


def ids(traces):
    return [t.info.client_request_id for t in traces]


def pages(client, locations, size, **how):
    found, token = [], None
    while True:
        page = client.search_traces(locations=locations, max_results=size, page_token=token, **how)
        assert len(page) <= size
        found.append(ids(page))
        token = page.token
        if not token:
            return found


def main(name):
    mlflow.set_experiment(name)
    for n in range(6):
        try:
            chat(n)
        except ValueError:
            pass
        time.sleep(0.005)  # so that their times differ
    mlflow.flush_trace_async_logging()
    client = MlflowClient()
    out = {"experiments": name in [e.name for e in client.search_experiments()]}
    experiment = client.get_experiment_by_name(name).experiment_id
    here = [experiment]
    find = lambda f, **more: ids(client.search_traces(locations=here, filter_string=f, **more))  # noqa: E731
    out["newest"] = ids(mlflow.search_traces(locations=here, max_results=5, return_type="list"))
    out["old_spelling"] = ids(client.search_traces(experiment_ids=here, max_results=1))
    out["request"] = find("attributes.client_request_id = 'req-3'", max_results=1)
    out["user"] = find("tags.`mlflow.trace.user` = 'user-1'", max_results=100)
    out["session"] = find("tags.`mlflow.trace.session` = 'session-0'")
    out["metadata"] = find("metadata.`mlflow.trace.session` = 'session-1'")
    out["nobody"] = find("tags.`mlflow.trace.user` = 'user-jane-doe-12345'")
    out["failed"] = find("status = 'ERROR'")
    out["name"] = find("name = 'chat' AND attributes.client_request_id LIKE 'req-%' AND timestamp_ms > 0", order_by=["timestamp_ms ASC"])
    out["nowhere"] = ids(client.search_traces(locations=["999999"]))
    out["pages"] = pages(client, here, 4)
    out["pages_ascending"] = pages(client, here, 2, order_by=["timestamp_ms"], filter_string="status = 'OK'")
    (one,) = client.search_traces(locations=here, filter_string="attributes.client_request_id = 'req-3'", max_results=1)
    out["spans"] = [s.name for s in one.data.spans]
    mlflow.log_feedback(trace_id=one.info.trace_id, name="response_is_correct", value=True, rationale="so it is",
                        source=AssessmentSource(source_type="HUMAN", source_id="jane"))
    client.set_trace_tag(one.info.trace_id, "reviewed", "yes")
    out["reviewed"] = find("tags.reviewed = 'yes' AND feedback.response_is_correct = 'true'")
    out["feedback"] = [[a.name, a.value] for t in client.search_traces(locations=here, filter_string="tags.reviewed = 'yes'")
                       for a in t.info.assessments]
    client.delete_traces(experiment, trace_ids=[one.info.trace_id])
    out["after_deletion"] = find("")
    for bad in ("trace_id = 'x'", "status = 'OK' OR status = 'ERROR'", "tags.k > 'a'"):
        try:
            find(bad)
            out.setdefault("refused", []).append("not")
        except MlflowException as refusal:
            out.setdefault("refused", []).append(refusal.error_code)
    out["trace_ids"] = {t.info.client_request_id: t.info.trace_id for t in client.search_traces(locations=here)}
    return out


print(json.dumps(main(sys.argv[1])))
