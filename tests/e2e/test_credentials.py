"""Service principals, profiles and refused credentials, against the fake workspace."""
import json
import threading

import pytest

import wire
from waiting import wait_until
from workspace_log import traces_with_data

EXPERIMENT = "/Shared/production-genai-app"


def destination(workspace, **credential):
    return {
        "name": "workspace", "kind": "databricks", "url": workspace.url, "experiment": EXPERIMENT,
        "assemble": {"quiet": "20ms"}, **credential,
    }


def principal(scratch, secret="secret"):
    path = scratch / "client-secret"
    path.write_text(secret + "\n")
    return {"client_id": "client", "client_secret_file": str(path)}, path


def send(daemon, traces=1):
    request = wire.request([f"root {i}" for i in range(traces)], one_trace_each=True)
    assert daemon.post(request.SerializeToString())[0] == 200
    return {span.trace_id.hex() for span in wire.spans_of(request)}


def answers(workspace, status):
    return [r for r in list(workspace.state.requests) if r["status"] == status]


def tokens_given(workspace):
    return workspace.state.counts["oauth_tokens"]


def assert_not_told(daemon, *secrets):
    """Neither in the log nor in what the daemon says of itself."""
    told = daemon.log() + json.dumps(daemon.status()) + daemon.request("/metrics")[2].decode() + daemon.run("config").stdout
    for secret in secrets:
        assert secret not in told


def test_tokens_of_three_seconds_are_renewed_under_load_without_one_refusal(daemon, workspace, scratch, soak):
    workspace.state.config["token_ttl_s"] = 3
    credential, _ = principal(scratch)
    d = daemon(destinations=[destination(workspace, **credential)])
    sent, stop = set(), threading.Event()

    def load():
        while not stop.is_set():
            sent.update(send(d, traces=4))
            stop.wait(0.05)

    loader = threading.Thread(target=load)
    loader.start()
    try:
        wanted = 30 if soak else 4
        wait_until(lambda: tokens_given(workspace) >= wanted, "the tokens of several lives", seconds=60 + 10 * wanted)
    finally:
        stop.set()
        loader.join()
    d.wait_until_settled("workspace")
    assert traces_with_data(workspace) == sent
    assert answers(workspace, 401) == [] and answers(workspace, 403) == []
    asked = [r["t"] for r in workspace.state.requests if r["path"] == "/oidc/v1/token"]
    # At half their lives, and one for everybody: what is closer together than that was asked for twice.
    assert all(later - earlier >= 1.4 for earlier, later in zip(asked, asked[1:])), asked
    assert_not_told(d, *workspace.state.oauth)


def test_a_token_that_the_workspace_forgets_is_replaced_without_a_pause(daemon, workspace, scratch):
    credential, _ = principal(scratch)
    d = daemon(destinations=[destination(workspace, **credential)])
    sent = send(d)
    d.wait_until_settled("workspace")
    workspace.state.oauth.clear()
    sent |= send(d, traces=10)
    d.wait_until_settled("workspace")
    assert traces_with_data(workspace) == sent
    assert tokens_given(workspace) == 2, "one new token serves all who were refused"
    assert answers(workspace, 401) and "paused" not in d.log()


def test_a_revoked_secret_pauses_and_a_fixed_file_resumes_with_nothing_lost(daemon, workspace, scratch):
    credential, path = principal(scratch)
    d = daemon(destinations=[destination(workspace, **credential)])
    sent = send(d)
    d.wait_until_settled("workspace")
    workspace.state.config["client_secret"] = "rotated-secret"
    workspace.state.oauth.clear()
    sent |= send(d, traces=30)
    state = d.wait_for_state("paused_auth", "workspace")
    for word in (str(path), "invalid_client", "/oidc/v1/token"):
        assert word in state["reason"], state
    assert state["accounting"]["pending"] > 0
    wait_until(lambda: state["reason"] in d.log(), "its sentence in the log")
    assert d.request("/readyz")[0] == 200
    status, _, body = d.request("/readyz?destinations")
    assert status == 503 and str(path) in body.decode()
    sent |= send(d, traces=5)
    path.write_text("rotated-secret")
    d.wait_until_settled("workspace", seconds=90)
    assert traces_with_data(workspace) == sent
    assert d.destination("workspace")["state"] == "ok"
    assert_not_told(d, "rotated-secret", *workspace.state.oauth)


def test_a_token_endpoint_in_trouble_is_an_outage_and_no_refusal(daemon, workspace, scratch):
    workspace.state.faults.append({"match": "POST /oidc/v1/token", "count": 3, "status": 503, "body": "overloaded"})
    credential, _ = principal(scratch)
    d = daemon(destinations=[destination(workspace, **credential)])
    sent = send(d)
    d.wait_until_settled("workspace")
    assert traces_with_data(workspace) == sent
    assert "paused" not in d.log() and "no access token" in d.destination("workspace")["last_error"]


def test_a_profile_gives_host_and_principal_and_is_read_anew(daemon, workspace, scratch):
    path = scratch / "databrickscfg"
    path.write_text(f"[DEFAULT]\nhost = https://elsewhere.example\ntoken = x\n\n[prod]\nhost = {workspace.url}/?o=1\n"
                    "client_id = client\nclient_secret = wrong-secret\n")
    d = daemon(env={
        "MLFLOW_TRACKING_URI": "databricks://prod", "DATABRICKS_CONFIG_FILE": str(path), "MLFLOW_EXPERIMENT_NAME": EXPERIMENT,
    })
    sent = send(d)
    state = d.wait_for_state("paused_auth", "env")
    assert f"profile prod in {path}" in state["reason"], state
    path.write_text(path.read_text().replace("wrong-secret", "secret"))
    d.wait_until_settled("env", seconds=90)
    assert traces_with_data(workspace) == sent
    assert_not_told(d, "wrong-secret")


@pytest.mark.parametrize("profile, words", [
    ("prd", ("has no profile prd", "nearest: prod, at line 1")),
    ("cli", (":7: ", "auth_type databricks-cli is not supported")),
])
def test_a_profile_that_cannot_be_used_is_told_before_anything_starts(daemon, scratch, profile, words):
    path = scratch / "databrickscfg"
    path.write_text("[prod]\nhost = https://w.example\ntoken = planted\n\n[cli]\nhost = https://w.example\nauth_type = databricks-cli\n")
    d = daemon(env={"MLFLOW_TRACKING_URI": f"databricks://{profile}", "DATABRICKS_CONFIG_FILE": str(path)}, start=False)
    d.write_config()
    done = d.run("config", check=False)
    assert done.returncode != 0
    for word in words:
        assert word in done.stderr, done.stderr
    assert "planted" not in done.stdout + done.stderr
