"""Apps of a random run: they send traces in pieces and in any order, late spans long after, and some of it twice, by plain
OpenTelemetry or by MLflow's client; and they know what must be at the far side in the end."""
import dataclasses
import json
import random as randomness
import threading
import time

import wire
from random_client import ClientTrace, ExperimentIds, Said
from random_door import Client, call
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

WORDS = ["hello", "Ünïcode ✓", "日本 🎉", '"quoted"', "line\nbreak", "{}", "null", "\\", "a" * 300]


@dataclasses.dataclass
class Trace:
    """What a trace has to be at the far side."""
    experiment: str
    location: str  # of the Unity Catalog tables it is in; empty: experiment storage
    error: bool
    spans: dict = dataclasses.field(default_factory=dict)  # span id → Span: acknowledged, so it has to be there
    unknown: dict = dataclasses.field(default_factory=dict)  # may be there: the answer was lost
    by_file: set = dataclasses.field(default_factory=set)  # span ids: in a span file alone
    root: object = None  # as far as it is acknowledged
    said: Said = dataclasses.field(default_factory=Said)
    again: int = 0  # spans that were accepted once more, for sure
    maybe: int = 0  # or perhaps


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


def one_more_span(random, parent):
    span = make_spans(random, parent.trace_id, False)[0]
    span.parent_span_id = parent.span_id
    return span


def request_of(spans):
    r = ExportTraceServiceRequest()
    rs = r.resource_spans.add()
    rs.resource.attributes.add(key="service.name").value.string_value = "random"
    rs.scope_spans.add().spans.extend(spans)
    return r


