"""One trace whose spans come by two daemons: the workspace ends with all of them, the times and the state of the root,
and the tags as they were set last, whatever came first, late or after a restart."""
import base64
import json
import os
import random
import threading
import time
import urllib.request

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

import mlflow_server
import wire
from waiting import wait_until

ROOT_STARTS_MS, ROOT_TAKES_MS = 1_795_000_000_000, 1234
REMOTE = 0x300


class Trace:
    """A root at one daemon, whose children are elsewhere; `sent` holds the ids of all spans, in hex."""

    def __init__(self):
        self.id, self.root = os.urandom(16), os.urandom(8)
        self.name, self.sent = f"tr-{self.id.hex()}", set()

    def _request(self, name, span_id, parent, flags=0, failed=False, start_ms=ROOT_STARTS_MS + 100, takes_ms=2000):
        r = ExportTraceServiceRequest()
        rs = r.resource_spans.add()
        rs.resource.attributes.add(key="service.name").value.string_value = "front" if name == "root" else "back"
        rs.scope_spans.add().spans.add(
            trace_id=self.id, span_id=span_id, parent_span_id=parent, name=name, flags=flags,
            start_time_unix_nano=start_ms * 10**6, end_time_unix_nano=(start_ms + takes_ms) * 10**6,
            status={"code": 2 if failed else 1},
        )
        self.sent.add(span_id.hex())
        return r.SerializeToString()

    def with_root(self, failed=True):
        return self._request("root", self.root, b"", failed=failed, start_ms=ROOT_STARTS_MS, takes_ms=ROOT_TAKES_MS)

    def child(self):
        """Of the root, in another process: the first of its own."""
        return self._request("child", os.urandom(8), self.root, REMOTE)


def post(d, body):
    status, _, answer = d.post(body)
    assert status == 200, (status, answer)


@pytest.fixture
def workspace(shared_workspace):
    return shared_workspace


@pytest.fixture
def two(daemon, workspace):
    """Makes two daemons of one workspace that keep nothing of what they delivered."""

    def make(**more):
        return [
            daemon(
                destinations=[{
                    "name": "workspace", "kind": "databricks", "url": workspace.url, "token": "x",
                    "experiment": "/Shared/two", "assemble": {"quiet": "50ms", "max_open": "1s"}, **more,
                }],
                spool={"retain": {"bytes": "0", "age": "0"}},
            )
            for _ in range(2)
        ]

    return make


def settle(*daemons):
    for d in daemons:
        d.wait_until_settled("workspace")


def spans_at(workspace, trace):
    blob = workspace.state.blobs.get(f"{trace.name}/artifacts/traces.json")
    return [base64.b64decode(span["span_id"]).hex() for span in json.loads(blob)["spans"]] if blob else []


def assert_whole(workspace, trace, failed=True):
    assert sorted(spans_at(workspace, trace)) == sorted(trace.sent)
    info = workspace.state.traces[trace.name]
    assert info["state"] == ("ERROR" if failed else "OK")
    assert info["request_time"] == "2026-11-18T11:06:40.000Z" and info["execution_duration"] == "1.234s"
    assert info["tags"]["mlflow.traceName"] == "root" and info["tags"]["service.name"] == "front"
    assert not [tag for tag, value in info["tags"].items() if value.startswith("writing ")], info["tags"]


def set_tag(workspace, trace, key, value):
    ask = urllib.request.Request(
        f"{workspace.url}/api/2.0/mlflow/traces/{trace.name}/tags", json.dumps({"key": key, "value": value}).encode(),
        {"Authorization": "Bearer x", "Content-Type": "application/json"}, method="PATCH")
    with urllib.request.urlopen(ask) as answer:
        assert answer.status == 200


def trim(d):
    """What it delivered is gone from its disk: a restart knows its marks alone."""
    post(d, wire.request(["filler"], text_bytes=1000).SerializeToString())
    settle(d)
    wait_until(lambda: (s := d.status()["spool"])["first_seq"] > s["last_seq"], lambda: d.status()["spool"])


@pytest.mark.parametrize("root_first", [True, False])
def test_whoever_comes_first_the_trace_is_whole(two, workspace, root_first):
    front, back = two()
    trace = Trace()
    steps = [(front, trace.with_root), (back, trace.child)]
    for d, part in steps if root_first else reversed(steps):
        post(d, part())
        settle(d)
    assert_whole(workspace, trace)


