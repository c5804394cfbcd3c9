"""The language of searches: random filters and orders against MLflow's own SQL store, on the same traces."""
import json
import random
import time
import uuid

from google.protobuf.json_format import MessageToJson
from mlflow.entities import (
    AssessmentSource, Expectation, Feedback, TraceInfo, TraceLocation, TraceState,
)
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

from mlflow.entities.span import Span
import search_oracle
from programs import BUILD

PROGRAM = BUILD / "spanferry-search"
WORDS = ["chat", "Chat", "a", "ab", "x-1", "50%", "under_score", "ünï", "", "production", "it.s", "é"]
KEYS = ["environment", "a.b", "mlflow.trace.session", "mlflow.trace.user", "k", "sp ace"]
ASSESSMENTS = ["quality", "is_good", "a b"]
VALUES = [True, False, 1.0, 0.5, -3.0, "yes", "no", "chat", "A", None]


def spans_of(rng, trace_hex):
    tracer = TracerProvider().get_tracer("t")
    spans = []
    for _ in range(rng.randrange(1, 4)):
        otel = tracer.start_span(rng.choice(WORDS) or "unnamed", start_time=10**18)
        otel._context = otel._context.__class__(int(trace_hex, 16), RandomIdGenerator().generate_span_id(), False)
        otel.set_attribute("mlflow.traceRequestId", json.dumps("tr-" + trace_hex))
        otel.set_attribute("mlflow.spanType", json.dumps(rng.choice(["LLM", "CHAIN", "TOOL"])))
        for key in rng.sample(["model", "a.b", "temp"], rng.randrange(3)):
            otel.set_attribute(key, json.dumps(rng.choice(WORDS)))
        if rng.random() < 0.3:
            from opentelemetry.trace import Status, StatusCode
            otel.set_status(Status(StatusCode.ERROR))
        otel.end(end_time=10**18 + 10**6)
        spans.append(Span(otel))
    return spans


def fill(store, rng, count):
    experiments = [store.create_experiment("one"), store.create_experiment("two")]
    for n in range(count):
        trace_hex = f"{rng.getrandbits(128):032x}"
        some = lambda p: {k: rng.choice(WORDS) for k in KEYS if rng.random() < p}  # noqa: E731
        tags = some(0.5)
        if rng.random() < 0.8:
            tags["mlflow.traceName"] = rng.choice(WORDS) or "n"
        metadata = some(0.4)
        if rng.random() < 0.4:
            metadata["mlflow.sourceRun"] = rng.choice(["run1", "run2"])
        info = TraceInfo(
            trace_id="tr-" + trace_hex,
            trace_location=TraceLocation.from_experiment_id(rng.choice(experiments)),
            request_time=1_700_000_000_000 + rng.randrange(20),
            execution_duration=rng.choice([None, 0, 5, 1500]),
            state=rng.choice([TraceState.OK, TraceState.ERROR, TraceState.IN_PROGRESS]),
            client_request_id=rng.choice([None, "req-1", "req-2", f"req-{n}"]),
            trace_metadata=metadata, tags=tags)
        store.start_trace(info)
        store.log_spans(info.experiment_id, spans_of(rng, trace_hex))
        for name in rng.sample(ASSESSMENTS, rng.randrange(3)):
            make = rng.choice([Feedback, Expectation])
            value = rng.choice(VALUES)
            if make is Expectation and value is None:
                value = "gold"
            store.create_assessment(make(name=name, value=value, trace_id=info.trace_id,
                                         source=AssessmentSource(source_type="HUMAN", source_id="u")))
    return experiments


def lines_of(store, experiments):
    infos, token = [], None
    while True:
        page, token = store.search_traces(locations=experiments, max_results=200, page_token=token)
        infos += page
        if not token:
            break
    for info in infos:
        spans = [s.to_dict() for s in store.get_trace(info.trace_id).data.spans]
        told = json.loads(MessageToJson(info.to_proto(), preserving_proto_field_name=True))
        yield json.dumps(told) + "\t" + json.dumps({"spans": spans})


def quoted(rng, text):
    return json.dumps(text, ensure_ascii=False) if rng.random() < 0.3 else f"'{text}'"


def pattern(rng):
    word = rng.choice(WORDS)
    return rng.choice(["%{}%", "{}%", "%{}", "{}", "_{}", "{}_"]).format(word[:rng.randrange(len(word) + 1)])


def key_of(rng, key):
    return rng.choice([f"`{key}`", f'"{key}"'] + ([] if " " in key else [key]))


