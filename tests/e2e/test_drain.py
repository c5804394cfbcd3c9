"""SIGTERM: the door stays open for a sender that is not done, and what was answered is kept."""
import signal
import time

from load import Load
from waiting import wait_until


def destination(url):
    return {"name": "backend", "kind": "otlp", "url": url}


def test_a_sender_is_served_to_its_end(daemon, load_sink, scratch):
    d = daemon(destinations=[destination(load_sink.url)])
    load = Load(d.address, scratch / "ledger", seconds=2, seed=1, connections=4, rate=300)
    wait_until(lambda: d.status()["accepted"]["spans"] > 200, "a running load")
    began = time.monotonic()
    d.terminate()
    report = load.report()
    assert report["acked_requests"] == report["sent_requests"] and report["connect_errors"] == 0, report
    assert d.process.wait(20) == 0, d.log_tail()
    assert time.monotonic() - began < 10
    assert load_sink.compare(scratch / "ledger")["missing"] == 0


def test_what_cannot_be_delivered_is_on_disk_after_the_stop(daemon, load_sink, scratch):
    d = daemon(destinations=[destination(load_sink.url)], drain={"timeout": "3s"})
    load_sink.set("status")
    load = Load(d.address, scratch / "ledger", seconds=10, seed=1, connections=4, rate=300)
    wait_until(lambda: d.status()["accepted"]["spans"] > 200, "a running load")
    d.terminate()
    assert d.process.wait(20) == 0, d.log_tail()
    load.stop()
    load_sink.set("ok")
    d.start()
    d.wait_until_settled("backend")
    result = load_sink.compare(scratch / "ledger")
    assert (result["missing"], result["extra"]) == (0, 0), result


def test_a_second_signal_ends_it_at_once_and_loses_nothing(daemon, load_sink, scratch):
    d = daemon(destinations=[destination(load_sink.url)])
    load_sink.set("status")
    Load(d.address, scratch / "ledger", seconds=0, requests=500, seed=1, connections=4).report()
    d.terminate()
    wait_until(lambda: "stopping:" in d.log(), "a line that it is stopping")  # two signals at once are one to the kernel
    began = time.monotonic()
    d.process.send_signal(signal.SIGTERM)
    d.process.wait(10)
    assert time.monotonic() - began < 2
    load_sink.set("ok")
    d.start()
    d.wait_until_settled("backend")
    assert load_sink.compare(scratch / "ledger")["missing"] == 0
