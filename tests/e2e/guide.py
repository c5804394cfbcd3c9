"""Runs the guide's app (guide_app.py) in a process of its own, and says what its calls must have given."""
import multiprocessing
import os

import guide_app
import reading

OURS = ("MLFLOW_", "DATABRICKS_", "OTEL_", "APP_VERSION", "DEPLOYMENT_ID", "REGION")
ELSEWHERE = "/Shared/of-another-pod"  # an experiment that only the far side knows
ELSEWHERE_IDS = ["elsewhere-1", "elsewhere-0"]  # request ids of traces that only the far side knows, the newest first
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "APP_VERSION": "2.1.0", "DEPLOYMENT_ID": "blue", "REGION": "eu-west-1"}
FEEDBACK = ["response_is_correct", True, "HUMAN", "user-1", "so it is"]
TAGS = {"environment": "production", "app_version": "2.1.0", "deployment_id": "blue", "region": "eu-west-1"}


def starter():
    """Of processes that have imported what takes seconds: one for all tests."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["guide_app"])
    return context


def environment_for(**environment):
    return {k: v for k, v in os.environ.items() if not k.startswith(OURS)} | QUIET | environment


def write_elsewhere(**environment):
    """By a client directly at the far side."""
    process = starter().Process(
        target=guide_app.write_directly, args=(environment_for(**environment), ELSEWHERE_IDS[::-1], [ELSEWHERE]))
    process.start()
    process.join(120)
    assert process.exitcode == 0


class App:
    """App(MLFLOW_TRACKING_URI=…); half() returns when its first half is over, finish() what its calls gave."""

    def __init__(self, until_whole=False, context=None, **environment):
        self.connection, theirs = multiprocessing.Pipe()
        self.process = (context or starter()).Process(target=guide_app.run, args=(environment_for(**environment), theirs, until_whole))
        self.process.start()
        theirs.close()

    def _said(self, seconds):
        assert self.connection.poll(seconds), f"nothing within {seconds} s from the app"
        return self.connection.recv()

    def half(self, seconds=180):
        assert self._said(seconds) == "half"

    def finish(self, seconds=180):
        self.connection.send("go on")
        said = self._said(seconds)
        assert "failed" not in said, said
        calls = said["calls"]
        self.process.join(60)
        assert self.process.exitcode == 0
        return calls

    def close(self):
        self.process.kill()
        self.process.join()


def expected(experiment, there=(), experiments=(), lost=()):
    """What each call must give. there: the request ids of traces that only the far side knows, the newest first, if it
    answers; experiments: others that are found; lost: the numbers of chats that went down with the spool."""
    every = [n for n in range(guide_app.TRACES) if n not in lost]
    newest = [f"req-{n}" for n in reversed(every)]

    def those(condition):
        return [f"req-{n}" for n in reversed(every) if condition(n)]

    return {
        "mlflow.set_experiment": "an id",
        "client.search_experiments()": sorted({experiment, *experiments}),
        "mlflow.search_traces(max_results=5), before the first": list(there)[:5],
        "POST /chat, first half": [f"Processed: What is {n}?" for n in guide_app.FIRST_HALF],
        "POST /chat, second half": [f"Processed: What is {n}?" for n in guide_app.SECOND_HALF],
        "client.search_experiments(), again": sorted({experiment, *experiments}),
        "mlflow.search_traces(max_results=5)": (newest + list(there))[:5],
        "client.get_experiment_by_name": [experiment, "active"],
        "search by attributes.client_request_id": ["req-4"],
        **{f"search by tags.`mlflow.trace.user`, user-{n}": those(lambda k, n=n: k % 3 == n) for n in range(3)},
        **{f"search by tags.`mlflow.trace.session`, session-{n}": those(lambda k, n=n: k % 2 == n) for n in range(2)},
        "POST /chat_feedback": ["success", True],
        "POST /chat_feedback, of nothing": {"status": "error", "message": "Unable to find data for client request ID: req-404"},
        "feedback by search": [FEEDBACK],
        "client.get_trace": told(4, [FEEDBACK]),
    }


def told(n, feedback=()):
    """Of the trace of chat n."""
    return {
        "client_request_id": f"req-{n}", "state": "OK",
        "tags": TAGS | {"mlflow.trace.session": f"session-{n % 2}", "mlflow.trace.user": f"user-{n % 3}"},
        "feedback": list(feedback),
        "spans": [["handle_chat", "UNKNOWN", "OK", False], ["answer", "CHAT_MODEL", "OK", True]],
    }


# Without the far side these can hold less than with it; all others are whole here.
MARKED = {"mlflow.set_experiment", "client.search_experiments()", "mlflow.search_traces(max_results=5), before the first", "client.search_experiments(), again",
          "mlflow.search_traces(max_results=5)", "search by attributes.client_request_id", "feedback by search", "client.get_trace",
          "POST /chat_feedback", "POST /chat_feedback, of nothing",
          *(f"search by tags.`mlflow.trace.user`, user-{n}" for n in range(3)),
          *(f"search by tags.`mlflow.trace.session`, session-{n}" for n in range(2))}


def check(calls, title, experiment, **what):
    """Call by call; the list is printed."""
    wanted = expected(experiment, **what)
    assert [c["call"] for c in calls] == list(wanted)
    print(f"\n{title}")
    for c in calls:
        print(f"  {'same' if c['gave'] == wanted[c['call']] else 'NOT SO'}{', partial' if c['partial'] else ''}: {c['call']} -> {c['gave']}")
    wrong = [(c["call"], c["gave"], wanted[c["call"]]) for c in calls if c["gave"] != wanted[c["call"]]]
    assert not wrong, wrong


def check_far_side(client, location, there=(), lost=()):
    """A fresh client directly at the far side reads the same traces, tags, request ids and feedback, each once."""
    traces = {t.info.client_request_id: t for t in reading.search(client, location, max_results=100)}
    kept = [n for n in range(guide_app.TRACES) if n not in lost]
    found = [t.info.client_request_id for t in reading.search(client, location, max_results=100)]
    assert sorted(found) == sorted([f"req-{n}" for n in kept] + list(there)), found
    for n in kept:
        feedback = [FEEDBACK] if n == 4 else []
        trace = client.get_trace(traces[f"req-{n}"].info.trace_id)
        assert guide_app.told_of(trace) == told(n, feedback), n
