"""Every fault that the fake workspace knows, one test each, for experiment storage and for tables of Unity Catalog,
driven by its admin interface. In the end everything is there once: nothing lost, nothing doubled, nothing set aside that
could have gone."""
import os

import pytest

import wire
from waiting import wait_until
from workspace_admin import START_TRACE, UPLOAD, Admin
from workspace_storages import STORAGES, ExperimentStorage

EXPERIMENT = "/Shared/faults"


@pytest.fixture
def admin(workspace):
    return Admin(workspace)


@pytest.fixture(params=STORAGES, ids=lambda storage: storage.name)
def storage(request, workspace):
    request.param.prepare(workspace, EXPERIMENT)
    return request.param


@pytest.fixture
def start(daemon):
    """daemon(...) that does not wait for more senders when it is stopped."""
    return lambda *destinations: daemon(destinations=destinations, drain={"timeout": "100ms"})


def destination(workspace, **more):
    credential = {} if "client_id" in more else {"token": "x"}
    return {
        "name": "workspace", "kind": "databricks", "url": workspace.url, "experiment": EXPERIMENT,
        "assemble": {"quiet": "20ms", "max_open": "1s"}, **credential, **more,
    }


def send(daemon, traces=3, **request):
    """(trace id, span id) of all spans, in hex."""
    sent = set()
    for _ in range(traces):
        r = wire.request(["root", "child", "leaf"], **request)
        assert daemon.post(r.SerializeToString())[0] == 200
        sent |= wire.ids_of(r)
    return sent


def assert_all_there_once(daemon, workspace, sent, storage=ExperimentStorage(), dead=0, seconds=120, repeated=0):
    """repeated: rows that a table may hold twice."""
    accounting = daemon.wait_until_settled("workspace", seconds)
    assert accounting["dead"] == dead and accounting["delivered"] == len(sent), accounting
    storage.assert_holds(workspace, sent, repeated)
    assert len({e["name"] for e in workspace.state.experiments.values()}) == len(workspace.state.experiments)


# What makes no difference but time. Each meets every call of a delivery, so that all of them are tried again.
PASSING = {
    "408": {"status": 408}, "425": {"status": 425}, "429": {"status": 429, "headers": {"Retry-After": "1"}},
    "429_without_retry_after": {"status": 429}, "429_with_a_date": {"status": 429, "headers": {"Retry-After": "Thu, 01 Jan 2026 00:00:00 GMT"}},
    "500": {"status": 500}, "502": {"status": 502}, "503": {"status": 503, "headers": {"Retry-After": "1"}},
    "504": {"status": 504},
    "520": {"status": 520, "content_type": "text/html", "body": "<html>origin error</html>"},
    "a_server_that_hangs_up_before_it_reads": {"drop": "before"}, "a_lost_answer": {"drop": "after"},
    "a_truncated_answer": {"truncate": 0},
    "an_answer_that_is_late": {"delay_s": 0.3}, "an_answer_that_never_comes": {"delay_s": 2.5},
    "a_captive_portal": {"status": 200, "content_type": "text/html", "body": "<html>Welcome, please log in</html>"},
    "a_portal_that_calls_its_page_json": {"status": 200, "body": "<!doctype html><title>Log in</title>"},
    "a_500_for_what_was_done": {"status": 500, "process": True}, "a_503_for_what_was_done": {"status": 503, "process": True},
}


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING.keys())
def test_what_passes_by_itself_costs_time_alone(start, workspace, admin, storage, fault):
    admin.fault_at_each_call(storage.calls, **fault)
    d = start(destination(workspace, timeout="1s"))
    sent = send(d)
    unknown = bool(fault.get("drop") == "after" or fault.get("process") or "truncate" in fault or fault.get("delay_s", 0) > 1)
    assert_all_there_once(d, workspace, sent, storage, repeated=len(sent) if unknown else 0)
    assert admin.pending_faults() == []
    # A file is written twice only where we cannot know that it was done. StartTrace is an upsert: what became of
    # the file in doubt is looked for and told anew.
    doubled = admin.stats()["duplicates"]
    assert doubled["upload"] <= (2 if unknown else 0), doubled
    assert doubled["start_trace"] <= 3 * len({trace for trace, _ in sent}), doubled


NO_ANSWER = {
    "an_object_without_what_was_asked_for": {"status": 200, "body": {"login": "/portal"}},
    "nothing": {"status": 200, "body": ""}, "half_an_object": {"status": 200, "body": '{"trace": {"trace_i'},
}