@pytest.mark.parametrize("restarted", [None, "front", "back", "both"])
@pytest.mark.parametrize("root_first", [True, False])
def test_late_spans_on_either_side_join_also_after_a_restart_of_what_is_trimmed(
    two, workspace, root_first, restarted, soak
):
    if restarted != "both" and not soak:
        pytest.skip("make soak: each side alone")
    front, back = two()
    trace = Trace()
    steps = [(front, trace.with_root), (back, trace.child)]
    for d, part in steps if root_first else reversed(steps):
        post(d, part())
        settle(d)
    set_tag(workspace, trace, "service.name", "front")
    set_tag(workspace, trace, "reviewed", "yes")
    set_tag(workspace, trace, "mlflow.traceName", "renamed")
    for name, d in (("front", front), ("back", back)):
        if restarted in (name, "both"):
            trim(d)
            assert d.stop() == 0
            d.start()
    for d in (front, back, front):
        post(d, trace.child())
        settle(d)
    tags = workspace.state.traces[trace.name]["tags"]
    assert (tags["reviewed"], tags["mlflow.traceName"]) == ("yes", "renamed"), "a replay undid what was set since"
    set_tag(workspace, trace, "mlflow.traceName", "root")
    assert_whole(workspace, trace)


def test_both_at_the_same_moment_again_and_again(two, workspace, soak):
    seed = int(os.environ.get("SPANFERRY_SEED", time.time_ns() % 2**32))
    print("seed", seed)
    chance = random.Random(seed)
    front, back = two(concurrency=16)
    traces = [Trace() for _ in range(100 if soak else 25)]
    # Answers come in any order.
    workspace.state.faults = [{"match": f"^{m} ", "count": -1, "delay_s": s} for m, s in (("PUT", 0.03), ("PATCH", 0.01))]
    for late in range(3):
        parts = {front: [], back: []}
        for trace in traces:
            parts[front].append(trace.child() if late else trace.with_root())
            parts[back].append(trace.child())

        def send(d):
            for part in parts[d]:
                post(d, part)

        for batch in parts.values():
            chance.shuffle(batch)
        senders = [threading.Thread(target=send, args=(d,)) for d in parts]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        if chance.random() < 0.5:
            settle(front, back)
    settle(front, back)
    for trace in traces:
        assert_whole(workspace, trace)


@pytest.mark.parametrize("killed", ["front", "back"])
def test_a_kill_between_trace_info_and_upload_costs_no_span_of_either(two, workspace, killed):
    front, back = two()
    trace = Trace()
    first, second = (front, back) if killed == "front" else (back, front)
    parts = {front: trace.with_root, back: trace.child}
    workspace.state.faults = [{"match": "credentials-for-data-upload", "count": 1, "delay_s": 3}]
    post(first, parts[first]())
    wait_until(lambda: trace.name in workspace.state.traces, "its trace info")
    first.kill()
    assert spans_at(workspace, trace) == []
    set_tag(workspace, trace, "reviewed", "yes")
    post(second, parts[second]())
    first.start()
    settle(first, second)
    assert_whole(workspace, trace)
    assert workspace.state.traces[trace.name]["tags"]["reviewed"] == "yes"


def test_an_upload_whose_answer_was_lost_does_not_undo_what_came_in_between(two, workspace):
    front, back = two()
    trace = Trace()
    workspace.state.faults = [{"match": "^PUT /__storage__", "count": 1, "drop": "after"}]
    post(front, trace.with_root())
    wait_until(lambda: spans_at(workspace, trace), "its file")
    post(back, trace.child())
    settle(front, back)
    assert_whole(workspace, trace)


def test_on_an_mlflow_server_the_trace_is_whole_too(daemon, scratch):
    with mlflow_server.serve() as url:
        front, back = [
            daemon(destinations=[{"name": "workspace", "kind": "mlflow", "url": url, "assemble": {"quiet": "50ms"}}],
                   spool={"retain": {"bytes": "0", "age": "0"}})
            for _ in range(2)
        ]
        traces = {order: Trace() for order in ("root first", "child first")}
        for order, trace in traces.items():
            steps = [(front, trace.with_root), (back, trace.child)]
            for d, part in steps if order == "root first" else reversed(steps):
                post(d, part())
                settle(d)
        for d in (front, back):
            trim(d)
            assert d.stop() == 0
            d.start()
        for trace in traces.values():
            for d in (back, front):
                post(d, trace.child())
                settle(d)
        for d in (front, back):
            wait_until(lambda: d.destination("workspace")["lag_records"] == 0, lambda: d.destination("workspace"))
        for order, trace in traces.items():
            ask = f"{url}/api/3.0/mlflow/traces/get?trace_id={trace.name}&allow_partial=True"
            with urllib.request.urlopen(ask) as answer:
                found = json.load(answer)["trace"]
            ids = sorted(base64.b64decode(span["span_id"]).hex() for span in found["spans"])
            assert ids == sorted(trace.sent), order
            info = found["trace_info"]
            assert info["state"] == "ERROR", (order, info)
            assert info["request_time"].startswith("2026-11-18T11:06:40"), (order, info)
