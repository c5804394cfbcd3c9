"""Experiments that are linked to Unity Catalog: spans go to their table by OTLP, trace info by V4, and MLflow's own
client reads what it reads when it logged there itself."""
import json
import os
import pathlib
import subprocess
import sys

import pytest

import genai
import reading
import wire
from waiting import wait_until
from workspace_log import rows_in_tables, spans_in_files
from workspace_storages import LOCATION, call, create, link, requests_to

EXPERIMENT = "/Shared/in-tables"
APP = pathlib.Path(__file__).with_name("unity_app.py")


def destination(workspace, **more):
    return {
        "name": "workspace", "kind": "databricks", "url": workspace.url, "token": "x", "experiment": EXPERIMENT,
        "assemble": {"quiet": "100ms"}, **more,
    }


@pytest.fixture
def linked(workspace):
    link(workspace, create(workspace, EXPERIMENT))
    return workspace


def read(workspace, *trace_ids, location=LOCATION):
    """The traces, by a fresh client of the workspace; each must be found by a search too."""
    with reading.client("databricks", DATABRICKS_HOST=workspace.url, DATABRICKS_TOKEN="x", MLFLOW_DISABLE_TELEMETRY="true") as c:
        found = {t.info.trace_id for t in reading.search(c, location, max_results=100)}
        ids = [f"trace:/{location}/{t}" for t in trace_ids]
        assert set(ids) <= found
        return [c.get_trace(i) for i in ids]


def infos_of(workspace):
    return {trace for _, trace in workspace.state.uc_infos}


def test_a_chat_of_plain_opentelemetry_reads_back_as_it_was_sent(daemon, linked):
    d = daemon(destinations=[destination(linked)])
    app = genai.App(d.url)
    chat, error, odd = genai.chat_with_retrieval(app), genai.failing_chat(app), genai.every_kind_of_value(app)
    app.close()
    d.wait_until_settled("workspace")
    sent = app.sent()
    trace, failed, values = read(linked, chat, error, odd)
    reading.assert_chat_with_retrieval(trace)
    assert failed.info.state.value == "ERROR"
    for one in (trace, failed, values):
        reading.assert_same_spans(one, sent, location=LOCATION)
    assert trace.info.trace_metadata["mlflow.trace_schema.version"] == "4"
    assert not linked.state.traces and not linked.state.blobs
    assert len(rows_in_tables(linked)) == len(set(rows_in_tables(linked))) == len(sent)


def test_a_retry_sends_the_same_bytes_and_an_info_goes_after_its_spans(daemon, linked):
    for fault in ({"status": 503}, {"drop": "before"}, {"status": 429, "headers": {"Retry-After": "1"}}):
        linked.state.faults.append({"match": "POST /api/2.0/otel/v1/traces", "count": 1, **fault})
    d = daemon(destinations=[destination(linked)])
    r = wire.request(["root", "child"])
    assert d.post(r.SerializeToString())[0] == 200
    d.wait_until_settled("workspace")
    sent = requests_to(linked, "/otel/v1/traces")
    assert len(sent) == 4 and len({s["sha256"] for s in sent}) == 1
    (info,) = requests_to(linked, "/info")
    assert info["began"] >= sent[-1]["answered"]
    assert sorted(rows_in_tables(linked)) == sorted(wire.ids_of(r))


def test_a_record_may_name_its_table_itself(daemon, workspace):
    link(workspace, create(workspace, "/Shared/somewhere"), "main.genai.other")
    d = daemon(destinations=[destination(workspace)])
    there, nowhere = wire.request(["root"]), wire.request(["root"])
    for r, table in ((there, "main.genai.other_otel_spans"), (nowhere, "main.genai.missing_otel_spans")):
        assert d.post(r.SerializeToString(), X_Databricks_UC_Table_Name=table)[0] == 200
    held = wait_until(lambda: d.destination("workspace")["held_routes"], "what is for the missing table waits")
    assert "main.genai.missing_otel_spans" in held[0]["reason"]
    wait_until(lambda: set(rows_in_tables(workspace)) == wire.ids_of(there), "the other one")
    call(workspace, "/api/5.0/mlflow/tracing/locations",
         {"uc_table_prefix": {"catalog_name": "main", "schema_name": "genai", "table_prefix": "missing"}})
    d.wait_until_settled("workspace", seconds=120)
    assert sorted(rows_in_tables(workspace)) == sorted(wire.ids_of(there, nowhere))


