"""Experiments that are deleted under the daemon's feet, or missing: made anew where that is allowed, else their spans
wait, and nobody else's do."""
import json
import urllib.request

import pytest

import wire
from waiting import wait_until
from workspace_admin import Admin

CONFIGURED, OTHER = "/Shared/configured", "/Shared/other"


@pytest.fixture
def admin(workspace):
    return Admin(workspace)


def destination(workspace, **more):
    return {
        "name": "workspace", "kind": "databricks", "url": workspace.url, "token": "x", "experiment": CONFIGURED,
        "assemble": {"quiet": "20ms"}, **more,
    }


def ask(workspace, what, **body):
    call = urllib.request.Request(
        f"{workspace.url}/api/2.0/mlflow/experiments/{what}", json.dumps(body).encode(),
        {"Authorization": "Bearer x", "Content-Type": "application/json"})
    with urllib.request.urlopen(call) as answer:
        return json.load(answer)


def ids_of(workspace, name):
    return [e["experiment_id"] for e in workspace.state.experiments.values() if e["name"] == name]


def send(daemon, traces=2, **headers):
    """The ids of the traces, in hex."""
    sent = set()
    for _ in range(traces):
        r = wire.request(["root", "child"])
        assert daemon.post(r.SerializeToString(), **headers)[0] == 200
        sent |= {trace for trace, _ in wire.ids_of(r)}
    return sent


def traces_in(workspace, experiment_id):
    return {
        tid.removeprefix("tr-") for tid, info in list(workspace.state.traces.items())
        if info["trace_location"]["mlflow_experiment"]["experiment_id"] == experiment_id
    }


@pytest.mark.parametrize("status", [404, 400])
def test_a_deleted_experiment_is_made_anew_where_its_name_is_free(daemon, workspace, admin, status):
    admin.config(deleted_experiment_status=status, deleted_name_is_free=True)
    d = daemon(destinations=[destination(workspace)])
    before = send(d)
    d.wait_until_settled("workspace")
    (old,) = ids_of(workspace, CONFIGURED)
    ask(workspace, "delete", experiment_id=old)
    after = send(d)
    assert d.wait_until_settled("workspace")["dead"] == 0
    new = ids_of(workspace, CONFIGURED)[-1]
    assert new != old and traces_in(workspace, old) == before and traces_in(workspace, new) == after


@pytest.mark.parametrize("status", [404, 400])
def test_a_deleted_experiment_that_keeps_its_name_holds_its_spans_until_it_is_restored(daemon, workspace, admin, status):
    admin.config(deleted_experiment_status=status)
    d = daemon(destinations=[destination(workspace)])
    sent = send(d)
    d.wait_until_settled("workspace")
    (there,) = ids_of(workspace, CONFIGURED)
    ask(workspace, "delete", experiment_id=there)
    waiting = send(d)
    held = wait_until(lambda: (w := d.destination("workspace"))["parked_records"] == 2 and w, lambda: d.destination("workspace"))
    assert held["state"] == "ok" and held["dead_letters"] == 0 and "is deleted" in held["held_routes"][0]["reason"]
    other = send(d, x_spanferry_experiment=OTHER)
    wait_until(lambda: [traces_in(workspace, i) for i in ids_of(workspace, OTHER)] == [other], "the other experiment")
    ask(workspace, "restore", experiment_id=there)
    assert d.wait_until_settled("workspace", 120)["dead"] == 0
    assert traces_in(workspace, there) == sent | waiting


def test_a_configured_experiment_that_is_missing_holds_its_own_spans_alone(daemon, workspace):
    d = daemon(destinations=[destination(workspace, create_experiment=False)])
    other_id = ask(workspace, "create", name=OTHER)["experiment_id"]
    waiting, flowing = send(d), send(d, x_spanferry_experiment=OTHER)
    wait_until(lambda: traces_in(workspace, other_id) == flowing, "the other experiment")
    held = wait_until(lambda: (w := d.destination("workspace"))["parked_records"] == 2 and w, lambda: d.destination("workspace"))
    assert held["state"] == "ok" and "create_experiment" in held["held_routes"][0]["reason"]
    configured_id = ask(workspace, "create", name=CONFIGURED)["experiment_id"]
    assert d.wait_until_settled("workspace", 120)["dead"] == 0
    assert traces_in(workspace, configured_id) == waiting
