"""Our mapping of GenAI conventions against the translators of the installed mlflow package, on random spans.

What may differ is listed in DIFFERENCES, each with its reason, and counted; docs/conventions.md tells the same."""
import collections
import datetime
import json
import random
import subprocess
import time

import pytest
from mlflow.entities.span import Span
from mlflow.store.tracking.sqlalchemy_store import _span_aggregation_node
from mlflow.tracing.otel.translation import translate_span_when_storing
from mlflow.tracing.utils import aggregate_cost_from_span_nodes, aggregate_usage_from_span_nodes, truncation
from mlflow.tracing.utils.truncation import _get_truncated_preview
from mlflow.utils import providers

import random_spans
from programs import BUILD, ROOT

PROGRAM = BUILD / "spanferry-translate"


@pytest.fixture(autouse=True)
def the_price_list_that_mlflow_brings(monkeypatch):
    """Not a newer one from the net, which is not there either."""
    monkeypatch.setenv("MLFLOW_MODEL_CATALOG_URI", "")


def as_the_client_reads(attributes):
    """mlflow.entities.span._SpanAttributesRegistry.get: what is no JSON text is taken as it is."""
    def value(raw):
        try:
            return json.loads(raw)
        except Exception:
            return raw

    return {key: value(raw) for key, raw in attributes.items()}


def run(request, *arguments):
    return subprocess.run([PROGRAM, *arguments], input=request.SerializeToString(), capture_output=True, check=True).stdout


def ours(request):
    return [as_the_client_reads(span["attributes"]) for span in json.loads(run(request))["spans"]]


def exact(value):
    """With types: True is not 1, and 1 is not 1.0. Of a float 14 digits: sums of costs may differ in the last bit."""
    if isinstance(value, float):
        return f"{value:.13e}"
    if isinstance(value, dict):
        return {key: exact(one) for key, one in value.items()}
    return json.dumps(value, sort_keys=True)


def theirs(proto):
    """What the server stores; a sentence where it refuses the span, and with it the whole request."""
    try:
        return as_the_client_reads(translate_span_when_storing(Span.from_otel_proto(proto))["attributes"])
    except Exception as refusal:
        return f"{type(refusal).__name__}: {refusal}"


def has_truth_as_count(sent, key, us, them):
    return key in ("mlflow.chat.tokenUsage", "mlflow.llm.cost") and any(
        isinstance(value, bool) for name, value in sent.items() if "token" in name)


def has_counts_beyond_64_bits(sent, key, us, them):
    usage = them.get("mlflow.chat.tokenUsage")
    return key in ("mlflow.chat.tokenUsage", "mlflow.llm.cost") and isinstance(usage, dict) and any(
        not -(2**63) <= count < 2**63 for count in usage.values())


def has_format_of_its_own(sent, key, us, them):
    return key == "mlflow.message.format" and key in sent and them[key] == "vercel_ai"


def has_tools_that_are_no_list(sent, key, us, them):
    return key == "mlflow.spanInputs" and not isinstance(sent.get("ai.prompt.tools", []), list)


# name in docs/conventions.md → whether it explains that attribute `key` differs
DIFFERENCES = {
    "true and false are no counts": has_truth_as_count,
    "counts beyond 64 bits are none": has_counts_beyond_64_bits,
    "an app's message format stays": has_format_of_its_own,
    "tools that are no list stay whole": has_tools_that_are_no_list,
}


def reason(sent, key, us, them):
    return next((name for name, explains in DIFFERENCES.items() if explains(sent, key, us, them)), None)


@pytest.mark.parametrize("convention", random_spans.conventions())
def test_maps_random_spans_as_mlflow_does(convention, soak):
    seed = time.time_ns() % 2**32
    count = 10_000 if soak else 400
    request = random_spans.request_of(convention, count, random.Random(seed))
    explained, wrong, compared = collections.Counter(), [], 0
    for proto, us in zip(request.resource_spans[0].scope_spans[0].spans, ours(request), strict=True):
        them = theirs(proto)
        if isinstance(them, str):
            explained["the server refuses it"] += 1
            continue
        compared += 1
        sent = as_the_client_reads(Span.from_otel_proto(proto).to_dict()["attributes"])
        for key in us.keys() | them.keys():
            if exact(us.get(key)) == exact(them.get(key)) and (key in us) == (key in them):
                continue
            why = reason(sent, key, us, them)
            explained[why] += 1
            if why is None:
                wrong.append(f"{key}: {us.get(key)!r}, mlflow has {them.get(key)!r}, from {sent} {proto.events}")
    print(f"{convention}: {compared} of {count} spans compared, seed {seed}, {dict(explained)}")
    assert not wrong, f"seed {seed}: {len(wrong)} differ, first: {wrong[0]}"
    assert compared > count * 0.8, (seed, explained)