@pytest.mark.parametrize("fault", NO_ANSWER.values(), ids=NO_ANSWER.keys())
def test_a_200_that_answers_something_else_is_no_success(start, workspace, admin, storage, fault):
    admin.fault_at_each_call(storage.answering, **fault)
    d = start(destination(workspace))
    sent = send(d)
    assert_all_there_once(d, workspace, sent, storage)
    assert admin.pending_faults() == [] and d.destination("workspace")["retries"] >= len(storage.answering)


# Until somebody changes something; then it goes on by itself.
PAUSING = {
    "401": ({"status": 401}, "paused_auth"), "403": ({"status": 403}, "paused_auth"),
    "a_redirect": ({"status": 302, "headers": {"Location": "https://elsewhere.invalid/"}}, "paused_config"),
    "407": ({"status": 407}, "paused_config"), "508": ({"status": 508}, "paused_config"),
}


@pytest.mark.parametrize("fault, state", PAUSING.values(), ids=PAUSING.keys())
def test_what_somebody_has_to_change_pauses_and_drops_nothing(start, workspace, admin, storage, fault, state):
    admin.faults({"match": "/api/", "count": -1, **fault})
    d = start(destination(workspace))
    sent = send(d)
    d.wait_for_state(state, "workspace")
    assert d.destination("workspace")["accounting"]["pending"] == len(sent)
    sent |= send(d)
    admin.clear_faults()
    assert_all_there_once(d, workspace, sent, storage)


@pytest.mark.parametrize("mode", ["drop", 503])
def test_an_outage_drops_nothing(start, workspace, admin, storage, mode):
    admin.call("outage", {"on": True, "mode": mode})
    d = start(destination(workspace))
    sent = send(d)
    d.wait_for_state("retrying", "workspace")
    sent |= send(d)
    admin.call("outage", {"on": False})
    assert_all_there_once(d, workspace, sent, storage)


@pytest.mark.parametrize("status", [400, 405, 415, 422, 501])
def test_a_trace_that_is_refused_for_good_is_a_dead_letter_and_can_be_tried_again(start, workspace, admin, storage, status):
    d = start(destination(workspace))
    sent = send(d)
    d.wait_until_settled("workspace")
    admin.faults({"match": storage.main, "count": -1, "status": status})
    bad = send(d, traces=1)
    assert d.wait_until_settled("workspace", 180)["dead"] == 3
    letters = wait_until(lambda: len(found := d.dead_letters()) == storage.letters and found, "the dead letters")
    assert sum(letter["spans"] for letter in letters) == 3
    assert all(f"HTTP {status}" in letter["reason"] for letter in letters), letters
    admin.clear_faults()
    sent |= send(d)
    d.run("spool", "dead", "retry", "workspace")
    assert_all_there_once(d, workspace, sent | bad, storage)


def test_rejected_traces_take_no_neighbours_along(start, workspace, admin, storage):
    bad = wire.request(["bad", "child"])
    trace = wire.spans_of(bad)[0].trace_id.hex()
    admin.config(reject_trace_ids=[trace])
    d = start(destination(workspace))
    sent = send(d)
    assert d.post(bad.SerializeToString())[0] == 200
    sent |= send(d)
    assert_all_there_once(d, workspace, sent, storage, dead=2)
    letters = wait_until(d.dead_letters, "the dead letter")
    assert sum(letter["spans"] for letter in letters) == 2
    if storage.says_which:
        assert {letter["trace_id"] for letter in letters} == {trace}
    assert all("rejected" in letter["reason"] for letter in letters), letters


@pytest.mark.parametrize("cloud", ["aws", "gcp", "azure", "adls"])
def test_signed_urls_that_expire_are_fetched_anew(start, workspace, admin, cloud):
    admin.config(cloud=cloud, url_ttl_s=-2)
    d = start(destination(workspace))
    sent = send(d)
    wait_until(lambda: any(r["path"].startswith("/__storage__/") and r["status"] == 403 for r in list(workspace.state.requests)),
               "a refused upload")
    admin.config(url_ttl_s=900)
    assert_all_there_once(d, workspace, sent)
    assert workspace.state.counts["start_trace"] == 3  # nothing but the URL was asked for anew


