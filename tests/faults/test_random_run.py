"""Thousands of traces, late spans and edits, to experiment storage and to tables of Unity Catalog, under random faults, kills,
restarts and expiring credentials. In the end the workspace holds what was sent and said: nothing lost, nothing doubled,
nothing wrong, and the accounts hold.

SPANFERRY_SEED repeats a run's choices; SPANFERRY_SOAK_MINUTES sets how long it runs with --soak (30)."""
import http.client
import os
import random
import re
import threading
import time

import accounts
from fake_workspace import uc_info
from random_compare import Comparison, held_in_storage, held_in_tables
from random_far_side import RandomFarSide
from random_traces import RandomApps
from workspace_admin import Admin
from workspace_log import assert_info_before_data
from workspace_storages import create, link

EXPERIMENTS = {"/Shared/one": None, "/Shared/two": "main.genai.two", "/Shared/three": None, "/Shared/four": "main.genai.four"}
FORBID = ("/Shared/three", "/Shared/four")
MOST_BEHIND = 1000  # records
CONCURRENCY, MOST_SPANS = 8, 26  # of one trace's rows under way: twelve spans, twice, and two more


class Letters:
    """The dead letters of a run, tried again for as long as there are some that can go."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.edits, self.deletions = set(), set()  # traces

    def settle(self, seconds):
        """Everything went, and nothing is parked; edits wait for a trace that is a dead letter until that one is tried again."""
        until = time.monotonic() + seconds
        while (told := self.daemon.destination("workspace"))["accounting"]["pending"] or told["parked_records"] or told["lag_records"] \
                or told["dead_letters"]:
            if time.monotonic() > until:
                return f"not settled: {told}, {self.daemon.dead_letters()}"
            self._try_again()
            time.sleep(0.2)

    def _try_again(self):
        if not (letters := self.daemon.dead_letters()):
            return
        for letter in letters:
            if letter["kind"] == "trace_edit":
                self.edits.add(letter["trace_id"])
            if "no call that deletes a trace" in letter["reason"]:  # that one can never go
                self.deletions.add(letter["trace_id"])
                self.daemon.run("spool", "dead", "drop", letter["id"])
        self.daemon.run("spool", "dead", "retry", "workspace", check=False)  # 404 where that was the last


def watch(d, apps, seconds):
    """For that long. On a machine that cannot keep up, faults are to meet deliveries and not a backlog."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        try:
            behind = d.destination("workspace")["lag_records"] > MOST_BEHIND
        except (OSError, http.client.HTTPException, StopIteration, ValueError):  # between a kill and the next start
            behind = False
        (apps.behind.set if behind else apps.behind.clear)()
        threading.Event().wait(min(left, 0.5))


def changed_late(workspace):
    """The traces of which something was carried out after its answer was no longer waited for: perhaps after the next edit."""
    late = [r for r in workspace.state.requests if r.get("late") and r["method"] != "GET"]
    return {trace for r in late for trace in re.findall("[0-9a-f]{32}", f"{r['path']} {r.get('trace_id')}")}


def compare(workspace, traces, disordered):
    state = workspace.state
    names = {e["experiment_id"]: e["name"] for e in state.experiments.values()}
    assert sorted(names.values()) == sorted(set(names.values())), "an experiment was made twice"
    in_storage, in_tables = Comparison("experiment storage"), Comparison("Unity Catalog")
    for trace_id, trace in traces.items():
        held = (held_in_tables(state, trace_id, trace.location, uc_info) if trace.location
                else held_in_storage(state, trace_id, names))
        (in_tables if trace.location else in_storage).add(trace_id, trace, held, trace_id in disordered)
    in_storage.wrong += [f"{tid}: not for here" for tid in state.traces
                         if (t := traces.get(tid.removeprefix("tr-"))) is None or t.location]
    in_tables.wrong += [f"{tid}: not for {where}" for where, tid in {*state.uc_rows, *state.uc_infos}
                        if (t := traces.get(tid)) is None or t.location != where]
    return in_storage, in_tables


def assert_rows_repeated_at_most_as_documented(workspace, repeated, kills):
    """A row comes again where the answer to its request was lost, and those of `concurrency` traces at a kill."""
    lost = sum(r.get("rows", 0) for r in workspace.state.requests if r["status"] != 200 or (r["fault"] or {}).keys() & {"truncate", "delay_s"})
    assert repeated <= lost + kills * CONCURRENCY * MOST_SPANS, (repeated, lost, kills)


