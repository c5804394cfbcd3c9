"""One span that is too large for the far side, among a thousand small ones: the thousand arrive, the one is handled as
configured, and `status` says so."""
import base64
import json
import os

import pytest

import wire
from waiting import wait_until
from workspace_admin import Admin

MIB = 1 << 20
SMALL, PER_TRACE = 1000, 50


@pytest.fixture
def sizes(soak):
    """(bytes of the one span, what the far side takes)."""
    return (40 * MIB, 32 * MIB) if soak else (6 * MIB, 4 * MIB)


def send(daemon, large_bytes):
    """SMALL spans in traces of their own and one trace with the large span in its middle; ids, and the large one's."""
    sent = set()
    for _ in range(SMALL // PER_TRACE):
        r = wire.request([f"small {i}" for i in range(PER_TRACE)])
        assert daemon.post(r.SerializeToString())[0] == 200
        sent |= wire.ids_of(r)
    r = wire.request(["root", "large", "leaf"])
    large = wire.spans_of(r)[1]
    # Random letters: what is compressed must not become small.
    large.attributes.add(key="text").value.string_value = base64.b64encode(os.urandom(large_bytes * 3 // 4)).decode()
    large.attributes.add(key="small").value.string_value = "stays"
    assert daemon.post(r.SerializeToString())[0] == 200
    return sent | wire.ids_of(r), (large.trace_id.hex(), large.span_id.hex())


def assert_handled(daemon, name, there, sent, large, when_too_large):
    accounting = daemon.wait_until_settled(name, 300)
    told = daemon.destination(name)
    if when_too_large == "truncate":
        assert there() == sent and accounting["dead"] == 0
        assert (told["truncated_spans"], told["too_large_spans"]) == (1, 0)
    else:
        assert there() == sent - {large} and accounting["dead"] == 1
        assert (told["truncated_spans"], told["too_large_spans"]) == (0, 1)
        (letter,) = wait_until(daemon.dead_letters, "the dead letter")
        assert (letter["trace_id"], letter["span_id"], letter["spans"]) == (*large, 1)
        assert "too large" in letter["reason"] and "HTTP 413" in letter["reason"]


@pytest.mark.parametrize("when_too_large", ["dead_letter", "truncate"])
def test_an_otlp_backend_gets_all_but_the_one(daemon, otlp_sink, sizes, when_too_large):
    large_bytes, otlp_sink.max_request_bytes = sizes
    d = daemon(destinations=[{"name": "backend", "kind": "otlp", "url": otlp_sink.url, "when_too_large": when_too_large}])
    sent, large = send(d, large_bytes)
    assert_handled(d, "backend", lambda: set(otlp_sink.ids()), sent, large, when_too_large)
    assert set(otlp_sink.ids().values()) == {1}
    if when_too_large == "truncate":
        _, _, span = otlp_sink.by_id()[large[1]]
        values = {a.key: a.value.string_value for a in span.attributes}
        assert values["small"] == "stays"
        assert sizes[1] // 4 < len(values["text"]) < sizes[1] and values["text"].endswith("bytes]")


@pytest.mark.parametrize("when_too_large", ["dead_letter", "truncate"])
def test_experiment_storage_gets_all_but_the_one(daemon, workspace, sizes, when_too_large):
    large_bytes, limit = sizes
    Admin(workspace).config(max_blob_bytes=limit)
    d = daemon(destinations=[{
        "name": "workspace", "kind": "databricks", "url": workspace.url, "token": "x", "experiment": "/Shared/large",
        "assemble": {"quiet": "20ms"}, "when_too_large": when_too_large,
    }])
    sent, large = send(d, large_bytes)
    assert_handled(d, "workspace", workspace.stored_spans, sent, large, when_too_large)
    if when_too_large == "truncate":
        spans = json.loads(workspace.state.blobs[f"tr-{large[0]}/artifacts/traces.json"])["spans"]
        text = next(json.loads(s["attributes"]["text"]) for s in spans if s["name"] == "large")
        assert limit // 4 < len(text) < limit and text.endswith("bytes]")
