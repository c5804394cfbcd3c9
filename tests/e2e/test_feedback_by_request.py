"""Feedback by a client's request id, given to a daemon that never saw the trace: another one delivered it. It ends at the
newest trace with that id, once, wherever the experiment keeps its traces."""
import json

import pytest

import wire
from waiting import wait_until
from workspace_admin import Admin
from workspace_log import stored_spans
from workspace_storages import STORAGES

EXPERIMENT = "/Shared/fed-back"
CREATE = "POST /api/[34].0/mlflow/traces/.*/assessments$"
SEARCH = "POST /api/[34].0/mlflow/traces/search"


@pytest.fixture
def workspace(shared_workspace):
    return shared_workspace


@pytest.fixture(params=STORAGES, ids=lambda storage: storage.name)
def storage(request, workspace):
    request.param.prepare(workspace, EXPERIMENT)
    return request.param


def daemon_of(daemon, workspace):
    return daemon(destinations=[{"name": "workspace", "kind": "databricks", "url": workspace.url, "token": "x",
                                 "experiment": EXPERIMENT, "assemble": {"quiet": "20ms"}}])


def deliver(d, request_id):
    """A trace with that request id; its id, in hex."""
    r = wire.request(["root"])
    (span,) = wire.spans_of(r)
    span.attributes.add(key="client_request_id").value.string_value = request_id
    assert d.post(r.SerializeToString())[0] == 200
    d.wait_until_settled("workspace")
    return span.trace_id.hex()


def give(d, request_id, name):
    said = {"client_request_id": request_id, "name": name, "value": True, "source_id": "jane"}
    status, _, body = d.request("/api/spanferry/v1/feedback", json.dumps(said).encode(), {"Content-Type": wire.JSON})
    assert status == 200, body
    assert "trace_id" not in json.loads(body), "it is not known here"


def assessed(workspace):
    """(trace, name) of each assessment, repeated ones too."""
    return sorted((key.rsplit("/", 1)[-1].removeprefix("tr-"), one["assessment_name"])
                  for key, some in list(workspace.state.assessments.items()) for one in list(some.values()))


def settled(d):
    there = d.destination("workspace")
    return there["lag_records"] == 0 and there["parked_records"] == 0


@pytest.mark.parametrize("ids", ["caller", "server"])
def test_feedback_reaches_the_newest_trace_that_another_daemon_delivered(daemon, workspace, storage, ids):
    admin = Admin(workspace)
    admin.config(assessment_ids=ids, search_pending_polls=2)
    other, here = daemon_of(daemon, workspace), daemon_of(daemon, workspace)
    deliver(other, "req-1")
    newest = deliver(other, "req-1")
    another = deliver(other, "it's req-2")
    # An answer that is lost, to the search and to the assessment: it is there once all the same.
    admin.faults({"match": SEARCH, "count": 1, "drop": "after"}, {"match": CREATE, "count": 1, "drop": "after"})
    give(here, "req-1", "helpful")
    give(here, "it's req-2", "tone")
    wait_until(lambda: settled(here), lambda: f"all feedback is delivered\n{here.log_tail()}", seconds=60)
    assert assessed(workspace) == sorted([(newest, "helpful"), (another, "tone")])
    assert not admin.pending_faults() and not here.dead_letters()
    assert len(stored_spans(workspace)) == 3


def test_feedback_waits_for_a_trace_that_searches_do_not_find_yet(daemon, workspace, storage):
    admin = Admin(workspace)
    admin.config(search_lag_s=2)
    other, here = daemon_of(daemon, workspace), daemon_of(daemon, workspace)
    give(here, "req-1", "helpful")
    wait_until(lambda: here.destination("workspace")["parked_records"] == 1, "its trace is nowhere")
    admin.faults({"match": SEARCH, "count": 2, "status": 400, "body": {"error_code": "INVALID_PARAMETER_VALUE", "message": "not now"}}
                 if storage.name == "unity_catalog" else {"match": SEARCH, "count": 1, "status": 503})
    here.kill()
    trace = deliver(other, "req-1")
    here.start()
    wait_until(lambda: settled(here), lambda: f"the feedback is delivered\n{here.log_tail()}", seconds=60)
    assert assessed(workspace) == [(trace, "helpful")]
    assert not admin.pending_faults() and not here.dead_letters()
