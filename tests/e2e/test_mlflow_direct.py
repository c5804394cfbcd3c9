"""Direct and ferried: a program that uses MLflow broadly logs to a far side itself, and then by the daemon; whoever
reads there finds the same. Ids and times are those that the program held, all other fields equal the direct run."""
import hashlib
import pathlib
import time

import pytest
import requests

import accounts
import broad_reading
import reading
from mlflow_server import serve as serve_mlflow
from test_mlflow_client import run_app
from test_mlflow_ferried import wait_until_ferried
from test_unity_catalog import call, create
from waiting import wait_until

PROGRAM = pathlib.Path(__file__).with_name("broad_app.py")
QUIET = {"assemble": {"quiet": "100ms"}}
LOCATION = "main.genai.broad"


@pytest.fixture(scope="module")
def server():
    with serve_mlflow() as url:
        yield url


@pytest.fixture
def run(soak):
    """run(experiment, what to leave out, environment): what the program says of itself."""
    def start(experiment, *leave_out, **env):
        # The client's own batches are of five spans, each a request.
        return run_app(experiment, "5000" if soak else "150", *leave_out, program=PROGRAM, seconds=900 if soak else 180,
                       MLFLOW_ASYNC_TRACE_LOGGING_MAX_SPAN_BATCH_SIZE="100", **env)

    return start


def read_files(client, trace_id, attachments):
    """label → the hash of a file beside the trace, as the client downloads it."""
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
    from mlflow.tracing.client import TracingClient

    tracing = TracingClient(client.tracking_uri)
    files = tracing._get_artifact_repo_for_trace(tracing.get_trace_info(trace_id))
    return {label: hashlib.sha256(files.download_trace_attachment(one)).hexdigest() for label, (one, _) in attachments.items()}


def check_far_side(c, out, files=True):
    """What the program held is there; all else, described."""
    names = broad_reading.names_of(out)
    found = {}
    for name, trace_id in out["traces"].items():
        if out.get("deletions") and name.startswith("deleted"):
            continue
        trace = c.get_trace(trace_id)
        spans = out["spans"].get(name, []) + (out["elsewhere"] if name == "distributed" else [])
        if spans:
            broad_reading.check_held(trace, spans)
        made = {a.assessment_id: a.create_time_ms for a in trace.info.assessments or []}
        assert made == {i: at for i, at, of in out["assessments"].values() if of == trace_id}, name
        found[name] = broad_reading.described(trace, names)
    if files:
        assert read_files(c, out["traces"]["with files"], out["attachments"]) == {k: h for k, (_, h) in out["attachments"].items()}
    return found


def searches(c, place, out):
    """What a reader finds, by name, for each filter; the newest come first."""
    names = {i: n for n, i in out["traces"].items()}
    filters = ["", "attributes.client_request_id = 'req-agent'", "tags.environment = 'staging'", "tags.app_version = '2.3.1'",
               "metadata.build = '77'", "attributes.status = 'ERROR'", "tags.`mlflow.trace.session` = 'session-1'",
               "metadata.`mlflow.trace.user` = 'user-jane'", "tags.`note to self` LIKE 'später%'"]
    found = {}
    for one in filters:
        infos = [t.info for t in reading.search(c, place, filter_string=one or None, max_results=100)]
        assert infos == sorted(infos, key=lambda i: -i.request_time), one
        found[one] = sorted(names.get(i.trace_id, "unknown") for i in infos)
    return found


def compare(direct, ferried, capsys, far_side):
    troubles = list(broad_reading.differences(direct, ferried))
    assert not troubles, "\n".join(troubles[:60])
    fields = sorted({f for one in direct.values() for f in broad_reading.field_names(one)})
    spans = sum(one["span count"] for one in direct.values())
    with capsys.disabled():
        print(f"\n{far_side}: {len(direct)} traces, {spans} spans; held: trace, span and assessment ids, times of traces, spans, "
              f"events and assessments, bytes of files; compared: {', '.join(fields)}")


def test_a_server_reads_as_when_the_program_logs_there_itself(daemon, server, run, capsys):
    d = daemon(destinations=[{"name": "server", "kind": "mlflow", "url": server, **QUIET}])
    accounts.forget_far_sides()  # the same one gets traces without the daemon
    direct = run("direct", MLFLOW_TRACKING_URI=server)
    ferried = run("ferried", MLFLOW_TRACKING_URI=d.url)
    wait_until_ferried(d)
    d.sent.acknowledged += d.status()["accepted"]["spans"]
    with reading.client(server) as c:
        described = [check_far_side(c, out) for out in (direct, ferried)]
        found = [check_experiments(c, *of) for of in (("direct", direct), ("ferried", ferried))]
    assert found[0] == found[1]
    compare(*described, capsys, "mlflow server")
    compare(direct["read"], ferried["read"], capsys, "what the program read itself")


