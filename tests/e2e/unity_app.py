"""An app with MLflow's own SDK; what it logged is printed as ids. usage: unity_app.py EXPERIMENT [CATALOG.SCHEMA.PREFIX]"""
import json
import sys

import mlflow


@mlflow.trace(name="ask", span_type="AGENT")
def ask(question):
    mlflow.update_current_trace(
        tags={"team": "search", "environment": "staging"}, client_request_id="req-7",
        metadata={"mlflow.trace.session": "session-7", "mlflow.trace.user": "user-jane", "build": "77"},
    )
    with mlflow.start_span("retrieve", span_type="RETRIEVER") as span:
        span.set_inputs({"query": question, "k": 2, "options": {"deep": [1, 2.5, None, True]}})
        span.set_attribute("score", 0.25)
        span.set_attribute("pages", [3, 4])
        span.set_attribute("text", '{"looks": "like JSON"}')
        span.add_event(mlflow.entities.SpanEvent("found", attributes={"n": 2}))
        span.set_outputs([{"page_content": "Settings", "metadata": {"id": 1}}])
    with mlflow.start_span("chat", span_type="CHAT_MODEL") as span:
        span.set_inputs({"messages": [{"role": "user", "content": question}]})
        span.set_attribute("mlflow.chat.tokenUsage", {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7})
        span.set_outputs({"choices": [{"message": {"role": "assistant", "content": "Open Settings. ✓"}}]})
    return {"answer": "Open Settings. ✓"}


@mlflow.trace(name="fail")
def fail():
    raise TimeoutError("the model did not answer")


location = [mlflow.entities.trace_location.UnityCatalog(*name.split(".")) for name in sys.argv[2:]]
mlflow.set_experiment(sys.argv[1], **({"trace_location": location[0]} if location else {}))
ids = []
ask("How do I reset my password? 残高")
ids.append(mlflow.get_last_active_trace_id())
try:
    fail()
except TimeoutError:
    ids.append(mlflow.get_last_active_trace_id())
mlflow.flush_trace_async_logging()
mlflow.set_trace_tag(ids[0], "note to self", "später")
mlflow.set_trace_tag(ids[0], "gone", "soon")
mlflow.delete_trace_tag(ids[0], "gone")
good = mlflow.log_feedback(trace_id=ids[0], name="good", value=True, rationale="it says so")
mlflow.update_assessment(ids[0], good.assessment_id, mlflow.entities.Feedback(name="good", value=False, rationale="on reflection"))
mlflow.log_expectation(trace_id=ids[0], name="answer", value={"steps": ["one", 2]})
print(json.dumps(ids))
