"""kill -9 while traces go to experiment storage: every acknowledged span is in its trace's file, and a kill makes no
more than `concurrency` traces be uploaded twice."""
import http.client
import threading
import time

import accounts
import wire
from waiting import wait_until
from workspace_log import assert_info_before_data

CONCURRENCY = 2


class Senders:
    """Threads that post traces of three spans until told to stop; `acknowledged` is the set of (trace, span) ids in hex."""

    def __init__(self, daemon, threads=2):
        self.address, self.sent = daemon.address, daemon.sent
        self.acknowledged, self.broken = set(), []  # broken: when each began
        self.busy = 0
        self.lock, self.ended = threading.Lock(), threading.Event()
        self.threads = [threading.Thread(target=self._run) for _ in range(threads)]
        for thread in self.threads:
            thread.start()

    def _run(self):
        while not self.ended.is_set():
            connection = http.client.HTTPConnection(self.address, timeout=10)
            try:
                while not self.ended.is_set():
                    self._post(connection, wire.request(["root", "child", "leaf"]))
                    self.ended.wait(0.03)
            except (OSError, http.client.HTTPException):
                self.ended.wait(0.02)
            finally:
                connection.close()

    def _post(self, connection, request):
        began = time.monotonic()
        with self.lock:
            self.busy += 1
        try:
            connection.request("POST", "/v1/traces", request.SerializeToString(), {"Content-Type": wire.PROTOBUF})
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            with self.lock:
                self.broken.append(began)
                self.sent.unknown += 3
            raise
        finally:
            with self.lock:
                self.busy -= 1
        if answer.status == 200:
            with self.lock:
                self.acknowledged |= wire.ids_of(request)
                self.sent.acknowledged += 3

    def stop(self):
        self.ended.set()
        for thread in self.threads:
            thread.join()


def check_start(a, scanned):
    """What was uploaded and remembered as such, but not settled when the kill came, may be settled by now."""
    accounts.check_identity("workspace", a)
    settled = scanned["pending"]["spans"] - a["pending"]
    assert a["accepted"] == scanned["accepted"] and settled >= 0, (a, scanned)
    others = [o for o in accounts.OUTCOMES if o != "delivered"]
    assert all(a[o] == scanned[o] for o in others) and a["delivered"] == scanned["delivered"] + settled, (a, scanned)


def test_kills_lose_no_span_and_repeat_few_uploads(daemon, workspace, soak):
    kills, traces_a_kill = (20, 150) if soak else (3, 25)
    d = daemon(destinations=[{
        "name": "workspace", "kind": "databricks", "url": workspace.url, "token": "x", "experiment": "/Shared/kills",
        "concurrency": CONCURRENCY, "assemble": {"quiet": "50ms"},
    }])
    uploads = lambda: workspace.state.counts["upload"]
    acknowledged, in_flight = set(), 0
    for kill in range(kills):
        senders = Senders(d)
        try:
            if kill % 2:
                workspace.state.outage = 503
                accepted = d.status()["accepted"]["spans"]
                wait_until(lambda: d.status()["accepted"]["spans"] > accepted + 30, "spans accepted while it is down")
                workspace.state.outage = None
            before = uploads()
            wait_until(lambda: uploads() >= before + traces_a_kill, lambda: (before, uploads()), 120)
            wait_until(lambda: senders.busy, "a request in flight", every=0.0002)
            killed = time.monotonic()
            d.kill()
        finally:
            senders.stop()
        acknowledged |= senders.acknowledged
        in_flight += sum(began < killed for began in senders.broken)
        scan = d.check_scan()
        workspace.state.outage = 503  # nothing is delivered: the start must know what the scan has counted, term by term
        d.start()
        check_start(d.destination("workspace")["accounting"], next(c for c in scan["destinations"] if c["name"] == "workspace"))
        workspace.state.outage = None
    assert in_flight > 0, "no kill met a request in flight: this run shows nothing"
    d.wait_until_settled("workspace", seconds=300)
    assert acknowledged - workspace.stored_spans() == set()
    assert_info_before_data(workspace)
    twice = sum(max(writes["upload"] - 1, 0) for writes in workspace.state.writes.values())
    print("spans acknowledged:", len(acknowledged), "traces uploaded twice:", twice, "in", kills, "kills")
    assert twice <= kills * CONCURRENCY, (twice, kills)
