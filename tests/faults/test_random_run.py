"""Thousands of traces and late spans under random faults, kills, restarts and expiring credentials. In the end the
workspace holds what was sent: nothing lost, nothing doubled, nothing wrong, and the accounts hold.

SPANFERRY_SEED repeats a run's choices; SPANFERRY_SOAK_MINUTES sets how long it runs with --soak (30)."""
import base64
import json
import os
import random
import threading
import time

import accounts
from random_far_side import RandomFarSide
from random_traces import RandomApps, attributes_of
from workspace_admin import Admin
from workspace_log import assert_info_before_data

EXPERIMENTS = ["/Shared/one", "/Shared/two", "/Shared/three"]
STATUS = {"STATUS_CODE_UNSET": 0, "STATUS_CODE_OK": 1, "STATUS_CODE_ERROR": 2}


def settle(d, seconds=300):
    """Everything went, dead letters by a second try, for what refused them is gone."""
    d.wait_until_settled("workspace", seconds)
    while d.destination("workspace")["dead_letters"]:
        d.run("spool", "dead", "retry", "workspace")
        d.wait_until_settled("workspace", seconds)


def compare(workspace, traces):
    """(lost, doubled, wrong): sentences about spans and traces."""
    lost, doubled, wrong = [], [], []
    names = {e["experiment_id"]: e["name"] for e in workspace.state.experiments.values()}
    if len(set(names.values())) != len(names):
        doubled.append(f"experiments {names}")
    for trace_id, trace in traces.items():
        info = workspace.state.traces.get(f"tr-{trace_id}")
        blob = workspace.state.blobs.get(f"tr-{trace_id}/artifacts/traces.json")
        if info is None or blob is None:
            if trace.spans:
                lost.append(f"trace {trace_id}: {'no info' if info is None else 'no spans'}")
            continue
        there = json.loads(blob)["spans"]
        ids = [base64.b64decode(span["span_id"]) for span in there]
        doubled += [f"{trace_id}: span {i.hex()} is there {ids.count(i)} times" for i in set(ids) if ids.count(i) > 1]
        lost += [f"{trace_id}: span {i.hex()}" for i in trace.spans if i not in ids]
        for span_id, span in zip(ids, there):
            sent = trace.spans.get(span_id) or trace.unknown.get(span_id)
            if sent is None:
                wrong.append(f"{trace_id}: span {span_id.hex()} was never sent")
            else:
                wrong += wrong_in(trace_id, sent, span)
        where = names[info["trace_location"]["mlflow_experiment"]["experiment_id"]]
        if where != trace.experiment:
            wrong.append(f"{trace_id}: in {where} instead of {trace.experiment}")
        root = trace.root
        if root is not None and (info["state"], info["tags"].get("mlflow.traceName")) != ("ERROR" if trace.error else "OK", root.name):
            wrong.append(f"{trace_id}: state {info['state']}, name {info['tags'].get('mlflow.traceName')}, error={trace.error}")
    wrong += [f"{tid} was never sent" for tid in workspace.state.traces if tid.removeprefix("tr-") not in traces]
    return lost, doubled, wrong


def wrong_in(trace_id, sent, there):
    parent = base64.b64decode(there["parent_span_id"] or "")
    expected = (sent.name, sent.parent_span_id, sent.start_time_unix_nano, sent.end_time_unix_nano, sent.status.code)
    found = (there["name"], parent, there["start_time_unix_nano"], there["end_time_unix_nano"], STATUS[there["status"]["code"]])
    values = {key: json.loads(value) for key, value in there["attributes"].items()}
    if expected != found or any(values.get(key) != value for key, value in attributes_of(sent).items()):
        yield f"{trace_id}: span {sent.span_id.hex()} is {found} {values}, sent was {expected} {attributes_of(sent)}"


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
    }
    print("guesses:", guesses)
    admin.config(**guesses)
    (scratch / "secret").write_text("secret")
    d = daemon(destinations=[{
        "name": "workspace", "kind": "databricks", "url": workspace.url, "experiment": EXPERIMENTS[0],
        "client_id": "client", "client_secret_file": str(scratch / "secret"), "timeout": "1s", "assemble": {"quiet": "100ms", "max_open": "5s"},
    }])
    apps = RandomApps(d, choices, EXPERIMENTS)
    far_side = RandomFarSide(d, admin, choices, forbid=EXPERIMENTS[2])
    threading.Event().wait(seconds)
    far_side.stop()
    apps.stop()
    began = time.monotonic()
    settle(d)
    there = workspace.stored_spans()
    accounts.register_far_side(workspace.url, lambda: len(there) + apps.came_twice(there))
    lost, doubled, wrong = compare(workspace, apps.traces)
    spans = sum(len(trace.spans) for trace in apps.traces.values())
    print(f"{len(apps.traces)} traces, {spans} spans acknowledged, {d.sent.unknown} of unknown fate, {len(apps.repeats)} requests repeated; "
          f"{d.kills} kills, {sum('terminate' in line for line in far_side.log)} stops, {len(far_side.log)} faults; "
          f"settled {time.monotonic() - began:.1f} s after the last; lost {len(lost)}, doubled {len(doubled)}, wrong {len(wrong)}")
    if lost or doubled or wrong:
        print("\n".join([*far_side.log, *lost[:20], *doubled[:20], *wrong[:20]]))
    assert (len(lost), len(doubled), len(wrong)) == (0, 0, 0)
    assert len(apps.traces) > 5 * seconds, "too few traces to show anything"
    assert_info_before_data(workspace)