def assert_delivered(d, workspace, apps):
    """Spans as they are counted here, beside what is there: of what came twice, and of what was deleted, no more is known."""
    accounting = d.destination("workspace")["accounting"]
    deleted = {trace_id for trace_id, trace in apps.traces.items() if trace.said.deleted}
    there = workspace.stored_spans()
    kept = sum(trace not in deleted for trace, _ in there)
    sure, most = apps.came_twice(there)
    of_deleted = sum(2 * (len(t.spans) + len(t.unknown)) + t.again + t.maybe for i, t in apps.traces.items() if i in deleted)
    assert kept + sure <= accounting["delivered"] <= kept + most + of_deleted, (kept, sure, most, of_deleted, accounting)
    assert accounting["dead"] == accounting["dropped"] == accounting["lost"] == 0, accounting


def test_in_the_end_the_workspace_holds_what_was_sent(daemon, workspace, scratch, soak):
    seed = os.environ.get("SPANFERRY_SEED") or str(random.SystemRandom().randrange(10**9))
    seconds = 60 * float(os.environ.get("SPANFERRY_SOAK_MINUTES", 30)) if soak else 60
    print(f"seed: SPANFERRY_SEED={seed}, {seconds:.0f} s")
    choices = random.Random(seed)
    # Each of the fake's guesses one way or the other.
    admin = Admin(workspace)
    guesses = {
        "cloud": choices.choice(["aws", "gcp", "azure", "adls"]), "bad_pat_status": choices.choice([401, 403]),
        "expired_oauth_status": choices.choice([401, 403]), "deleted_experiment_status": choices.choice([400, 404]),
        "search_lag_s": choices.choice([0, 15]), "token_ttl_s": choices.choice([4, 20, 3600]), "url_ttl_s": choices.choice([2, 900]),
        "assessment_ids": choices.choice(["caller", "server"]), "assessment_replay_status": choices.choice([409, 500]),
    }
    print("guesses:", guesses)
    admin.config(**guesses)
    for name, location in EXPERIMENTS.items():
        if location:
            link(workspace, create(workspace, name), location)
    (scratch / "secret").write_text("secret")
    accounts.forget_far_sides()  # counted here, beside what was deleted
    d = daemon(destinations=[{
        "name": "workspace", "kind": "databricks", "url": workspace.url, "experiment": "/Shared/one", "concurrency": CONCURRENCY,
        "client_id": "client", "client_secret_file": str(scratch / "secret"), "timeout": "1s", "assemble": {"quiet": "100ms", "max_open": "5s"},
    }])
    apps = RandomApps(d, choices, EXPERIMENTS)
    far_side = RandomFarSide(d, admin, choices, FORBID)
    watch(d, apps, seconds)
    far_side.stop()
    apps.stop()
    began, letters = time.monotonic(), Letters(d)
    trouble = letters.settle(max(120, 2 * seconds))  # a machine that does other things too falls behind meanwhile
    late = changed_late(workspace)
    parts = compare(workspace, apps.traces, letters.edits | late)
    print(f"{sum(p.spans for p in parts)} spans acknowledged, {d.sent.unknown} of unknown fate; {d.kills} kills, "
          f"{sum('terminate' in line for line in far_side.log)} stops, {len(far_side.log)} faults; settled "
          f"{time.monotonic() - began:.1f} s after the last; {len(letters.edits)} traces whose edits were set aside, "
          f"{len(late)} of which something was carried out late, {len(letters.deletions)} deletions from tables")
    for part in parts:
        print(part.figures())
    if trouble or any(sum(part.counts()) for part in parts):
        print("\n".join([*far_side.log, *(line for p in parts for some in (p.lost, p.doubled, p.wrong) for line in some[:20])]))
    assert not trouble, trouble
    assert [part.counts() for part in parts] == [(0, 0, 0), (0, 0, 0)]
    assert len(apps.traces) > seconds and all(part.edits > seconds / 4 for part in parts), "too few to show anything"
    assert len(letters.edits) <= len(apps.traces) / 100
    assert len(late) <= len(apps.traces) / 20
    assert_rows_repeated_at_most_as_documented(workspace, parts[1].repeated_rows, len([x for x in far_side.log if "kill" in x or "terminate" in x]))
    assert_delivered(d, workspace, apps)
    assert_info_before_data(workspace)
