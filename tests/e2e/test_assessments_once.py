"""Feedback and expectations at a workspace: one of each, whether it keeps the ids it is asked for or mints its own, and
whichever way it refuses a repetition. What no client shows, each way."""
import pytest
import requests

import wire
from waiting import wait_until
from workspace_admin import Admin
from workspace_storages import STORAGES

EXPERIMENT = "/Shared/assessed"
HUMAN = {"source_type": "HUMAN", "source_id": "jane"}
CREATE = "POST /api/[34].0/mlflow/traces/.*/assessments$"


@pytest.fixture(params=STORAGES, ids=lambda storage: storage.name)
def storage(request, workspace):
    request.param.prepare(workspace, EXPERIMENT)
    return request.param


class Client:
    """As MLflow's client assesses a trace by the daemon."""

    def __init__(self, daemon, trace):
        self.url, self.trace = f"{daemon.url}/api/3.0/mlflow/traces/tr-{trace}/assessments", trace

    def _call(self, method, path="", **body):
        answer = requests.request(method, self.url + path, json=body or None, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def create(self, name, value, **more):
        said = {"assessment_name": name, "source": HUMAN, "feedback": {"value": value},
                "create_time": "2026-11-24T02:20:46.125Z", **more}
        return self._call("POST", assessment=said)["assessment"]["assessment_id"]

    def update(self, one, value):
        self._call("PATCH", f"/{one}", assessment={"feedback": {"value": value}}, update_mask="feedback")

    def delete(self, one):
        self._call("DELETE", f"/{one}")


def there(workspace, trace):
    """The trace's assessments by name; each once."""
    every = [a for key, some in workspace.state.assessments.items() if trace in key for a in some.values()]
    by_name = {a["assessment_name"]: a for a in every}
    assert len(by_name) == len(every), sorted(a["assessment_name"] for a in every)
    return by_name


def with_a_trace(daemon, workspace):
    """A daemon before the workspace, and the trace that it was given."""
    d = daemon(destinations=[{"name": "workspace", "kind": "databricks", "url": workspace.url, "token": "x",
                              "experiment": EXPERIMENT, "assemble": {"quiet": "20ms"}}])
    r = wire.request(["root"])
    trace = wire.spans_of(r)[0].trace_id.hex()
    assert d.post(r.SerializeToString())[0] == 200
    return d, trace


@pytest.mark.parametrize("ids, replay", [("caller", 409), ("caller", 500), ("server", 409)])
def test_what_is_said_of_a_trace_is_there_once_whoever_makes_the_ids(daemon, workspace, storage, ids, replay):
    admin = Admin(workspace)
    admin.config(assessment_ids=ids, assessment_replay_status=replay)
    admin.faults({"match": CREATE, "count": 2, "drop": "after"}, {"match": CREATE, "count": 1, "status": 500, "process": True},
                 {"match": CREATE, "count": 1, "status": 503})
    d, trace = with_a_trace(daemon, workspace)
    client = Client(d, trace)
    good = client.create("good", True)
    client.create("better", 1, overrides=good, rationale="on reflection")
    tone = client.create("tone", "rude")
    client.update(tone, "kind")
    gone = client.create("gone", None, expectation={"value": 42}, feedback=None)
    wait_until(lambda: not admin.pending_faults() and "gone" in there(workspace, trace), "all four created, some after trouble")
    d.kill()
    d.start()
    client.delete(gone)
    wait_until(lambda: "gone" not in there(workspace, trace), lambda: f"one deleted\n{d.log_tail()}")
    d.wait_until_settled("workspace")
    found = there(workspace, trace)
    assert {name: (a["feedback"]["value"], a["valid"], a.get("rationale")) for name, a in found.items()} == {
        "good": (True, False, None), "better": (1, True, "on reflection"), "tone": ("kind", True, None)}
    assert found["better"]["overrides"] == found["good"]["assessment_id"]
    if ids == "caller":
        assert (found["good"]["assessment_id"], found["tone"]["assessment_id"]) == (good, tone)
    assert d.destination("workspace")["dead_letters"] == 0


@pytest.mark.parametrize("ids", ["caller", "server"])
def test_a_kill_before_the_answer_makes_no_second_one(daemon, workspace, storage, ids):
    admin = Admin(workspace)
    admin.config(assessment_ids=ids)
    # It is done, and we do not hear of it before the kill.
    admin.faults({"match": CREATE, "count": -1, "delay_s": 0.2, "drop": "after"})
    d, trace = with_a_trace(daemon, workspace)
    client = Client(d, trace)
    good = client.create("good", True)
    wait_until(lambda: there(workspace, trace), "it is there", every=0.001)
    d.kill()
    admin.clear_faults()
    d.start()
    client.update(good, False)
    wait_until(lambda: there(workspace, trace)["good"]["feedback"] == {"value": False}, lambda: f"changed\n{d.log_tail()}")
    d.wait_until_settled("workspace")
    assert there(workspace, trace).keys() == {"good"}
