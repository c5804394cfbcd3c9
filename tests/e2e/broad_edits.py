"""What the broad program says about its traces once they are logged: tags, feedback, expectations, deletions."""
import mlflow
from mlflow.entities import AssessmentError, AssessmentSource, Expectation, Feedback

HUMAN = AssessmentSource(source_type="HUMAN", source_id="jane@example.com")
JUDGE = AssessmentSource(source_type="LLM_JUDGE", source_id="gpt-4o")
CODE = AssessmentSource(source_type="CODE", source_id="scorer")

VALUES = {"yes": True, "score": 0.75, "count": 3, "text": "ünï ✓", "list": [1, "two", None], "object": {"deep": {"er": [1]}}}


def edit(client, experiment, traces, spans):
    """The assessments that remain: label → [id, when it was made in ms, its trace]."""
    held = {}

    def keep(label, made):
        held[label] = [made.assessment_id, made.create_time_ms, made.trace_id]
        return made

    agent, failed = traces["agent"], traces["failed"]
    client.set_experiment_tag(client.get_experiment_by_name(experiment).experiment_id, "team", "chat")
    for name, value in VALUES.items():
        keep(name, mlflow.log_feedback(trace_id=agent, name=name, value=value, source=JUDGE, rationale=f"because {name}",
                                       metadata={"model": "gpt-4o", "n": "1"}))
    span = spans["agent"][1]
    keep("of a span", mlflow.log_feedback(trace_id=agent, name="relevant", value=True, source=CODE, span_id=span.span_id))
    keep("error", mlflow.log_feedback(trace_id=agent, name="broken", source=JUDGE,
                                      error=AssessmentError(error_code="RATE_LIMIT", error_message="too many", stack_trace="at line 1")))
    keep("exception", mlflow.log_feedback(trace_id=failed, name="raised", source=CODE, error=ValueError("no value")))
    keep("whole", mlflow.log_assessment(failed, Feedback(name="whole", value="fine", source=HUMAN, metadata={"k": "v"})))

    first = keep("overridden", mlflow.log_feedback(trace_id=agent, name="tone", value="kind", source=JUDGE))
    second = keep("overriding", mlflow.override_feedback(trace_id=agent, assessment_id=first.assessment_id, value="rude",
                                                         rationale="I was there", source=HUMAN))
    keep("overriding that", mlflow.override_feedback(trace_id=agent, assessment_id=second.assessment_id, value="neutral", source=HUMAN))

    one = keep("updated", mlflow.log_feedback(trace_id=agent, name="good", value=True, source=HUMAN, rationale="helpful"))
    mlflow.update_assessment(agent, one.assessment_id, Feedback(name="good", value=False, rationale="on reflection", metadata={"by": "me"}))
    keep("expected", mlflow.log_expectation(trace_id=agent, name="answer", value={"steps": ["one", 2]}, source=HUMAN, metadata={"from": "book"}))
    two = keep("expectation updated", mlflow.log_expectation(trace_id=failed, name="count", value=1, source=HUMAN))
    mlflow.update_assessment(failed, two.assessment_id, Expectation(name="count", value=2))
    for trace in (agent, failed):
        gone = mlflow.log_feedback(trace_id=trace, name="deleted", value=1, source=HUMAN)
        mlflow.delete_assessment(trace, gone.assessment_id)

    mlflow.set_trace_tag(agent, "reviewed", "yes")
    mlflow.set_trace_tag(agent, "environment", "staging")
    mlflow.set_trace_tag(agent, "note to self", "später " * 300)
    mlflow.set_trace_tag(failed, "gone", "soon")
    mlflow.delete_trace_tag(failed, "gone")
    mlflow.delete_trace_tag(agent, "app_version")
    client.set_trace_tag(traces["by hand"], "empty", "")
    return held


def delete_by_age(client, experiment):
    """Three traces in an experiment of their own, of which the two oldest go: the ids of all, and how many went."""
    place = mlflow.set_experiment(f"{experiment} of old").experiment_id
    began = 1_790_000_000_000
    ids = [mlflow.log_trace(f"old {n}", request=n, start_time_ms=began + n, execution_time_ms=5) for n in range(3)]
    mlflow.flush_trace_async_logging()
    return {"experiment": place, "ids": ids, "deletions": client.delete_traces(place, max_timestamp_millis=began + 1, max_traces=10)}
