"""kill -9 while traces go to experiment storage: every acknowledged span is in its trace's file, and a kill makes no
more than `concurrency` traces be uploaded twice."""
import base64
import http.client
import json
import threading

import wire
from waiting import wait_until

CONCURRENCY = 2


class Senders:
    """Threads that post traces of three spans until told to stop; `acknowledged` is the set of (trace, span) ids in hex."""

    def __init__(self, address, threads=2):
        self.address, self.acknowledged, self.broken = address, set(), 0
        self.lock, self.ended = threading.Lock(), threading.Event()
        self.threads = [threading.Thread(target=self._run) for _ in range(threads)]
        for thread in self.threads:
            thread.start()

    def _run(self):
        while not self.ended.is_set():
            connection = http.client.HTTPConnection(self.address, timeout=10)
            try:
                while not self.ended.is_set():
                    request = wire.request(["root", "child", "leaf"])
                    connection.request("POST", "/v1/traces", request.SerializeToString(), {"Content-Type": "application/x-protobuf"})
                    answer = connection.getresponse()
                    answer.read()
                    if answer.status == 200:
                        with self.lock:
                            self.acknowledged |= {(s.trace_id.hex(), s.span_id.hex()) for s in wire.spans_of(request)}
                    self.ended.wait(0.03)
            except (OSError, http.client.HTTPException):
                with self.lock:
                    self.broken += 1
                self.ended.wait(0.02)
            finally:
                connection.close()

    def stop(self):
        self.ended.set()
        for thread in self.threads:
            thread.join()


def stored(workspace):
    """The set of (trace, span) ids, in hex, of all span files."""
    found = set()
    for blob in list(workspace.state.blobs.values()):
        for span in json.loads(blob)["spans"]:
            found.add(tuple(base64.b64decode(span[key]).hex() for key in ("trace_id", "span_id")))
    return found


def test_kills_lose_no_span_and_repeat_few_uploads(daemon, workspace, soak):
    kills, traces_a_kill = (20, 150) if soak else (3, 25)
    d = daemon(destinations=[{
        "name": "workspace", "kind": "databricks", "url": workspace.url, "token": "x", "experiment": "/Shared/kills",
        "concurrency": CONCURRENCY, "assemble": {"quiet": "50ms"},
    }])
    senders = Senders(d.address)
    uploads = lambda: workspace.state.counts["upload"]
    try:
        for kill in range(kills):
            if kill % 2:
                workspace.state.outage = 503
                accepted = d.status()["accepted"]["spans"]
                wait_until(lambda: d.status()["accepted"]["spans"] > accepted + 30, "spans accepted while it is down")
                workspace.state.outage = None
            before = uploads()
            wait_until(lambda: uploads() >= before + traces_a_kill, lambda: (before, uploads()), 120)
            d.kill()
            d.start()
    finally:
        senders.stop()
    assert senders.broken > 0, "no kill met a request in flight: this run shows nothing"
    d.wait_until_settled("workspace", seconds=300)
    assert senders.acknowledged - stored(workspace) == set()
    twice = sum(max(writes["upload"] - 1, 0) for writes in workspace.state.writes.values())
    assert twice <= kills * CONCURRENCY, (twice, kills)
    print("spans acknowledged:", len(senders.acknowledged), "traces uploaded twice:", twice, "in", kills, "kills")
