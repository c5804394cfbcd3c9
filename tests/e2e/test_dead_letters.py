"""What a destination refused for good: listed, shown, exported, dropped; by the API and by the command line, beside a
running daemon and without one."""
import base64
import json

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

import wire
from waiting import wait_until


@pytest.fixture
def refused(daemon, otlp_sink):
    """A daemon with three dead letters of one span each, among others that were taken."""
    otlp_sink.refuse_names = {"poison"}
    d = daemon(destinations=[{"name": "backend", "kind": "otlp", "url": otlp_sink.url}])
    for _ in range(3):
        assert d.post(wire.request(["good", "poison"]).SerializeToString())[0] == 200
    d.wait_until_settled("backend")
    wait_until(lambda: len(d.dead_letters()) == 3, "three dead letters")
    return d


def names(payload):
    request = ExportTraceServiceRequest.FromString(payload)
    return [s.name for rs in request.resource_spans for ss in rs.scope_spans for s in ss.spans]


def test_they_are_shown_exported_and_dropped_while_the_daemon_runs(refused, scratch):
    d = refused
    first, second, third = (letter["id"] for letter in d.dead_letters())
    shown = d.get(f"/api/spanferry/v1/dead-letters/{first}")
    assert names(base64.b64decode(shown["payload"])) == ["poison"] and shown["status"] == 400
    assert json.loads(d.run("spool", "dead", "show", first, "--json").stdout)["payload"] == shown["payload"]

    d.run("spool", "dead", "export", "backend", "--output", scratch / "out")
    lines = [json.loads(line) for line in (scratch / "out" / "letters.jsonl").read_text().splitlines()]
    assert [line["id"] for line in lines] == [first, second, third]
    assert names((scratch / "out" / f"{second.replace('/', '-')}.otlp").read_bytes()) == ["poison"]

    status, _, body = d.request(f"/api/spanferry/v1/dead-letters/{first}", method="DELETE")
    assert (status, json.loads(body)) == (200, {"dropped": 1})
    assert d.request(f"/api/spanferry/v1/dead-letters/{first}", method="DELETE")[0] == 404
    assert json.loads(d.run("spool", "dead", "drop", second, "--json").stdout) == {"dropped": 1}
    a = d.destination("backend")["accounting"]
    assert (a["delivered"], a["dead"], a["dropped"]) == (3, 1, 2)
    assert d.run("spool", "dead", "drop", "nobody", check=False).returncode == 1


def test_they_are_dropped_without_a_daemon(refused):
    d = refused
    d.close()
    assert "dropped 3" in d.run("spool", "dead", "drop", "backend").stdout
    assert json.loads(d.run("spool", "dead", "list", "--json").stdout) == {"dead_letters": []}
    counted = next(c for c in d.inspect()["destinations"] if c["name"] == "backend")
    assert (counted["delivered"], counted["dead"], counted["dropped"]) == (3, 0, 3)


def test_tried_again_after_their_cause_is_gone_they_arrive(refused, otlp_sink):
    d = refused
    first, second, third = (letter["id"] for letter in d.dead_letters())
    assert json.loads(d.run("spool", "dead", "retry", first, "--json").stdout) == {"retried": 1}
    wait_until(lambda: d.destination("backend")["accounting"]["pending"] == 0, "an answer")
    wait_until(lambda: len(d.dead_letters()) == 3, "refused once more: it is a dead letter again")
    otlp_sink.refuse_names = set()
    status, _, body = d.request(f"/api/spanferry/v1/dead-letters/{second}/retry", method="POST")
    assert (status, json.loads(body)) == (200, {"retried": 1})
    d.wait_until_settled("backend")
    assert sum(s.name == "poison" for _, _, s in otlp_sink.received) == 1
    assert d.request(f"/api/spanferry/v1/dead-letters/{second}/retry", method="POST")[0] == 404
    d.close()
    # Without a daemon it is the next start that sends them.
    assert json.loads(d.run("spool", "dead", "retry", "backend", "--json").stdout) == {"retried": 2}
    d.start()
    accounting = d.wait_until_settled("backend")
    assert (accounting["delivered"], accounting["dead"], accounting["dropped"]) == (6, 0, 0)
    assert d.dead_letters() == [] and d.destination("backend")["dead_letters"] == 0
    assert set(otlp_sink.ids().values()) == {1}


def test_one_of_which_nothing_is_known_cannot_be_tried_again(daemon, otlp_sink):
    otlp_sink.refuse_names, otlp_sink.partial = {"poison"}, True
    d = daemon(destinations=[{"name": "backend", "kind": "otlp", "url": otlp_sink.url}])
    assert d.post(wire.request(["good", "poison"]).SerializeToString())[0] == 200
    d.wait_until_settled("backend")
    wait_until(d.dead_letters, "a dead letter")
    status, _, body = d.request("/api/spanferry/v1/dead-letters/backend/retry", method="POST")
    assert status == 400 and b"without saying which" in body
    assert len(d.dead_letters()) == 1