@pytest.mark.parametrize("allowed", [True, False])
def test_a_location_that_is_configured_is_made_and_linked_where_that_is_allowed(daemon, workspace, allowed):
    experiment = create(workspace, EXPERIMENT)
    d = daemon(destinations=[destination(workspace, unity_catalog=LOCATION, create_experiment=allowed)])
    r = wire.request(["root", "child"])
    assert d.post(r.SerializeToString())[0] == 200
    if not allowed:
        held = wait_until(lambda: d.destination("workspace")["held_routes"], "waits")
        assert LOCATION in held[0]["reason"] and not workspace.state.locations
        link(workspace, experiment)
    d.wait_until_settled("workspace", seconds=120)
    (trace,) = read(workspace, wire.spans_of(r)[0].trace_id.hex())
    assert len(trace.data.spans) == 2
    assert not workspace.state.traces


def test_refused_spans_are_dead_and_their_neighbours_arrive(daemon, linked):
    linked.state.config.update(strict_partial=False, reject_span_names=["bad"])
    d = daemon(destinations=[destination(linked)])
    r = wire.request(["root", "bad", "leaf"])
    others = [wire.request(["root", "leaf"]) for _ in range(5)]
    for one in (r, *others):
        assert d.post(one.SerializeToString())[0] == 200
    accounting = d.wait_until_settled("workspace", seconds=120)
    assert (accounting["delivered"], accounting["dead"]) == (12, 1)
    bad = {(s.trace_id.hex(), s.span_id.hex()) for s in wire.spans_of(r) if s.name == "bad"}
    assert sorted(rows_in_tables(linked)) == sorted(wire.ids_of(r, *others) - bad)
    letter = wait_until(d.dead_letters, "a dead letter: they are written with the cursor's next move")[0]
    assert {(letter["trace_id"], letter["span_id"])} == bad


def test_an_experiment_that_is_linked_while_traces_wait_changes_over(daemon, workspace):
    """Some delivered, some under way in the middle of a kill, some waiting; late spans of all. Each trace ends in one
    place, whole, and once."""
    experiment = create(workspace, EXPERIMENT)
    d = daemon(destinations=[destination(workspace, concurrency=2)])
    before = [wire.request(["root", "child"]) for _ in range(5)]
    for r in before:
        assert d.post(r.SerializeToString())[0] == 200
    d.wait_until_settled("workspace")
    # The next ones get a StartTrace, but their files do not arrive.
    workspace.state.faults.append({"match": "PUT /__storage__/", "count": -1, "status": 503})
    begun = [wire.request(["root", "child"]) for _ in range(2)]
    for r in begun:
        assert d.post(r.SerializeToString())[0] == 200
    wait_until(lambda: len(workspace.state.traces) == 7, "both have begun")
    waiting = [wire.request(["root", "child"]) for _ in range(20)]
    for r in waiting:
        assert d.post(r.SerializeToString())[0] == 200
    d.kill()
    workspace.state.faults.clear()
    link(workspace, experiment)
    d.start()
    d.wait_until_settled("workspace", seconds=120)
    late = []
    for r in (before[0], begun[0], waiting[0]):
        late.append(wire.request(["late"], trace_id=wire.spans_of(r)[0].trace_id))
        wire.spans_of(late[-1])[0].parent_span_id = wire.spans_of(r)[0].span_id
        assert d.post(late[-1].SerializeToString())[0] == 200
    after = wire.request(["root", "child"])
    assert d.post(after.SerializeToString())[0] == 200
    # Nothing above the late spans comes any more, but their roots are there: they do not wait for max_open.
    accounting = d.wait_until_settled("workspace", seconds=120)
    assert accounting["dead"] == 0
    in_files, rows = spans_in_files(workspace), rows_in_tables(workspace)
    assert in_files == wire.ids_of(*before, *begun, late[0], late[1])
    assert sorted(rows) == sorted(wire.ids_of(*waiting, late[2], after))
    assert infos_of(workspace) == {trace for trace, _ in wire.ids_of(*waiting, after)}
    assert {t.removeprefix("tr-") for t in workspace.state.traces} == {trace for trace, _ in wire.ids_of(*before, *begun)}


