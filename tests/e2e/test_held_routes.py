"""One experiment that is refused, or missing, holds its own spans and nobody else's."""
import json
import urllib.request

import wire
from waiting import wait_until

CLOSED, OPEN, OTHER = "/Shared/closed", "/Shared/open", "/Shared/other"


def destination(workspace, **more):
    return {
        "name": "workspace", "kind": "databricks", "url": workspace.url, "token": "x", "experiment": OPEN,
        "assemble": {"quiet": "50ms"}, **more,
    }


def send(d, experiment, n=1, text_bytes=0):
    """(trace id, span id) of every span of n traces."""
    ids = set()
    for _ in range(n):
        r = wire.request(["root", "child"], text_bytes=text_bytes)
        status, headers, body = d.post(r.SerializeToString(), x_spanferry_experiment=experiment)
        assert status == 200, (status, body)
        ids |= wire.ids_of(r)
    return ids


def traces_in(workspace, name):
    by_name = {e["name"]: e["experiment_id"] for e in workspace.state.experiments.values()}
    return {
        tid.removeprefix("tr-") for tid, info in list(workspace.state.traces.items())
        if info["trace_location"]["mlflow_experiment"]["experiment_id"] == by_name.get(name)
    }


def test_of_three_experiments_the_forbidden_one_waits_and_survives_a_kill(daemon, workspace):
    workspace.state.config["forbid_experiments"] = [CLOSED]
    d = daemon(destinations=[destination(workspace)])
    waiting, flowing = set(), set()
    for _ in range(5):
        waiting |= send(d, CLOSED)
        flowing |= send(d, OPEN) | send(d, OTHER)
    parked = wait_until(
        lambda: (w := d.destination("workspace"))["lag_records"] == 0 and w["parked_records"] == 5 and w,
        lambda: d.destination("workspace"),
    )
    assert traces_in(workspace, OPEN) | traces_in(workspace, OTHER) == {trace for trace, _ in flowing}
    assert traces_in(workspace, CLOSED) == set()
    assert parked["state"] == "ok" and parked["accounting"]["pending"] == 10 and parked["dead_letters"] == 0
    assert [h["route"] for h in parked["held_routes"]] == [f"experiment {CLOSED}"]
    assert "permission" in parked["held_routes"][0]["reason"]

    def on_disk():
        found = json.loads(d.run("spool", "inspect", "--json").stdout)
        return next(c for c in found["destinations"] if c["name"] == "workspace")

    parked = {"records": 5, "spans": 10}
    wait_until(lambda: on_disk()["pending"] == parked, "the moves on disk")
    d.kill()
    counted = on_disk()
    assert counted["pending"] == parked and counted["parked"]["records"] == 5
    d.start()
    flowing |= send(d, OPEN)
    wait_until(lambda: {t for t, _ in flowing} <= traces_in(workspace, OPEN) | traces_in(workspace, OTHER), "the open ones")
    assert traces_in(workspace, CLOSED) == set()

    workspace.state.config["forbid_experiments"] = []
    accounting = d.wait_until_settled("workspace", seconds=120)
    assert traces_in(workspace, CLOSED) == {trace for trace, _ in waiting}
    assert accounting["delivered"] == len(waiting | flowing) and accounting["dead"] == 0
    assert d.destination("workspace")["held_routes"] == []


def test_a_missing_experiment_waits_until_somebody_creates_it(daemon, workspace):
    d = daemon(destinations=[destination(workspace, create_experiment=False)])
    ask = {"Authorization": "Bearer x", "Content-Type": "application/json"}

    def create(name):
        call = urllib.request.Request(
            f"{workspace.url}/api/2.0/mlflow/experiments/create", json.dumps({"name": name}).encode(), ask)
        with urllib.request.urlopen(call) as answer:
            assert answer.status == 200

    create(OPEN)
    waiting, flowing = send(d, OTHER, 3), send(d, OPEN, 3)
    wait_until(lambda: d.destination("workspace")["parked_records"] == 3, lambda: d.destination("workspace"))
    wait_until(lambda: len(traces_in(workspace, OPEN)) == 3, "the other experiment")
    create(OTHER)
    d.wait_until_settled("workspace", seconds=120)
    assert traces_in(workspace, OTHER) == {trace for trace, _ in waiting}
    assert traces_in(workspace, OPEN) == {trace for trace, _ in flowing}


def test_beyond_the_parked_space_senders_of_that_experiment_are_refused_and_no_others(daemon, workspace):
    workspace.state.config["forbid_experiments"] = [CLOSED]
    d = daemon(destinations=[destination(workspace)], spool={"parked_max_bytes": "1MiB"})

    def post():
        return d.post(wire.request(["root"], text_bytes=100_000).SerializeToString(), x_spanferry_experiment=CLOSED)

    def refused():
        status, headers, answer = post()
        assert status in (200, 503)
        return status == 503 and headers["Retry-After"] == "1" and b"parked_max_bytes" in answer

    wait_until(refused, lambda: d.destination("workspace"), every=0.1)
    assert d.status()["rejected"]["route_held"] >= 1
    send(d, OPEN, 3)
    wait_until(lambda: len(traces_in(workspace, OPEN)) == 3, "the open one flows")
    workspace.state.config["forbid_experiments"] = []
    d.wait_until_settled("workspace", seconds=120)
    wait_until(lambda: post()[0] == 200, "taken again")
    d.wait_until_settled("workspace")
