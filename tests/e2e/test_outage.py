"""The far side is away, or worse; afterwards it has exactly what was acknowledged. (What apps feel of it meanwhile is
measured by bench/neighbours.py.)"""
import time

import pytest

import wire
from load import Load
from waiting import wait_until

BATCH_BYTES, CONCURRENCY = 65536, 2


def destination(url, **more):
    return {
        "name": "backend", "kind": "otlp", "url": url, "concurrency": CONCURRENCY, "max_batch_bytes": "64KiB",
        **more,
    }


@pytest.mark.parametrize("fault", ["refuse", "status", "black_hole", "never_answer", "close"])
def test_what_was_acknowledged_during_an_outage_arrives_after_it(daemon, load_sink, scratch, soak, fault):
    d = daemon(destinations=[destination(load_sink.url)])
    load = Load(d.address, scratch / "before", seconds=0, requests=100, seed=1, connections=4)
    load.report()
    d.wait_until_settled("backend")
    load_sink.set(fault)
    traces = 10_000 if soak else 1_000
    report = Load(d.address, scratch / "during", seconds=0, requests=traces, seed=2, connections=8, rate=500).report()
    assert report["acked_requests"] == traces, report
    load_sink.set("ok")
    d.wait_until_settled("backend")
    assert load_sink.compare(scratch / "before")["missing"] == 0
    result = load_sink.compare(scratch / "during")
    span_bytes = report["body_bytes"]
    most = CONCURRENCY * (BATCH_BYTES + span_bytes) // span_bytes
    assert (result["missing"], result["extra"]) == (0, 0), result
    assert result["duplicates"] <= most, (result, most)


def test_an_answer_that_is_lost_costs_only_what_was_in_flight(daemon, load_sink, scratch):
    d = daemon(destinations=[destination(load_sink.url)])
    load_sink.set("answer_lost")
    report = Load(d.address, scratch / "ledger", seconds=0, requests=2000, seed=1, connections=8).report()
    wait_until(lambda: load_sink.stats()["requests"] >= 2, lambda: load_sink.stats())
    load_sink.set("ok")
    d.wait_until_settled("backend")
    result = load_sink.compare(scratch / "ledger")
    assert (result["missing"], result["extra"]) == (0, 0), result
    lost_answers = load_sink.stats()["connections"]
    assert result["duplicates"] <= lost_answers * (BATCH_BYTES // report["body_bytes"] + 1)


def test_an_answer_cut_in_the_middle_is_no_answer(daemon, load_sink, proxied, scratch):
    between = proxied(load_sink.url)
    d = daemon(destinations=[destination(between.url)])
    between.set("cut_answer", cut_bytes=12)
    Load(d.address, scratch / "ledger", seconds=0, requests=300, seed=1, connections=4).report()
    d.wait_for_state("retrying", "backend")
    between.set("pass")
    d.wait_until_settled("backend")
    result = load_sink.compare(scratch / "ledger")
    assert (result["missing"], result["extra"]) == (0, 0), result


def test_a_slow_far_side_refuses_no_app(daemon, load_sink, scratch):
    d = daemon(destinations=[destination(load_sink.url)])
    load_sink.set("ok", delay_ms=300)
    report = Load(d.address, scratch / "ledger", seconds=2, seed=1, connections=8, rate=400).report()
    assert report["acked_requests"] == report["sent_requests"], report
    load_sink.set("ok")
    d.wait_until_settled("backend")
    assert load_sink.compare(scratch / "ledger")["missing"] == 0


def test_retry_after_is_kept_to(daemon, otlp_sink):
    d = daemon(destinations=[destination(otlp_sink.url)])
    otlp_sink.status, otlp_sink.headers = 429, {"Retry-After": "2"}
    d.post(wire.request(["one"]).SerializeToString())
    wait_until(lambda: otlp_sink.requests, "a first try")
    first = time.monotonic()
    d.wait_for_state("rate_limited", "backend")
    otlp_sink.status, otlp_sink.headers = None, {}
    d.wait_until_settled("backend")
    assert time.monotonic() - first >= 1.8