class RandomApps:
    """experiments: by name, the location of their tables, or nothing."""

    request_of = staticmethod(request_of)

    def __init__(self, daemon, random, experiments, threads=3):
        self.daemon, self.experiments = daemon, experiments
        self.traces = {}  # trace id in hex → Trace
        self.repeats = []  # (a span that came with spans which had come before, its trace, how many these were)
        self.experiment_ids = ExperimentIds(Client(daemon.address))
        self.lock, self.ended, self.trouble = threading.Lock(), threading.Event(), []
        self.behind = threading.Event()  # set by whoever watches: no new traces for now
        self.threads = [threading.Thread(target=self._run, args=(randomness.Random(random.random()),)) for _ in range(threads)]
        for thread in self.threads:
            thread.start()

    def _run(self, random):
        later = []  # (when, what is still to be done): some of it long after
        try:
            while not self.ended.is_set():
                if len(later) < 200 and random.random() < 0.6 and not self.behind.is_set():
                    later += self._new_trace(random)
                later.sort(key=lambda step: step[0])
                if later and later[0][0] <= time.monotonic():
                    later.pop(0)[1]()
                self.ended.wait(random.uniform(0, 0.06))
            for _, step in later:  # what is late still belongs to its trace
                step()
        except Exception as problem:  # told by stop()
            self.trouble.append(problem)

    def _new_trace(self, random):
        trace_id, error = random.randbytes(16), random.random() < 0.2
        experiment = random.choice(list(self.experiments))
        trace = Trace(experiment, self.experiments[experiment] or "", error)
        with self.lock:
            self.traces[trace_id.hex()] = trace
        spans, now = make_spans(random, trace_id, error), time.monotonic()
        if random.random() < 0.4:
            return self._by_client(random, trace_id, trace, spans, now)
        steps = [(now + delay, lambda piece=piece: self._send(random, trace, piece)) for delay, piece in in_pieces(random, spans)]
        if random.random() < 0.3:  # somebody looks at it and says something
            by = ClientTrace(self, random, trace_id, trace, by_location=bool(trace.location) and random.random() < 0.5)
            last = max(when for when, _ in steps)
            # Of a trace whose answers were lost nobody knows whether it is there.
            steps += [(last + random.uniform(0.1, 3), lambda: trace.spans and by.edit()) for _ in range(random.randint(1, 4))]
            if random.random() < 0.15:
                steps.append((last + 4, lambda: trace.spans and by.delete()))
        return steps

    def _by_client(self, random, trace_id, trace, spans, now):
        by = ClientTrace(self, random, trace_id, trace, by_location=bool(trace.location) and random.random() < 0.5)
        told = now + random.choice([0, 0, 0.2, 1.5, 7])
        steps = [(told, lambda: by.start(spans[0]))]
        how = random.choice(["otlp", "otlp", "file", "both"]) if by.location is None else "otlp"
        if how != "otlp":
            steps.append((told + random.uniform(0, 1), lambda: by.send_file(spans)))
        if how != "file":
            steps += [(now + delay, lambda piece=piece: by.send(piece)) for delay, piece in in_pieces(random, spans)]
        edits = told + 1.1  # a server refuses the edits of what it has not heard of
        steps += [(edits + random.uniform(0, 4), by.edit) for _ in range(random.choice([0, 1, 3, 8]))]
        if random.random() < 0.1:
            steps.append((edits + random.uniform(0, 5), by.delete))
        if random.random() < 0.2:
            steps.append((edits + random.uniform(0, 8), lambda: by.send([one_more_span(random, spans[0])])))
        return steps

    def _send(self, random, trace, spans):
        # As an SDK does whose answer got lost; with a new span, which tells in the end whether this one came too.
        if self._post(trace, spans) and random.random() < 0.05:
            self._post(trace, [one_more_span(random, spans[0])], repeated=spans)

    def _post(self, trace, spans, repeated=()):
        """Until it is answered (true), or the answer is lost: then it may be there, and is not sent again."""
        body = request_of([*spans, *repeated]).SerializeToString()
        headers = {"Content-Type": wire.PROTOBUF, "X-Spanferry-Experiment": trace.experiment}
        status, _, _ = call(self.daemon.address, "POST", "/v1/traces", body, headers)
        assert status in (200, None), status
        with self.lock:
            if repeated:
                self.repeats.append((spans[0], trace, len(repeated)))
            if status is None:
                self.daemon.sent.unknown += len(spans) + len(repeated)
                trace.unknown |= {span.span_id: span for span in spans}
            else:
                self.daemon.sent.acknowledged += len(repeated)
        if status == 200:
            self.acknowledged(trace, spans)
        return status == 200

    def acknowledged(self, trace, spans, again=0, maybe=0):
        """again, maybe: of the spans that these are, how often some were accepted for sure, or perhaps, before."""
        with self.lock:
            self.daemon.sent.acknowledged += len(spans)
            self.daemon.sent.unknown += maybe
            trace.spans |= {span.span_id: span for span in spans}
            trace.again, trace.maybe = trace.again + again, trace.maybe + maybe
            trace.root = next((span for span in spans if not span.parent_span_id), trace.root)

    def came_twice(self, there):
        """(at least, at most) how many spans were accepted once more, of traces that were not deleted. there: (trace, span)
        ids in hex of all that arrived."""
        kept = [trace for trace in self.traces.values() if not trace.said.deleted]
        sure = sum(n for marker, trace, n in self.repeats
                   if not trace.said.deleted and (marker.trace_id.hex(), marker.span_id.hex()) in there)
        sure += sum(trace.again for trace in kept)
        return sure, sure + sum(trace.maybe for trace in kept)

    def stop(self):
        self.ended.set()
        for thread in self.threads:
            thread.join()
        if self.trouble:
            raise self.trouble[0]


def in_pieces(random, spans):
    """[(after how many seconds, some of them)]"""
    if len(spans) == 1 or random.random() < 0.5:
        return [(0, spans)]
    mixed = random.sample(spans, len(spans))
    cut = random.randint(1, len(spans) - 1)
    return [(0, mixed[:cut]), (random.choice([0.01, 0.3, 1.5, 6, 20]), mixed[cut:])]


def read(value):
    """Text that is the JSON of a string, list or object as what it says."""
    try:
        said = json.loads(value) if isinstance(value, str) else None
    except ValueError:
        return value
    return said if isinstance(said, (str, list, dict)) else value
