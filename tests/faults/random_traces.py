"""Apps of a random run: they send traces in pieces and in any order, late spans long after, and some of it twice; and
they know what must be at the far side in the end."""
import dataclasses
import http.client
import json
import random as randomness
import threading
import time

import wire
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

WORDS = ["hello", "Ünïcode ✓", "日本 🎉", '"quoted"', "line\nbreak", "{}", "null", "\\", "a" * 300]


@dataclasses.dataclass
class Trace:
    """What a trace has to be at the far side."""
    experiment: str
    error: bool
    spans: dict = dataclasses.field(default_factory=dict)  # span id → Span: acknowledged, so it has to be there
    unknown: dict = dataclasses.field(default_factory=dict)  # may be there: the answer was lost
    root: object = None  # as far as it is acknowledged


def make_spans(random, trace_id, error):
    """A root and its children, the root first."""
    now, spans = time.time_ns(), []
    for n in range(random.choice([1, 2, 3, 3, 4, 6, 12])):
        span = ExportTraceServiceRequest().resource_spans.add().scope_spans.add().spans.add(
            trace_id=trace_id, span_id=random.randbytes(8), name=f"span {n}", kind=1,
            parent_span_id=random.choice(spans).span_id if spans else b"",
            start_time_unix_nano=now + n * 1000, end_time_unix_nano=now + 50_000_000 - n * 1000)
        span.attributes.add(key="n").value.int_value = random.randint(-(2**63), 2**63 - 1)
        span.attributes.add(key="text").value.string_value = " ".join(random.choices(WORDS, k=random.randint(0, 4)))
        spans.append(span)
    spans[0].status.code = 2 if error else 1
    return spans


def request_of(spans):
    r = ExportTraceServiceRequest()
    rs = r.resource_spans.add()
    rs.resource.attributes.add(key="service.name").value.string_value = "random"
    rs.scope_spans.add().spans.extend(spans)
    return r


class RandomApps:
    def __init__(self, daemon, random, experiments, threads=3):
        self.daemon, self.experiments = daemon, experiments
        self.traces = {}  # trace id in hex → Trace
        self.repeats = []  # (a span that came with spans which had come before, how many these were)
        self.lock, self.ended, self.trouble = threading.Lock(), threading.Event(), []
        self.threads = [threading.Thread(target=self._run, args=(randomness.Random(random.random()),)) for _ in range(threads)]
        for thread in self.threads:
            thread.start()

    def _run(self, random):
        later = []  # (when, trace, spans): pieces still to be sent
        try:
            while not self.ended.is_set():
                if len(later) < 200 and random.random() < 0.6:
                    later += self._new_trace(random)
                later.sort(key=lambda piece: piece[0])
                if later and later[0][0] <= time.monotonic():
                    self._send(random, *later.pop(0)[1:])
                self.ended.wait(random.uniform(0, 0.06))
            for _, trace, spans in later:  # the late ones still belong to their traces
                self._send(random, trace, spans)
        except Exception as problem:  # told by stop()
            self.trouble.append(problem)

    def _new_trace(self, random):
        error = random.random() < 0.2
        trace_id = random.randbytes(16)
        trace = Trace(random.choice(self.experiments), error)
        with self.lock:
            self.traces[trace_id.hex()] = trace
        spans, now = make_spans(random, trace_id, error), time.monotonic()
        if len(spans) == 1 or random.random() < 0.5:
            return [(now, trace, spans)]
        random.shuffle(spans)
        cut = random.randint(1, len(spans) - 1)
        delay = random.choice([0.01, 0.3, 1.5, 6, 20])
        return [(now, trace, spans[:cut]), (now + delay, trace, spans[cut:])]

    def _send(self, random, trace, spans):
        # As an SDK does whose answer got lost; with a new span, which tells in the end whether this one came too.
        if self._post(trace, spans) and random.random() < 0.05:
            marker = make_spans(random, spans[0].trace_id, False)[0]
            marker.parent_span_id = spans[0].span_id
            self._post(trace, [marker], repeated=spans)

    def _post(self, trace, spans, repeated=()):
        """Until it is answered (true), or the answer is lost: then it may be there, and is not sent again."""
        body = request_of([*spans, *repeated]).SerializeToString()
        headers = {"Content-Type": wire.PROTOBUF, "X-Spanferry-Experiment": trace.experiment}
        for _ in range(3000):
            connection = http.client.HTTPConnection(self.daemon.address, timeout=20)
            sent = False
            try:
                connection.connect()
                sent = True
                connection.request("POST", "/v1/traces", body, headers)
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException):
                if sent:
                    return self._lost(trace, spans, repeated)
                time.sleep(0.02)  # between a kill and the next start
                continue
            finally:
                connection.close()
            if answer.status == 200:
                return self._acknowledged(trace, spans, repeated)
            assert answer.status == 503, answer.status
            time.sleep(0.1)
        raise AssertionError("nobody takes spans any more")

    def _lost(self, trace, spans, repeated):
        with self.lock:
            self.daemon.sent.unknown += len(spans) + len(repeated)
            trace.unknown |= {span.span_id: span for span in spans}
            if repeated:
                self.repeats.append((spans[0], len(repeated)))
        return False

    def _acknowledged(self, trace, spans, repeated):
        with self.lock:
            self.daemon.sent.acknowledged += len(spans) + len(repeated)
            trace.spans |= {span.span_id: span for span in spans}
            if repeated:
                self.repeats.append((spans[0], len(repeated)))
            trace.root = next((span for span in spans if not span.parent_span_id), trace.root)
        return True

    def came_twice(self, there):
        """How many spans were accepted once more. there: (trace, span) ids in hex of all that arrived."""
        return sum(n for marker, n in self.repeats if (marker.trace_id.hex(), marker.span_id.hex()) in there)

    def stop(self):
        self.ended.set()
        for thread in self.threads:
            thread.join()
        assert not self.trouble, self.trouble


def attributes_of(span):
    """As traces.json holds them: each value as JSON, and text that is the JSON of a string, list or object as what it says."""
    values = {a.key: getattr(a.value, a.value.WhichOneof("value")) for a in span.attributes}
    return {key: read(value) for key, value in values.items()}


def read(value):
    try:
        said = json.loads(value) if isinstance(value, str) else None
    except ValueError:
        return value
    return said if isinstance(said, (str, list, dict)) else value
