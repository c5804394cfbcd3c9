"""A workspace that limits how many traces are created a second is used as far as it goes, without a storm of refusals."""
import wire
from waiting import wait_until
from workspace_admin import START_TRACE, Admin

LIMIT = 40


def destination(workspace, **more):
    return {
        "name": "workspace", "kind": "databricks", "url": workspace.url, "token": "x", "experiment": "/Shared/rate",
        "assemble": {"quiet": "50ms"}, **more,
    }


def send(d, traces):
    """Their ids, in hex."""
    ids = set()
    for _ in range(traces):
        r = wire.request(["root"])
        status, _, body = d.post(r.SerializeToString())
        assert status == 200, (status, body)
        ids |= {trace for trace, _ in wire.ids_of(r)}
    return ids


def start_traces(workspace, status=None):
    return [q for q in workspace.state.requests
            if q["method"] == "POST" and q["path"] == "/api/3.0/mlflow/traces" and status in (None, q["status"])]


def test_a_limited_workspace_gets_everything_with_few_refusals(daemon, workspace, soak):
    workspace.state.config["creations_per_s"] = LIMIT
    d = daemon(destinations=[destination(workspace, concurrency=64)])
    traces = send(d, 3000 if soak else 300)
    accounting = d.wait_until_settled("workspace", seconds=240)
    assert accounting["delivered"] == len(traces) and accounting["dead"] == 0
    assert {t.removeprefix("tr-") for t in workspace.state.traces} == traces
    taken, refused = start_traces(workspace, 200), start_traces(workspace, 429)
    assert len(taken) == len(traces)
    # The first burst, as many as were under way, and then one refusal at a time as the limit is felt for.
    assert 0 < len(refused) <= 60
    shown = d.destination("workspace")
    assert shown["rate_refusals"] == len(refused)
    assert set(shown["rates"]) == {"create"} and 0.5 * LIMIT <= shown["rates"]["create"] <= 1.5 * LIMIT
    assert 1 <= shown["concurrency"] <= 64
    metrics = d.request("/metrics")[2].decode()
    assert 'spanferry_destination_rate_limit{destination="workspace",kind="databricks",calls="create"}' in metrics


def test_a_refusal_of_new_traces_holds_no_edit_of_one_that_is_there(daemon, workspace):
    d = daemon(destinations=[destination(workspace)], mlflow_api={"mode": "traces"})
    (known,) = send(d, 1)
    d.wait_until_settled("workspace")
    admin = Admin(workspace)
    admin.faults({"match": START_TRACE, "status": 429, "headers": {"Retry-After": "3"}})
    (refused,) = send(d, 1)
    d.wait_for_state("rate_limited", "workspace")
    assert "429" in d.destination("workspace")["reason"]
    status, _, body = d.request(
        f"/api/3.0/mlflow/traces/tr-{known}/tags", b'{"key":"reviewed","value":"yes"}', {"Content-Type": "application/json"}, "PATCH")
    assert status == 200, body
    wait_until(lambda: workspace.state.traces[f"tr-{known}"]["tags"].get("reviewed") == "yes", "the edit")
    assert f"tr-{refused}" not in workspace.state.traces
    d.wait_until_settled("workspace")
    assert f"tr-{refused}" in workspace.state.traces and d.destination("workspace")["state"] == "ok"