def test_counts_the_cost_of_every_model_as_mlflow_does(soak):
    seed = time.time_ns() % 2**32
    listed = [(provider, model) for provider in providers._list_provider_names() for model in providers._load_bundled_provider(provider)]
    models = listed + [(None, model) for _, model in listed] + [("Nobody", f"a/{model}") for _, model in listed]
    if not soak:
        models = random.Random(seed).sample(models, 1_000)
    request = random_spans.calls_of(models, random.Random(seed))
    priced = 0
    for proto, us in zip(request.resource_spans[0].scope_spans[0].spans, ours(request), strict=True):
        them = theirs(proto)
        assert us == them, f"seed {seed}: {proto.name}: {us}, mlflow has {them}"
        priced += us.get("mlflow.llm.cost", {}).get("total_cost", 0) > 0
    assert priced > len(models) / 2


def facts_of_trace(spans):
    """What MLflow's server derives from the stored spans of a trace; previews as long as Databricks takes them. The start
    is the root's where there is one, as MLflow's client tells it: a server takes the earliest of all spans."""
    def sum_of(key, aggregate):
        return aggregate([_span_aggregation_node(s.span_id, s.parent_id, s._span.attributes, key) for s in spans])

    def preview(key, role):
        return _get_truncated_preview(root._span.attributes.get(key), role) if root else None

    spans = [Span.from_dict(translate_span_when_storing(s)) for s in spans]
    root = next((s for s in spans if s.parent_id is None), None)
    return {
        "state": "IN_PROGRESS" if root is None else "ERROR" if root.status.status_code.value == "ERROR" else "OK",
        "request": preview("mlflow.spanInputs", "user"), "response": preview("mlflow.spanOutputs", "assistant"),
        "tokens": sum_of("mlflow.chat.tokenUsage", aggregate_usage_from_span_nodes),
        "cost": pytest.approx(sum_of("mlflow.llm.cost", aggregate_cost_from_span_nodes) or {}),
        "started": (root.start_time_ns if root else min(s.start_time_ns for s in spans)) // 10**6,
    }


def facts_of_start(body):
    info = json.loads(body)["trace"]["trace_info"]
    at = datetime.datetime.fromisoformat(info["request_time"].replace("Z", "+00:00"))
    metadata = info["trace_metadata"]
    return {
        "state": info["state"], "request": info.get("request_preview"), "response": info.get("response_preview"),
        "tokens": json.loads(metadata.get("mlflow.trace.tokenUsage", "null")),
        "cost": json.loads(metadata.get("mlflow.trace.cost", "{}")), "started": round(at.timestamp() * 1000),
    }


def test_says_of_random_traces_what_mlflow_does(soak, monkeypatch):
    monkeypatch.setattr(truncation, "_get_max_length", lambda: 10_000)
    seed, count = time.time_ns() % 2**32, 10_000 if soak else 400
    request = random_spans.traces_of(count, random.Random(seed))
    traces = collections.defaultdict(list)
    for proto in request.resource_spans[0].scope_spans[0].spans:
        traces[proto.trace_id].append(Span.from_otel_proto(proto))
    bodies = run(request, "--traces").splitlines()
    assert len(bodies) == len(traces) == count
    for trace_id, body in zip(sorted(traces), bodies):
        told, wanted = facts_of_start(body), facts_of_trace(traces[trace_id])
        assert told == wanted, (f"seed {seed}", [s._span.attributes for s in traces[trace_id]])


def test_the_documented_table_is_the_one_in_use():
    table = subprocess.run([PROGRAM, "--table"], capture_output=True, text=True, check=True).stdout.strip()
    document = (ROOT / "docs" / "conventions.md").read_text()
    assert table in document, "docs/conventions.md: put in what spanferry-translate --table prints"


def test_every_difference_is_documented():
    document = (ROOT / "docs" / "conventions.md").read_text()
    for name in DIFFERENCES:
        assert name in document, name