@pytest.mark.parametrize("cloud", ["aws", "gcp", "azure", "adls"])
def test_an_upload_that_breaks_off_is_made_again(start, workspace, admin, cloud):
    admin.config(cloud=cloud)
    admin.faults({"match": "(PUT|PATCH) /__storage__/", "count": 2, "drop": "before"},
                 {"match": "(PUT|PATCH) /__storage__/", "count": 2, "drop": "after"})
    d = start(destination(workspace))
    sent = send(d)
    assert_all_there_once(d, workspace, sent)
    assert admin.pending_faults() == []


def test_a_conflict_at_the_storage_passes(start, workspace, admin):
    admin.faults({"match": UPLOAD, "count": 2, "status": 409})
    d = start(destination(workspace))
    sent = send(d)
    assert_all_there_once(d, workspace, sent)
    assert admin.pending_faults() == []


def test_a_rate_limit_is_kept_to(start, workspace, admin, storage):
    admin.config(requests_per_s=10)
    d = start(destination(workspace))
    sent = send(d, traces=12)
    assert_all_there_once(d, workspace, sent, storage)


def test_tokens_and_urls_that_are_expired_at_once_pause_nothing(start, workspace, admin, storage, scratch):
    (scratch / "secret").write_text("secret")
    d = start(destination(workspace, client_id="client", client_secret_file=str(scratch / "secret")))
    sent = send(d)
    d.wait_until_settled("workspace")
    for _ in range(3):
        admin.call("expire_tokens", {})
        sent |= send(d)
        d.wait_until_settled("workspace")
    assert_all_there_once(d, workspace, sent, storage)
    assert "paused" not in d.log()


# The fake's guesses, each way (what no client shows).

@pytest.mark.parametrize("status", [401, 403])
def test_a_bad_token_pauses_whichever_way_it_is_refused(start, workspace, admin, storage, scratch, status):
    admin.config(bad_pat_status=status)
    token = scratch / "token"
    token.write_text("wrong")
    d = start(destination(workspace, token="", token_file=str(token)))
    sent = send(d)
    told = d.wait_for_state("paused_auth", "workspace")
    assert str(token) in told["reason"]
    token.write_text("x")
    assert_all_there_once(d, workspace, sent, storage)


@pytest.mark.parametrize("status", [401, 403])
def test_an_expired_access_token_is_replaced_whichever_way_it_is_refused(start, workspace, admin, storage, scratch, status):
    admin.config(expired_oauth_status=status)
    (scratch / "secret").write_text("secret")
    d = start(destination(workspace, client_id="client", client_secret_file=str(scratch / "secret")))
    sent = send(d)
    d.wait_until_settled("workspace")
    admin.call("expire_tokens", {})
    sent |= send(d)
    assert_all_there_once(d, workspace, sent, storage)
    assert "paused" not in d.log()


@pytest.mark.parametrize("replay", ["upsert", "conflict"])
def test_a_trace_info_whose_answer_was_lost_may_be_told_again_either_way(start, workspace, admin, storage, replay):
    admin.config(start_trace_replay=replay)
    admin.faults({"match": storage.info, "count": 2, "drop": "after"})
    d = start(destination(workspace))
    sent = send(d)
    assert_all_there_once(d, workspace, sent, storage)
    assert admin.pending_faults() == []


@pytest.mark.parametrize("replay", ["upsert", "conflict"])
def test_late_spans_join_their_trace_whether_or_not_it_may_be_told_again(start, workspace, admin, storage, replay):
    admin.config(start_trace_replay=replay)
    d = start(destination(workspace))
    trace_id = os.urandom(16)
    sent = send(d, traces=1, trace_id=trace_id)
    d.wait_until_settled("workspace")
    late = wire.request(["late"], trace_id=trace_id)
    wire.spans_of(late)[0].parent_span_id = bytes.fromhex(sorted(s for _, s in sent)[0])
    assert d.post(late.SerializeToString())[0] == 200
    assert_all_there_once(d, workspace, sent | wire.ids_of(late), storage)


def test_searches_that_lag_change_nothing_of_what_is_delivered(start, workspace, admin):
    admin.config(search_lag_s=15)
    d = start(destination(workspace))
    trace_id = os.urandom(16)
    sent = send(d) | send(d, traces=1, trace_id=trace_id)
    d.wait_until_settled("workspace")
    sent |= send(d, traces=1, trace_id=trace_id)
    assert_all_there_once(d, workspace, sent)
