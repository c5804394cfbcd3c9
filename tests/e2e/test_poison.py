"""One span that an OTLP backend refuses is set aside; its neighbours arrive and the log moves on."""
import json

import pytest

import wire
from waiting import wait_until


@pytest.mark.parametrize("status", [400, 413, 422, 500])
def test_one_refused_span_among_a_thousand(daemon, otlp_sink, status):
    otlp_sink.refuse_names, otlp_sink.refuse_status = {"poison"}, status
    d = daemon(destinations=[{"name": "backend", "kind": "otlp", "url": otlp_sink.url}])
    r = wire.request([f"span {i}" if i != 617 else "poison" for i in range(1000)])
    assert d.post(r.SerializeToString())[0] == 200
    accounting = d.wait_until_settled("backend", seconds=60)
    assert (accounting["delivered"], accounting["dead"]) == (999, 1)
    assert len(otlp_sink.ids()) == 999
    letters = wait_until(d.dead_letters, "a dead letter: they are written with the cursor's next move")
    assert len(letters) == 1 and str(status) in json.dumps(letters) and "poison" in json.dumps(letters)
    # The log moves on.
    after = wire.request(["after"])
    d.post(after.SerializeToString())
    d.wait_until_settled("backend")
    assert set(otlp_sink.ids()) >= wire.ids_of(after)


def test_a_partial_success_is_counted(daemon, otlp_sink):
    otlp_sink.refuse_names, otlp_sink.partial = {"poison"}, True
    d = daemon(destinations=[{"name": "backend", "kind": "otlp", "url": otlp_sink.url}])
    assert d.post(wire.request(["good", "poison", "good"]).SerializeToString())[0] == 200
    accounting = d.wait_until_settled("backend")
    assert accounting["delivered"] + accounting["dead"] == 3