def test_a_running_daemon_notices_that_its_experiment_was_linked(daemon, workspace):
    experiment = create(workspace, EXPERIMENT)
    d = daemon(destinations=[destination(workspace)])
    assert d.post(wire.request(["root"]).SerializeToString())[0] == 200
    d.wait_until_settled("workspace")
    link(workspace, experiment)

    def arrives_in_the_table():
        r = wire.request(["root"])
        assert d.post(r.SerializeToString())[0] == 200
        d.wait_until_settled("workspace")
        return wire.ids_of(r) <= set(rows_in_tables(workspace))

    wait_until(arrives_in_the_table, "a trace in the table", seconds=90, every=1)
    assert not spans_in_files(workspace) & set(rows_in_tables(workspace))


def test_kills_lose_nothing_and_repeat_only_what_was_in_flight(daemon, linked):
    d = daemon(destinations=[destination(linked, concurrency=2, assemble={"quiet": "20ms"})])
    sent = []
    for kill in range(3):
        for n in range(30):
            sent.append(wire.request(["root", "child"]))
            assert d.post(sent[-1].SerializeToString())[0] == 200
        arrived = len(set(rows_in_tables(linked)))
        wait_until(lambda: len(set(rows_in_tables(linked))) > arrived, "some are there")
        d.kill()
        d.start()
    d.wait_until_settled("workspace", seconds=120)
    rows = rows_in_tables(linked)
    assert set(rows) == wire.ids_of(*sent)
    assert len(rows) - len(set(rows)) <= 3 * 2 * 2, "two traces of two spans under way at each kill"
    assert infos_of(linked) == {trace for trace, _ in rows}


