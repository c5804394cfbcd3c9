"""The real SDK through the daemon to the fake Databricks workspace (experiment storage), plain and behind TLS."""
import datetime

import pytest
import trustme

import genai
import reading
import wire
from waiting import wait_until
from workspace_log import assert_info_before_data

EXPERIMENT = "/Shared/production-genai-app"


def destination(workspace, **more):
    return {
        "name": "workspace", "kind": "databricks", "url": workspace.url, "token": "x", "experiment": EXPERIMENT,
        "assemble": {"quiet": "100ms"}, **more,
    }


def read(workspace, trace_id, **env):
    with reading.client("databricks", DATABRICKS_HOST=workspace.url, DATABRICKS_TOKEN="x", **env) as c:
        experiment = c.get_experiment_by_name(EXPERIMENT)
        found = {t.info.trace_id for t in reading.search(c, experiment.experiment_id, max_results=100)}
        assert f"tr-{trace_id}" in found
        return c.get_trace(f"tr-{trace_id}")


def test_a_chat_reads_back_as_it_was_sent(daemon, workspace):
    d = daemon(destinations=[destination(workspace)])
    app = genai.App(d.url)
    chat, error = genai.chat_with_retrieval(app), genai.failing_chat(app)
    app.close()
    d.wait_until_settled("workspace")
    trace = read(workspace, chat)
    reading.assert_same_spans(trace, app.sent())
    reading.assert_chat_with_retrieval(trace)
    failed = read(workspace, error)
    reading.assert_same_spans(failed, app.sent())
    assert failed.info.state.value == "ERROR"


def test_no_trace_data_goes_before_its_trace_info(daemon, workspace):
    workspace.state.faults.append({"match": "POST /api/3.0/mlflow/traces$", "count": 3, "status": 503})
    d = daemon(destinations=[destination(workspace)])
    app = genai.App(d.url)
    for _ in range(5):
        genai.chat_with_retrieval(app)
    app.close()
    d.wait_until_settled("workspace")
    assert d.wait_until_settled("workspace")["delivered"] == len(app.sent())
    assert_info_before_data(workspace)
    assert len(workspace.state.traces) == 5
    assert all(f"{t}/artifacts/traces.json" in workspace.state.blobs for t in workspace.state.traces)


def test_the_environment_alone_is_enough(daemon, workspace):
    d = daemon(env={
        "DATABRICKS_HOST": workspace.url, "DATABRICKS_TOKEN": "x", "MLFLOW_TRACKING_URI": "databricks",
        "MLFLOW_EXPERIMENT_NAME": EXPERIMENT, "APP_VERSION": "9.9",
    })
    r = wire.request(["root", "child"])
    assert d.post(r.SerializeToString())[0] == 200
    d.wait_until_settled("env")
    trace = read(workspace, wire.spans_of(r)[0].trace_id.hex())
    assert trace.info.tags["app_version"] == "9.9"


def test_one_refused_span_among_a_thousand_is_set_aside(daemon, workspace):
    d = daemon(destinations=[destination(workspace)])
    r = wire.request([f"root {i}" for i in range(1000)], one_trace_each=True)
    bad = wire.spans_of(r)[617]
    workspace.state.config["reject_trace_ids"] = [bad.trace_id.hex()]
    assert d.post(r.SerializeToString())[0] == 200
    accounting = d.wait_until_settled("workspace", seconds=120)
    assert (accounting["delivered"], accounting["dead"]) == (999, 1)
    assert_info_before_data(workspace)
    assert workspace.stored_spans() == wire.ids_of(r) - {(bad.trace_id.hex(), bad.span_id.hex())}
    letter = wait_until(d.dead_letters, "a dead letter: they are written with the cursor's next move")[0]
    assert (letter["trace_id"], letter["status"]) == (bad.trace_id.hex(), 400), letter
    # The log moves on.
    assert d.post(wire.request(["after"]).SerializeToString())[0] == 200
    assert d.wait_until_settled("workspace")["delivered"] == 1000


def test_a_refused_token_pauses_and_a_new_one_resumes(daemon, workspace, scratch):
    token = scratch / "token"
    token.write_text("expired")
    d = daemon(destinations=[{k: v for k, v in destination(workspace, token_file=str(token)).items() if k != "token"}])
    assert d.post(wire.request(["root"]).SerializeToString())[0] == 200
    state = d.wait_for_state("paused_auth", "workspace")
    assert "token" in (state["reason"] + state["last_error"]).lower()
    assert d.request("/readyz")[0] == 200 and d.request("/readyz?destinations")[0] == 503
    token.write_text("x\n")
    d.wait_until_settled("workspace", seconds=90)
    assert len(workspace.state.traces) == 1


# --- behind TLS

@pytest.fixture
def authority_file(authority, scratch):
    path = scratch / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return str(path)


def test_a_private_authority_is_trusted_when_named(daemon, secure_workspace, authority_file):
    workspace = secure_workspace()
    d = daemon(destinations=[destination(workspace)], env={"SSL_CERT_FILE": authority_file})
    app = genai.App(d.url)
    chat = genai.chat_with_retrieval(app)
    app.close()
    d.wait_until_settled("workspace")
    trace = read(workspace, chat, REQUESTS_CA_BUNDLE=authority_file, SSL_CERT_FILE=authority_file)
    reading.assert_same_spans(trace, app.sent())
    reading.assert_chat_with_retrieval(trace)


def expired(authority):
    yesterday = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=1)
    return authority.issue_cert("localhost", not_after=yesterday)


@pytest.mark.parametrize("what, certificate, words", [
    ("authority", lambda _: trustme.CA().issue_cert("localhost"), ("trusted", "SSL_CERT_FILE")),
    ("host", lambda ca: ca.issue_cert("elsewhere.example"), ("localhost",)),
    ("expired", expired, ("expired",)),
])
def test_a_certificate_that_is_wrong_pauses_with_its_sentence(
    daemon, secure_workspace, authority, authority_file, what, certificate, words
):
    workspace = secure_workspace(certificate(authority))
    d = daemon(destinations=[destination(workspace)], env={"SSL_CERT_FILE": authority_file})
    assert d.post(wire.request(["root"]).SerializeToString())[0] == 200
    state = d.wait_for_state("paused_config", "workspace")
    for word in words:
        assert word in state["reason"], state
    assert state["accounting"]["pending"] == 1
    wait_until(lambda: state["reason"] in d.log(), "its sentence in the log")
