"""MLflow's own client, unmodified, in front of the daemon: whoever reads directly at the far side finds what the app
wrote and read here."""
import json
import uuid

import pytest
import requests

import accounts
import mlflow_app
import reading
from mlflow_server import serve as serve_mlflow
from test_mlflow_client import run_app
from waiting import wait_until

ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"
QUIET = {"assemble": {"quiet": "100ms"}}


@pytest.fixture(scope="module")
def server():
    with serve_mlflow() as url:
        yield url


def wait_until_ferried(d):
    """All tracks of the destination are at the end of the log, and nothing waits apart."""
    def done():
        a = d.destination()
        return a["lag_records"] == 0 and a["parked_records"] == 0 and a["accounting"]["pending"] == 0

    wait_until(done, lambda: f"everything delivered, but {d.destination()}\n{d.log_tail()}", 90)
    assert d.destination()["dead_letters"] == 0, json.dumps(d.dead_letters())


def assert_same_there(c, experiment, out, knows_overridden=True):
    """Field by field what the app read back from the daemon. Ids of experiments may have been provisional.
    knows_overridden: an assessment that another one overrides is no longer valid there (the fake workspace leaves it)."""
    e = c.get_experiment_by_name(experiment)
    assert e.tags["team"] == "chat"
    for name in ("chat", "failed"):
        trace = c.get_trace(out[name])
        here, there = out["read"][name], {"info": mlflow_app.info_of(trace), "spans": mlflow_app.spans_of(trace)}
        assert there["info"].pop("experiment_id") == e.experiment_id
        here["info"].pop("experiment_id")
        for assessment in [] if knows_overridden else here["info"]["assessments"] + there["info"]["assessments"]:
            assessment[4] = None
        for field, value in here["info"].items():
            assert there["info"][field] == value, (name, field)
        assert there["spans"] == here["spans"], name
    found = {t.info.trace_id for t in reading.search(c, e.experiment_id, max_results=100)}
    assert out["deleted"] not in found
    assert {out["chat"], out["failed"]} <= found


def attach(d, out):
    """A file beside the trace, as the client uploads one; where it is in an experiment."""
    path = f"traces/{out['chat']}/artifacts/attachments/{uuid.uuid4()}"
    requests.put(f"{d.url}{ARTIFACTS}/{out['experiment'][0]}/{path}", data=b"\x89PNG bytes", timeout=30).raise_for_status()
    return path


def attached(d, out, path):
    """The same file as a client reads it that believes it talks to a workspace."""
    address = requests.get(f"{d.url}/api/2.0/mlflow/traces/{out['chat']}/credentials-for-data-download",
                           {"path": path.partition("/artifacts/")[2]}, timeout=30).json()
    return requests.get(address["credential_info"]["signed_uri"], timeout=30).content


def test_a_server_has_what_its_client_wrote_by_the_daemon(daemon, server):
    destination = {"name": "server", "kind": "mlflow", "url": server, **QUIET}
    d = daemon(destinations=[destination])
    out = run_app("shop", MLFLOW_TRACKING_URI=d.url)
    path = attach(d, out)
    wait_until_ferried(d)
    with reading.client(server) as c:
        assert_same_there(c, "shop", out)
        there = c.get_experiment_by_name("shop").experiment_id
    another = daemon(destinations=[destination])  # which never had it
    for url in (server, another.url):
        assert requests.get(f"{url}{ARTIFACTS}/{there}/{path}", timeout=30).content == b"\x89PNG bytes"
    assert attached(another, out, path) == b"\x89PNG bytes"
    d.sent.acknowledged += 5


def test_a_server_that_is_away_gets_it_all_later_and_once(daemon, server, proxied):
    proxy = proxied(server)
    proxy.set("refuse")
    d = daemon(destinations=[{"name": "server", "kind": "mlflow", "url": proxy.url, **QUIET}])
    out = run_app("away", MLFLOW_TRACKING_URI=d.url)
    assert int(out["experiment"][0]) >= 9200000000000000000
    d.kill()
    proxy.set("pass")
    d.start()
    wait_until(lambda: d.destination()["accounting"]["delivered"] > 0, "a first span delivered", 60)
    d.kill()
    d.start()
    wait_until_ferried(d)
    with reading.client(server) as c:
        assert_same_there(c, "away", out)
    d.sent.acknowledged += 5


@pytest.mark.parametrize("client", ["databricks", "http"])
def test_a_workspace_has_what_its_client_wrote_by_the_daemon(daemon, workspace, client):
    accounts.forget_far_sides()  # a deleted trace is delivered and not there
    destination = {"name": "workspace", "kind": "databricks", "url": workspace.url, "token": "x",
                   "experiment": "/Shared/other", **QUIET}
    d = daemon(destinations=[destination])
    env = ({"MLFLOW_TRACKING_URI": "databricks", "DATABRICKS_HOST": d.url, "DATABRICKS_TOKEN": "any"}
           if client == "databricks" else {"MLFLOW_TRACKING_URI": d.url})
    out = run_app("/Shared/shop", **env)
    path = attach(d, out)
    wait_until_ferried(d)
    assert attached(daemon(destinations=[destination]), out, path) == b"\x89PNG bytes"
    with reading.client("databricks", DATABRICKS_HOST=workspace.url, DATABRICKS_TOKEN="x") as c:
        assert_same_there(c, "/Shared/shop", out, knows_overridden=False)
    d.sent.acknowledged += d.status()["accepted"]["spans"]


def test_a_workspace_that_fails_in_the_middle_has_one_of_everything(daemon, workspace):
    accounts.forget_far_sides()
    workspace.state.faults.append({"match": "POST /api/3.0/mlflow/traces/.*/assessments$", "count": 2, "status": 503})
    workspace.state.faults.append({"match": "credentials-for-data-upload", "count": 2, "status": 500})
    d = daemon(destinations=[{"name": "workspace", "kind": "databricks", "url": workspace.url, "token": "x",
                              "experiment": "/Shared/other", **QUIET}])
    out = run_app("/Shared/faults", MLFLOW_TRACKING_URI="databricks", DATABRICKS_HOST=d.url, DATABRICKS_TOKEN="any")
    d.kill()
    d.start()
    wait_until_ferried(d)
    with reading.client("databricks", DATABRICKS_HOST=workspace.url, DATABRICKS_TOKEN="x") as c:
        assert_same_there(c, "/Shared/faults", out, knows_overridden=False)
    d.sent.acknowledged += d.status()["accepted"]["spans"] or 5
