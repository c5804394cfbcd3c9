"""Our mapping of GenAI conventions against the translators of the installed mlflow package, on random spans.

What may differ is listed in DIFFERENCES, each with its reason, and counted; docs/conventions.md tells the same."""
import collections
import json
import random
import subprocess
import time

import pytest
from mlflow.entities.span import Span
from mlflow.tracing.otel.translation import translate_span_when_storing

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


def ours(request):
    done = subprocess.run([PROGRAM], input=request.SerializeToString(), capture_output=True, check=True)
    return [as_the_client_reads(span["attributes"]) for span in json.loads(done.stdout)["spans"]]


def exact(value):
    """With types: True is not 1, and 1 is not 1.0."""
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


def test_the_documented_table_is_the_one_in_use():
    table = subprocess.run([PROGRAM, "--table"], capture_output=True, text=True, check=True).stdout.strip()
    document = (ROOT / "docs" / "conventions.md").read_text()
    assert table in document, "docs/conventions.md: put in what spanferry-translate --table prints"


def test_every_difference_is_documented():
    document = (ROOT / "docs" / "conventions.md").read_text()
    for name in DIFFERENCES:
        assert name in document, name