def check_experiments(c, name, out):
    """What searches find; of the traces that were deleted none is there."""
    place = c.get_experiment_by_name(name)
    assert place.tags["team"] == "chat"
    old = c.get_experiment_by_name(f"{name} of old").experiment_id
    assert [t.info.trace_id for t in reading.search(c, old)] == out["old"]["ids"][2:]
    assert (out["deletions"], out["old"]["deletions"]) == (2, 2)
    return searches(c, place.experiment_id, out)


def workspace_client(url):
    return {"MLFLOW_TRACKING_URI": "databricks", "DATABRICKS_HOST": url, "DATABRICKS_TOKEN": "x"}


def test_a_workspace_reads_as_when_the_program_logs_there_itself(daemon, workspace, run, capsys):
    """Its client sends no spans of another process there, to nobody."""
    accounts.forget_far_sides()
    d = daemon(destinations=[{"name": "workspace", "kind": "databricks", "url": workspace.url, "token": "x",
                              "experiment": "/Shared/other", **QUIET}])
    direct = run("/Shared/direct", "distributed", **workspace_client(workspace.url))
    ferried = run("/Shared/ferried", "distributed", **workspace_client(d.url))
    wait_until_ferried(d)
    d.sent.acknowledged += d.status()["accepted"]["spans"]
    with reading.client("databricks", DATABRICKS_HOST=workspace.url, DATABRICKS_TOKEN="x") as c:
        described = [check_far_side(c, out) for out in (direct, ferried)]
        found = [check_experiments(c, *of) for of in (("/Shared/direct", direct), ("/Shared/ferried", ferried))]
    assert found[0] == found[1]
    compare(*described, capsys, "workspace")
    compare(direct["read"], ferried["read"], capsys, "what the program read itself")


@pytest.mark.soak
def test_tables_of_a_workspace_read_as_when_the_program_logs_there_itself(daemon, workspace, run, soak, capsys):
    """What its client says of files beside such traces is lost, whoever it says it to: there is no place for them."""
    if not soak:
        pytest.skip("soak only: test_unity_catalog.py has a smaller program")
    accounts.forget_far_sides()
    d = daemon(destinations=[{"name": "workspace", "kind": "databricks", "url": workspace.url, "token": "x",
                              "experiment": "/Shared/other", **QUIET}])
    direct = run("/Shared/direct", "delete", **workspace_client(workspace.url), APP_TABLES=LOCATION)
    ferried = run("/Shared/ferried", "delete", **workspace_client(d.url), APP_TABLES=LOCATION)
    wait_until_ferried(d)
    d.sent.acknowledged += d.status()["accepted"]["spans"]
    with reading.client("databricks", DATABRICKS_HOST=workspace.url, DATABRICKS_TOKEN="x") as c:
        described = [check_far_side(c, out, files=False) for out in (direct, ferried)]
        found = searches(c, LOCATION, direct | {"traces": direct["traces"] | {f"ferried {n}": i for n, i in ferried["traces"].items()}})
    for traces in found.values():  # both are in the same table
        assert [t for t in traces if not t.startswith("ferried ")] == [t.removeprefix("ferried ") for t in traces if t.startswith("ferried ")]
    compare(*described, capsys, "tables of a workspace")
    compare(direct["read"], ferried["read"], capsys, "what the program read itself")


def test_a_daemon_that_was_idle_since_its_start_finds_what_the_far_side_has(daemon, workspace):
    """It knows whether that one answers before the first client asks, and long after nobody would wait to learn so."""
    there = create(workspace, "/Shared/there")
    info = {"trace_id": "tr-" + "8" * 32, "state": "OK", "request_time": "2026-11-24T02:20:46.125Z",
            "trace_location": {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": there}}}
    call(workspace, "/api/3.0/mlflow/traces", {"trace": {"trace_info": info}})
    d = daemon(destinations=[{"name": "workspace", "kind": "databricks", "url": workspace.url, "token": "x"}])
    started = time.monotonic()
    wait_until(lambda: time.monotonic() - started > 6, "the time in which a client would wait for its first answer")
    search = {"locations": [info["trace_location"]]}
    found = requests.post(f"{d.url}/api/3.0/mlflow/traces/search", json=search, timeout=30)
    assert [t["trace_id"] for t in found.json().get("traces", [])] == [info["trace_id"]]
    assert "X-Spanferry-Partial" not in found.headers
