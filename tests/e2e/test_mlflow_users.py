"""A real MLflow server that wants a user name and a password."""
import json

import pytest
import requests

import accounts
import wire
from mlflow_server import ADMIN, ADMIN_PASSWORD, count_spans
from mlflow_server import serve as serve_mlflow

ADMINS = (ADMIN, ADMIN_PASSWORD)


@pytest.fixture(scope="module")
def mlflow_server():
    with serve_mlflow(with_users=True) as url:
        yield url


@pytest.fixture
def server(far_sides, mlflow_server):
    """Its address; what it holds is compared with the accounts of the daemon."""
    accounts.register_far_side(mlflow_server, lambda: count_spans(mlflow_server))
    return mlflow_server


def call(server, method, path, user=ADMINS, **body):
    answer = requests.request(method, f"{server}/api/2.0/mlflow/{path}", auth=user, json=body, timeout=60)
    assert answer.status_code == 200, (path, answer.status_code, answer.text)
    return answer.json()


def traces_of(server, experiment):
    """The ids of the traces of an experiment."""
    found = requests.get(f"{server}/api/2.0/mlflow/experiments/get-by-name", {"experiment_name": experiment}, auth=ADMINS, timeout=60).json()
    location = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": found["experiment"]["experiment_id"]}}
    answer = requests.post(f"{server}/api/3.0/mlflow/traces/search", auth=ADMINS, timeout=60, json={"locations": [location], "max_results": 100})
    assert answer.status_code == 200, answer.text
    return {t["trace_id"].removeprefix("tr-") for t in answer.json().get("traces", [])}


def send(daemon):
    request = wire.request(["root", "child"])
    assert daemon.post(request.SerializeToString())[0] == 200
    return wire.spans_of(request)[0].trace_id.hex()


def test_user_and_password_of_the_environment_open_the_door(daemon, server):
    assert requests.get(f"{server}/api/2.0/mlflow/experiments/get?experiment_id=0", timeout=60).status_code == 401
    d = daemon(env={
        "MLFLOW_TRACKING_URI": server, "MLFLOW_TRACKING_USERNAME": ADMIN, "MLFLOW_TRACKING_PASSWORD": ADMIN_PASSWORD,
        "MLFLOW_EXPERIMENT_NAME": "by-environment",
    })
    trace = send(d)
    d.wait_until_settled("env")
    assert traces_of(server, "by-environment") == {trace}
    assert ADMIN_PASSWORD not in d.log() + d.run("config").stdout + json.dumps(d.status())


def test_a_changed_password_pauses_and_the_new_one_in_the_file_resumes(daemon, server, scratch):
    call(server, "POST", "users/create", username="ferry", password="planted-first-password")
    path = scratch / "password"
    path.write_text("planted-first-password")
    d = daemon(destinations=[{
        "name": "server", "kind": "mlflow", "url": server, "username": "ferry", "password_file": str(path),
        "experiment": "of-ferry", "assemble": {"quiet": "20ms"},
    }])
    sent = {send(d)}
    d.wait_until_settled("server")
    call(server, "PATCH", "users/update-password", username="ferry", password="planted-second-password")
    sent.add(send(d))
    state = d.wait_for_state("paused_auth", "server")
    assert str(path) in state["reason"] and "401" in state["reason"], state
    sent.add(send(d))
    path.write_text("planted-second-password\n")
    d.wait_until_settled("server", seconds=90)
    assert traces_of(server, "of-ferry") == sent
    assert "planted" not in d.log()
