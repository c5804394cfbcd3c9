"""Two destinations, one of them dead: the live one lags by nothing, and the log waits only for the first."""
import wire
from load import Load
from waiting import free_port, wait_until

MIB = 1 << 20


def both(first, second, **of_second):
    return [
        {"name": "first", "kind": "otlp", "url": first},
        {"name": "second", "kind": "otlp", "url": second, **of_second},
    ]


def test_a_dead_second_destination_neither_slows_the_first_nor_fills_the_log(daemon, load_sink, scratch):
    d = daemon(
        destinations=both(load_sink.url, f"http://127.0.0.1:{free_port()}", max_lag_bytes="8MiB"),
        spool={"max_bytes": "96MiB"},
    )
    load = Load(d.address, scratch / "ledger", seconds=600, seed=1, connections=8, payload="genai")
    wait_until(
        lambda: d.status()["spool"]["appended_spans"] and d.destination("second")["accounting"]["dropped"] > 1000,
        lambda: d.status(), 120,
    )
    report = load.stop()
    assert report["refused"] == {}, report
    first = d.wait_until_settled("first")
    assert load_sink.compare(scratch / "ledger")["missing"] == 0
    assert first["dropped"] == 0 and d.destination("first")["lag_records"] == 0
    second = d.destination("second")["accounting"]
    assert second["delivered"] == 0 and second["pending"] > 0
    assert second["accepted"] == second["dropped"] + second["pending"] == first["delivered"]
    status = d.status()
    assert status["rejected"]["full"] == 0 and status["spool"]["bytes"] < 80 * MIB
    assert "when_behind: drop" in d.log()


def test_ingest_blocks_for_a_dead_first_destination(daemon, load_sink, scratch):
    d = daemon(
        destinations=both(f"http://127.0.0.1:{free_port()}", load_sink.url), spool={"max_bytes": "96MiB"},
    )
    load = Load(d.address, scratch / "ledger", seconds=600, seed=1, connections=8, payload="genai")
    wait_until(lambda: d.status()["rejected"]["full"] > 20, lambda: d.status(), 120)
    report = load.stop()
    assert set(report["refused"]) == {"503"}, report
    d.wait_until_settled("second")
    assert load_sink.compare(scratch / "ledger")["missing"] == 0
    first = d.destination("first")["accounting"]
    assert first["dropped"] == 0 and first["pending"] == first["accepted"] > 0
