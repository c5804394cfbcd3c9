"""The two places where an experiment of the fake workspace may keep its traces: what of a trace's delivery each is
told, and whether it holds everything once."""
import json
import urllib.request

from workspace_admin import CREDENTIALS, LOOK_UP, START_TRACE, UPLOAD
from workspace_log import assert_info_before_data, rows_in_tables, spans_in_files, traces_with_data

LOCATION = "main.genai.app"


def call(workspace, path, body):
    headers = {"Authorization": "Bearer x", "Content-Type": "application/json"}
    request = urllib.request.Request(workspace.url + path, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def create(workspace, name):
    return call(workspace, "/api/2.0/mlflow/experiments/create", {"name": name})["experiment_id"]


def link(workspace, experiment, location=LOCATION):
    place = {"uc_table_prefix": dict(zip(("catalog_name", "schema_name", "table_prefix"), location.split(".")))}
    call(workspace, "/api/5.0/mlflow/tracing/locations", place)
    call(workspace, f"/api/5.0/mlflow/experiments/{experiment}/trace-location:link", {"experiment_id": experiment, **place})


def requests_to(workspace, path):
    return [r for r in workspace.state.requests if r["path"].split("?")[0].endswith(path)]


class ExperimentStorage:
    name = "experiment_storage"
    calls = (LOOK_UP, START_TRACE, CREDENTIALS, UPLOAD)  # of one trace's delivery, in order
    answering = (LOOK_UP, START_TRACE, CREDENTIALS)  # with something of which there is no doubt
    main = info = START_TRACE  # the first of a trace
    letters = 1  # of a trace of three spans that is refused: for the whole trace
    says_which = True

    def prepare(self, workspace, experiment):
        """The daemon creates it."""

    def assert_holds(self, workspace, sent, repeated=0):
        assert spans_in_files(workspace) == sent
        assert traces_with_data(workspace) == {trace for trace, _ in sent}
        assert_info_before_data(workspace)
        assert not rows_in_tables(workspace)


class UnityCatalog:
    name = "unity_catalog"
    spans, info = "POST /api/2.0/otel/v1/traces", "POST /api/4.0/mlflow/traces/[^/]+/[^/]+/info"
    calls = (LOOK_UP, spans, info)
    answering = (LOOK_UP, info)
    main = spans
    letters = 3  # each of its spans
    says_which = False  # of traces that shared a request: how many spans were refused, not whose

    def prepare(self, workspace, experiment):
        link(workspace, create(workspace, experiment))

    def assert_holds(self, workspace, sent, repeated=0):
        """repeated: rows that may be there once more."""
        rows = rows_in_tables(workspace)
        assert set(rows) == sent
        assert len(rows) - len(sent) <= repeated, (len(rows), len(sent))
        assert {trace for _, trace in workspace.state.uc_infos} == {trace for trace, _ in sent}
        for _, trace in workspace.state.uc_infos:
            self.assert_spans_before_info(workspace, trace)
        assert not workspace.state.traces and not workspace.state.blobs

    @staticmethod
    def assert_spans_before_info(workspace, trace):
        first = min(r["began"] for r in requests_to(workspace, f"/{trace}/info") if r["method"] == "POST")
        stored = [r["stored"] for r in requests_to(workspace, "/otel/v1/traces") if trace in r.get("traces", ())]
        assert stored and min(stored) <= first, f"{trace}: its info before its spans"


STORAGES = (ExperimentStorage(), UnityCatalog())