def clause(rng):
    compare = lambda *ops: rng.choice(ops) if rng.random() < 0.95 else rng.choice([">", "IN", "~", "=="])  # noqa: E731
    like = rng.choice(["LIKE", "ILIKE", "like", "RLIKE"])
    kind = rng.randrange(10)
    if kind == 0:
        return f"{rng.choice(['attributes.', 'trace.', 'attribute.', ''])}status {compare('=', '!=')} " \
               f"{quoted(rng, rng.choice(['OK', 'ERROR', 'IN_PROGRESS', 'x']))}"
    if kind == 1:
        key = rng.choice(["timestamp_ms", "timestamp", "execution_time", "execution_time_ms", "end_time"])
        number = rng.choice([1_700_000_000_000 + rng.randrange(22), 5, 0, 2.5, -1, 1500])
        return f"{rng.choice(['attributes.', ''])}{key} {compare('=', '!=', '<', '<=', '>', '>=')} {number}"
    if kind == 2:
        value = quoted(rng, rng.choice(["req-1", "req-2", "req-7"]))
        return rng.choice([f"client_request_id {compare('=', '!=')} {value}", "client_request_id like 'req%'",
                           f"attributes.client_request_id IN ({value}, 'req-3')", "client_request_id IS NULL",
                           f"client_request_id NOT IN ({value})"])
    if kind in (3, 4):
        name = rng.choice(["tags.", "tag.", "metadata.", "request_metadata."]) + key_of(rng, rng.choice(KEYS))
        return rng.choice([f"{name} {compare('=', '!=')} {quoted(rng, rng.choice(WORDS))}",
                           f"{name} {like} {quoted(rng, pattern(rng))}", f"{name} IS NULL", f"{name} is not null"])
    if kind == 5:
        return rng.choice([f"name {compare('=', '!=')} {quoted(rng, rng.choice(WORDS))}", f"name {like} '{pattern(rng)}'",
                           "trace.name IS NOT NULL", f"run_id {compare('=', '!=')} 'run1'", "name IN ('chat', 'a')"])
    if kind == 6:
        name = rng.choice(["feedback.", "expectation."]) + key_of(rng, rng.choice(ASSESSMENTS))
        return rng.choice([f"{name} {compare('=', '!=')} '{rng.choice(['yes', 'true', '1', 'chat', '0.5', 'x'])}'",
                           f"{name} {rng.choice(['<', '>', '<=', '>='])} {rng.choice([0, 0.5, 1, -4])}",
                           f"{name} IS NULL", f"{name} IS NOT NULL", f"{name} LIKE '%e%'", f"{name} = 5"])
    if kind == 7:
        return rng.choice([f"span.name {compare('=', '!=')} {quoted(rng, rng.choice(WORDS))}", f"span.name {like} '{pattern(rng)}'",
                           "span.type IN ('LLM', 'TOOL')", "span.status = 'ERROR'", "span.type != 'LLM'",
                           f"span.attributes.model LIKE '%{rng.choice(WORDS)}%'", "span.content LIKE '%TOOL%'",
                           "trace.text LIKE '%chat%'", "span.kind = 'x'", "text LIKE '%chat%'"])
    if kind == 8:
        return rng.choice(["request_id = 'tr-1'", "request_id LIKE 'tr-a%'", "trace_id = 'x'", "tags.k = 5", "tags.k = chat",
                           "prompt = 'a/1'", "prompt = 'a'", "prompt LIKE 'a/1'", "foo.bar = 'x'", "issue.id = 'i-1'",
                           "status > 'A'", "tags.k IN ('chat')", "status IN ()", "status IN ('OK',)", "metadata.k IN ('a')",
                           "'x' = tags.k", "(tags.k = 'a')", "tags.k = 'a';", "tags. = 'x'", "tags = 'x'", "status",
                           "status =", "= 'OK'", "tags.k = 'a", "name NOT LIKE 'a'", "status <> 'OK'", "timestamp = 'x'"])
    return f"request_id {compare('!=')} 'tr-0'"


def a_filter(rng):
    clauses = [clause(rng) for _ in range(rng.choice([0, 1, 1, 1, 2, 2, 3]))]
    joint = rng.choice([" AND ", " and ", "  AND ", " AND\n"]) if rng.random() < 0.97 else " OR "
    return joint.join(clauses)


def an_order(rng):
    if rng.random() < 0.6:
        return []
    keys = ["timestamp_ms", "timestamp", "execution_time", "status", "request_id", "name", "run_id", "experiment_id",
            "tags.k", "tags.`a.b`", "metadata.k", "tags.`sp ace`", "foo", "span.name"]
    return [rng.choice(keys) + rng.choice(["", " ASC", " DESC", " desc", " up"] if rng.random() < 0.1 else ["", " ASC", " DESC"])
            for _ in range(rng.choice([1, 1, 2]))]


def theirs(store, experiments, asked):
    return search_oracle.theirs(lambda: [info.trace_id for info in store.search_traces(
        locations=experiments, filter_string=asked["filter"], order_by=asked["order_by"], max_results=500)[0]])


def test_takes_refuses_and_finds_what_mlflows_own_store_does(mlflow_store, tmp_path, soak):
    seed = time.time_ns() % 2**32
    rng = random.Random(seed)
    experiments = fill(mlflow_store, rng, 120 if soak else 40)
    traces = tmp_path / "traces"
    traces.write_text("".join(line + "\n" for line in lines_of(mlflow_store, experiments)))
    asked = [{"filter": a_filter(rng), "order_by": an_order(rng)} for _ in range(5_000 if soak else 600)]
    counts, _ = search_oracle.compare(PROGRAM, traces, asked, lambda one: theirs(mlflow_store, experiments, one), seed)
    assert counts["ok"] > len(asked) * 0.3 and counts["refused"] > 20 and counts["broken"] < len(asked) * 0.1
