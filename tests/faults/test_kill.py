"""kill -9 under load with a far side that comes and goes: what was acknowledged is delivered, what a fault repeats is
bounded, and the accounts hold after each start."""
import random

import accounts
from load import Load
from waiting import wait_until

BATCH_BYTES, CONCURRENCY = 65536, 2


def test_nothing_acknowledged_is_lost_by_kills(daemon, load_sink, scratch, soak):
    kills, least = (20, 100_000) if soak else (4, 5_000)
    d = daemon(destinations=[{
        "name": "backend", "kind": "otlp", "url": load_sink.url, "concurrency": CONCURRENCY, "max_batch_bytes": "64KiB",
    }])
    dice = random.Random(20)
    accepted = lambda: d.status()["accepted"]["spans"]
    ledgers, in_flight, repeated, most = [], 0, [], 0
    for kill in range(kills):
        load = Load(d.address, scratch / f"ledger-{kill}", seconds=120, seed=kill + 1, connections=16)
        ledgers.append(load.ledger)
        target = accepted() + least // kills + 1
        # What a fault repeats comes again at once when it is over: first of all that is pending.
        repeated.append(load_sink.stats()["repeated_spans"])
        load_sink.set(dice.choice(["refuse", "status"]))
        wait_until(lambda: accepted() > target // 2, accepted)
        load_sink.set("ok")
        wait_for_more(load_sink, 4 * CONCURRENCY * BATCH_BYTES // 1024)
        repeated.append(load_sink.stats()["repeated_spans"])
        wait_until(lambda: accepted() > target, accepted)
        d.kill()
        report = load.stop()
        in_flight += report["broken"]
        most = CONCURRENCY * (BATCH_BYTES // report["body_bytes"] + 1)
        scan = d.check_scan()
        load_sink.set("status")  # nothing moves: the start must know what the scan has counted, term by term
        d.start()
        accounts.check_status(d.status(), scan, moved=False)
        load_sink.set("ok")
        pending = scan["destinations"][0]["pending"]["spans"]
        wait_for_more(load_sink, min(pending, 4 * CONCURRENCY * BATCH_BYTES // 1024))
    repeated.append(load_sink.stats()["repeated_spans"])
    assert d.sent.acknowledged >= least
    assert in_flight > 0, "no kill met a request in flight: this run shows nothing"
    d.wait_until_settled("backend", seconds=300)
    results = [load_sink.compare(ledger) for ledger in ledgers]
    assert sum(r["missing"] for r in results) == 0, results
    # Outages and kills in turn; none may repeat more than what was in flight.
    each = [after - before for before, after in zip(repeated, repeated[1:])]
    print("acknowledged:", d.sent.acknowledged, "repeated by each outage and kill:", each, "at most", most)
    assert max(each) <= most, (each, most)
    assert load_sink.stats()["repeated_spans"] == repeated[-1], "repeated without a fault"


def wait_for_more(sink, spans):
    """Until that many have come since now, again or for the first time."""
    before = sink.stats()["spans"]
    wait_until(lambda: sink.stats()["spans"] >= before + spans, lambda: (before, spans, sink.stats()), 60)