def run_app(*location, experiment=EXPERIMENT, **env):
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "DATABRICKS_", "OTEL_"))}
    environment |= {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"} | env
    done = subprocess.run([sys.executable, APP, experiment, *location], env=environment, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr[-4000:]
    return [i.rsplit("/", 1)[-1].removeprefix("tr-") for i in json.loads(done.stdout.splitlines()[-1])]


def described(trace):
    """All that a reader sees but ids and times."""
    info = trace.info
    names = {s.span_id: s.name for s in trace.data.spans}
    return {
        "state": info.state.value, "request_id": info.client_request_id, "tags": dict(info.tags),
        "previews": (info.request_preview, info.response_preview), "location": info.trace_location.to_dict(),
        "metadata": {k: v for k, v in info.trace_metadata.items() if k not in ("mlflow.trace.sizeStats", "mlflow.trace.sizeBytes")},
        "assessments": sorted((a.name, json.dumps(a.value), a.rationale, a.valid) for a in info.assessments),
        "spans": sorted((
            s.name, names.get(s.parent_id), s.span_type, s.status.status_code.value, s.status.description,
            json.dumps({k: v for k, v in s.attributes.items() if k != "mlflow.traceRequestId"}, sort_keys=True),
            json.dumps([(e.name, sorted(e.attributes)) for e in s.events]),
        ) for s in trace.data.spans),
    }


def test_an_mlflow_app_behind_the_daemon_reads_as_when_it_logs_there_itself(daemon, linked):
    direct = run_app(MLFLOW_TRACKING_URI="databricks", DATABRICKS_HOST=linked.url, DATABRICKS_TOKEN="x")
    wanted = [described(t) for t in read(linked, *direct)]
    rows_before = len(rows_in_tables(linked))
    d = daemon(destinations=[destination(linked)])
    ferried = run_app(MLFLOW_TRACKING_URI=d.url)
    d.sent.acknowledged += 4
    d.wait_until_settled("workspace")
    traces = read(linked, *ferried)
    assert [described(t) for t in traces] == wanted
    assert all(t.info.execution_duration >= 0 and t.info.request_time > 0 for t in traces)
    assert len(rows_in_tables(linked)) - rows_before == 4
    assert not linked.state.traces


def test_a_location_that_an_app_asks_for_while_the_workspace_is_away_is_made_when_it_is_back(daemon, workspace):
    """As set_experiment(trace_location=…) does, twice; nobody waits for the workspace."""
    def run_at(url, location, experiment=EXPERIMENT):
        return run_app(location, experiment=experiment, MLFLOW_TRACKING_URI="databricks", DATABRICKS_HOST=url, DATABRICKS_TOKEN="x")

    direct = run_at(workspace.url, "main.genai.direct", "/Shared/direct")
    wanted = [described(t) for t in read(workspace, *direct, location="main.genai.direct")]
    workspace.state.outage = "drop"
    d = daemon(destinations=[destination(workspace)])
    ferried = [i for _ in range(2) for i in run_at(d.url, LOCATION)]
    assert LOCATION not in workspace.state.locations
    d.kill()
    d.start()
    workspace.state.outage = None
    d.sent.acknowledged += 8
    assert d.wait_until_settled("workspace", seconds=120)["dead"] == 0
    experiment = next(e for e in workspace.state.experiments.values() if e["name"] == EXPERIMENT)
    assert workspace.state.linked[experiment["experiment_id"]] == LOCATION
    found = [described(t) for t in read(workspace, *ferried)]
    for one in found:
        assert one.pop("location")["uc_table_prefix"]["otel_spans_table_name"] == f"{LOCATION}_otel_spans"
    for one in wanted:
        del one["location"]
    assert found == wanted * 2
    assert not workspace.state.traces
    # Its next start finds the experiment as it is there.
    assert run_at(d.url, LOCATION)
    d.sent.acknowledged += 4
    d.wait_until_settled("workspace")


@pytest.mark.parametrize("location,table", [("main.genai", "main.genai.mlflow_experiment_trace_otel_spans"), (LOCATION, f"{LOCATION}_otel_spans")])
def test_a_client_of_the_daemon_finds_the_table_of_a_trace(daemon, location, table):
    d = daemon()
    trace = os.urandom(16).hex()
    info = {"trace_id": trace, "state": "OK", "request_time": "2026-01-01T00:00:00Z"}
    path = f"/api/4.0/mlflow/traces/{location}/{trace}/info"
    assert d.request(path, json.dumps(info).encode(), {"Content-Type": wire.JSON})[0] == 200
    with reading.client("databricks", DATABRICKS_HOST=d.url, DATABRICKS_TOKEN="x", MLFLOW_DISABLE_TELEMETRY="true") as c:
        (found,) = c.search_traces(locations=[location], include_spans=False)
    place = found.info.trace_location
    assert (place.uc_schema or place.uc_table_prefix).full_otel_spans_table_name == table


def test_a_search_names_the_warehouse_that_is_configured_unless_it_names_one(daemon, linked):
    d = daemon(destinations=[destination(linked, sql_warehouse_id="0a1b")])
    d.wait_for_state("ok", "workspace")
    with reading.client("databricks", DATABRICKS_HOST=d.url, DATABRICKS_TOKEN="x", MLFLOW_DISABLE_TELEMETRY="true") as c:
        assert c.search_traces(locations=[LOCATION], include_spans=False) == []
    assert linked.state.warehouses == ["0a1b"]
    place = {"type": "UC_TABLE_PREFIX", "uc_table_prefix": dict(zip(("catalog_name", "schema_name", "table_prefix"), LOCATION.split(".")))}
    body = {"locations": [place], "max_results": 5, "sql_warehouse_id": "mine"}
    assert d.request("/api/4.0/mlflow/traces/search-long-running", json.dumps(body).encode(), {"Content-Type": wire.JSON})[0] == 200
    assert linked.state.warehouses == ["0a1b", "mine"]


def test_a_trace_info_that_is_forbidden_waits_and_its_spans_are_sent_once(daemon, linked):
    linked.state.faults.append({"match": "POST /api/4.0/mlflow/traces/", "count": -1, "status": 403})
    d = daemon(destinations=[destination(linked)])
    r = wire.request(["root", "child"])
    assert d.post(r.SerializeToString())[0] == 200
    held = wait_until(lambda: d.destination("workspace")["held_routes"], "its route is held")
    assert "403" in held[0]["reason"]
    wait_until(lambda: d.destination("workspace")["parked_records"] == 1, "parked")
    wait_until(lambda: len(requests_to(linked, "/info")) >= 2, "it is probed", seconds=60)
    d.kill()
    linked.state.faults.clear()
    d.start()
    accounting = d.wait_until_settled("workspace", seconds=120)
    assert (accounting["delivered"], accounting["dead"]) == (2, 0)
    assert sorted(rows_in_tables(linked)) == sorted(wire.ids_of(r))
    assert infos_of(linked) == {trace for trace, _ in wire.ids_of(r)}
