"""Spans of the real SDK, of OTLP/JSON and of datagrams reach an OTLP backend as they were sent."""
import gzip
import zlib

import genai
import wire
from waiting import wait_until


def otlp(sink, **more):
    return {"name": "backend", "kind": "otlp", "url": sink.url, **more}


def assert_arrived(sink, app):
    sent = app.sent()
    wait_until(lambda: {i for _, i in sink.ids()} >= set(sent), lambda: f"{len(sent)} spans, {len(sink.ids())} came")
    came = sink.by_id()
    for span_id, (resource, scope, span) in sent.items():
        assert came[span_id][2] == span
        assert came[span_id][1] == scope
        assert came[span_id][0] == resource


def test_every_field_arrives_as_the_sdk_sent_it(daemon, otlp_sink):
    d = daemon(destinations=[otlp(otlp_sink)])
    app = genai.App(d.url)
    genai.chat_with_retrieval(app)
    genai.failing_chat(app)
    genai.every_kind_of_value(app)
    app.close()
    assert_arrived(otlp_sink, app)
    accounting = d.wait_until_settled("backend")
    assert accounting["delivered"] == accounting["accepted"] == len(app.sent())


def test_json_arrives_like_protobuf(daemon, otlp_sink):
    d = daemon(destinations=[otlp(otlp_sink)])
    r = wire.request(["root", "child ✓"])
    status, headers, body = d.post(wire.as_json(r), wire.JSON)
    assert (status, headers["Content-Type"]) == (200, wire.JSON), body
    wait_until(lambda: set(otlp_sink.ids()) == wire.ids_of(r), lambda: otlp_sink.ids())
    came = otlp_sink.by_id()
    for span in wire.spans_of(r):
        assert came[span.span_id.hex()][2] == span


def test_compressed_bodies_arrive(daemon, otlp_sink):
    d = daemon(destinations=[otlp(otlp_sink)])
    requests = [wire.request([name]) for name in ("gzip", "deflate", "none")]
    bodies = [r.SerializeToString() for r in requests]
    assert d.post(gzip.compress(bodies[0]), content_encoding="gzip")[0] == 200
    assert d.post(zlib.compress(bodies[1]), content_encoding="deflate")[0] == 200
    assert d.post(bodies[2], content_encoding="identity")[0] == 200
    wait_until(lambda: set(otlp_sink.ids()) == wire.ids_of(*requests), lambda: otlp_sink.ids())


def test_datagrams_arrive(daemon, otlp_sink):
    d = daemon(destinations=[otlp(otlp_sink)])
    binary, text = wire.request(["binary"]), wire.request(["text"])
    d.send_datagram(binary.SerializeToString())
    d.send_datagram(wire.as_json(text))
    d.send_datagram(b'{"name": "one-liner"}')
    wait_until(lambda: len(otlp_sink.ids()) == 3, lambda: otlp_sink.ids())
    assert set(otlp_sink.ids()) >= wire.ids_of(binary, text)
    resource, _, span = next(v for v in otlp_sink.by_id().values() if v[2].name == "one-liner")
    assert {a.key: a.value.string_value for a in resource.attributes}["service.name"] == "unknown_service"
    assert len(span.trace_id) == 16 and span.start_time_unix_nano > 0


def test_headers_reach_the_backend(daemon, otlp_sink):
    d = daemon(destinations=[otlp(otlp_sink, headers={"x-api-key": "planted-secret-1"})])
    d.post(wire.request(["one"]).SerializeToString())
    d.wait_until_settled("backend")
    path, headers, _ = otlp_sink.requests[0]
    assert path == "/v1/traces" and headers["x-api-key"] == "planted-secret-1"
    assert "planted-secret-1" not in d.log() + d.run("config").stdout + str(d.status())


def test_several_destinations_get_everything(daemon, otlp_sink, workspace):
    d = daemon(destinations=[
        otlp(otlp_sink),
        {"name": "workspace", "kind": "databricks", "url": workspace.url, "token": "x", "experiment": "/Shared/both",
         "from": "oldest", "assemble": {"quiet": "100ms"}},
    ])
    app = genai.App(d.url)
    genai.chat_with_retrieval(app)
    app.close()
    assert_arrived(otlp_sink, app)
    d.wait_until_settled("workspace")
    assert len(workspace.state.traces) == 1
