"""kill -9 under load with a far side that comes and goes: what was acknowledged is delivered."""
import random

from load import Load
from waiting import wait_until

BATCH_BYTES, CONCURRENCY = 65536, 2


def test_nothing_acknowledged_is_lost_by_kills(daemon, load_sink, scratch, soak):
    kills, least = (20, 100_000) if soak else (4, 5_000)
    d = daemon(destinations=[{
        "name": "backend", "kind": "otlp", "url": load_sink.url, "concurrency": CONCURRENCY, "max_batch_bytes": "64KiB",
    }])
    dice = random.Random(20)
    ledgers, in_flight, acknowledged, span_bytes = [], 0, 0, 0
    for kill in range(kills):
        ledger = scratch / f"ledger-{kill}"
        load = Load(d.address, ledger, seconds=120, seed=kill + 1, connections=16)
        target = d.status()["accepted"]["spans"] + least // kills + 1
        load_sink.set(dice.choice(["refuse", "status"]))
        wait_until(lambda: d.status()["accepted"]["spans"] > target // 2, lambda: d.status()["accepted"])
        load_sink.set("ok")
        delivered_before = load_sink.stats()["spans"]
        wait_until(
            lambda: d.status()["accepted"]["spans"] > target and load_sink.stats()["spans"] > delivered_before,
            lambda: (d.status()["accepted"], load_sink.stats()),
        )
        d.kill()
        report = load.stop()
        ledgers.append(ledger)
        in_flight += report["broken"]
        acknowledged += report["acked_spans"]
        span_bytes = report["body_bytes"]
        d.start()
        d.check_identity()
    assert acknowledged >= least
    assert in_flight > 0, "no kill met a request in flight: this run shows nothing"
    d.wait_until_settled("backend", seconds=300)
    results = [load_sink.compare(ledger) for ledger in ledgers]
    assert sum(r["missing"] for r in results) == 0, results
    print("duplicates a kill:", [r["duplicates"] for r in results])
    # One kill and one outage a round: each may send again what was in flight.
    most = 2 * kills * CONCURRENCY * (BATCH_BYTES // span_bytes + 1)
    assert sum(r["duplicates"] for r in results) <= most, (results, most)
