"""Searches by MLflow's own client through the daemon: alone, before a real MLflow server and before the fake
workspace, up and down. What went through the daemon is found the same in all of them, at once."""
import pathlib

import pytest
import requests

import accounts
import mlflow_server
from test_mlflow_client import run_app
from waiting import free_port

APP = pathlib.Path(__file__).with_name("mlflow_search_app.py")
SPANS = 12
FOUND = {
    "experiments": True,
    "newest": ["req-5", "req-4", "req-3", "req-2", "req-1"],
    "old_spelling": ["req-5"],
    "request": ["req-3"],
    "user": ["req-4", "req-1"],
    "session": ["req-4", "req-2", "req-0"],
    "metadata": ["req-5", "req-3", "req-1"],
    "nobody": [],
    "failed": ["req-4"],
    "name": ["req-0", "req-1", "req-2", "req-3", "req-4", "req-5"],
    "nowhere": [],
    "pages": [["req-5", "req-4", "req-3", "req-2"], ["req-1", "req-0"]],
    "pages_ascending": [["req-0", "req-1"], ["req-2", "req-3"], ["req-5"]],
    "spans": ["chat", "llm"],
    "reviewed": ["req-3"],
    "feedback": [["response_is_correct", True]],
    "after_deletion": ["req-5", "req-4", "req-2", "req-1", "req-0"],
    "refused": ["INVALID_PARAMETER_VALUE"] * 3,
}


@pytest.fixture(scope="module")
def server():
    with mlflow_server.serve() as url:
        yield url


def check(out, leave_out=()):
    wrong = {key: (out[key], wanted) for key, wanted in FOUND.items() if out[key] != wanted and key not in leave_out}
    # A page of the far side may end a page of ours early: what counts is that each comes once, in order.
    for key in list(wrong):
        if key.startswith("pages") and sum(out[key], []) == sum(FOUND[key], []):
            del wrong[key]
    assert not wrong, wrong


def search(d, experiment="0", **body):
    locations = [{"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment}}]
    return requests.post(f"{d.url}/api/3.0/mlflow/traces/search", json={"locations": locations} | body, timeout=30)


def experiment_id(d, name):
    answer = requests.get(f"{d.url}/api/2.0/mlflow/experiments/get-by-name", {"experiment_name": name}, timeout=30)
    return answer.json()["experiment"]["experiment_id"]


def test_the_daemon_alone_finds_what_it_was_given(daemon):
    d = daemon()
    check(run_app("shop", program=APP, MLFLOW_TRACKING_URI=d.url))
    d.sent.acknowledged += SPANS
    answer = search(d, experiment_id(d, "shop"), max_results=2)
    assert "X-Spanferry-Partial" not in answer.headers
    d.kill()
    d.start()
    again = search(d, experiment_id(d, "shop"), max_results=2)
    assert again.json() == answer.json()
    rows = requests.get(f"{d.url}/api/spanferry/v1/traces", timeout=30).json()["traces"]
    assert sorted(r["request_id"] for r in rows) == ["req-0", "req-1", "req-2", "req-4", "req-5"]


@pytest.mark.parametrize("body, says", [
    ({"locations": []}, "locations"), ({"locations": 1}, "locations"), ({"max_results": 0}, "max_results"),
    ({"max_results": 501}, "max_results"), ({"filter": "trace_id = 'x'"}, "client_request_id"),
    ({"filter": "status = 'OK' OR status = 'ERROR'"}, "Invalid clause"), ({"page_token": "zz"}, "page token"),
    ({"order_by": ["foo"]}, "Valid keys"), ({"order_by": "status"}, "order_by"),
])
def test_a_bad_search_is_answered_as_the_server_does(daemon, body, says):
    answer = search(daemon(), **body)
    assert answer.status_code == 400
    assert answer.json()["error_code"] == "INVALID_PARAMETER_VALUE"
    assert says in answer.json()["message"]


def test_before_a_real_server_each_trace_is_found_once_before_and_after_it_is_there(daemon, server):
    d = daemon(destinations=[{"name": "far", "kind": "mlflow", "url": server, "experiment": "shop-1", "from": "oldest"}])
    out = run_app("shop-1", program=APP, MLFLOW_TRACKING_URI=d.url)
    check(out)
    d.sent.acknowledged += SPANS
    d.wait_until_settled("far")
    # Then, and on the server itself, the same.
    answer = search(d, experiment_id(d, "shop-1"))
    assert "X-Spanferry-Partial" not in answer.headers
    told = {t["client_request_id"]: t["trace_id"] for t in answer.json()["traces"]}
    assert told == out["trace_ids"]


@pytest.mark.parametrize("long_running", [True, False])
def test_before_the_workspace_a_search_that_lags_hides_nothing(daemon, workspace, long_running):
    accounts.forget_far_sides()  # a deleted trace is delivered and not there
    workspace.state.config |= {"search_lag_s": 5, "search_pending_polls": 1, "v4_search_experiments": long_running}
    d = daemon(destinations=[{"name": "far", "kind": "databricks", "url": workspace.url, "token": "x",
                              "experiment": "/Shared/app", "from": "oldest", "assemble": {"quiet": "100ms"}}])
    out = run_app("/Shared/app", program=APP, MLFLOW_TRACKING_URI="databricks", DATABRICKS_HOST=d.url, DATABRICKS_TOKEN="any")
    check(out)
    d.sent.acknowledged += SPANS
    d.wait_until_settled("far")
    told = search(d, experiment_id(d, "/Shared/app")).json()["traces"]
    assert {t["client_request_id"]: t["trace_id"] for t in told} == out["trace_ids"]


def test_with_the_destination_down_what_is_here_is_found_and_marked(daemon):
    d = daemon(destinations=[{"name": "far", "kind": "mlflow", "url": f"http://127.0.0.1:{free_port()}",
                              "experiment": "shop", "from": "oldest"}])
    check(run_app("shop", program=APP, MLFLOW_TRACKING_URI=d.url))
    d.sent.acknowledged += SPANS
    answer = search(d, experiment_id(d, "shop"), max_results=1)
    assert answer.headers["X-Spanferry-Partial"]
    assert [t["client_request_id"] for t in answer.json()["traces"]] == ["req-5"]
