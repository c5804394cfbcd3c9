"""Requests built by hand, for what no SDK sends."""
import base64
import json
import os
import time
import zlib

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

PROTOBUF, JSON = "application/x-protobuf", "application/json"


def request(names, trace_id=None, one_trace_each=False, text_bytes=0, service="hand-made"):
    """A request with a span for each name: one trace with a root and its children, or a trace a span."""
    r = ExportTraceServiceRequest()
    rs = r.resource_spans.add()
    a = rs.resource.attributes.add(key="service.name")
    a.value.string_value = service
    scope_spans = rs.scope_spans.add()
    trace_id, root, now = trace_id or os.urandom(16), b"", time.time_ns()
    for name in names:
        span = scope_spans.spans.add(
            trace_id=os.urandom(16) if one_trace_each else trace_id, span_id=os.urandom(8),
            parent_span_id=b"" if one_trace_each else root, name=name, kind=1,
            start_time_unix_nano=now - 10**6, end_time_unix_nano=now,
        )
        root = root or span.span_id
        if text_bytes:
            a = span.attributes.add(key="text")
            a.value.string_value = base64.b64encode(os.urandom(text_bytes)).decode()[:text_bytes]
    return r


def spans_of(r):
    return [span for rs in r.resource_spans for ss in rs.scope_spans for span in ss.spans]


def ids_of(*requests):
    return {(span.trace_id.hex(), span.span_id.hex()) for r in requests for span in spans_of(r)}


def as_json(r):
    """OTLP/JSON: protobuf's own JSON, but ids in hex."""
    tree = MessageToDict(r)
    for rs in tree.get("resourceSpans", []):
        for ss in rs.get("scopeSpans", []):
            for span in ss.get("spans", []):
                for key in ("traceId", "spanId", "parentSpanId"):
                    if key in span:
                        span[key] = base64.b64decode(span[key]).hex()
    return json.dumps(tree).encode()


def response(body):
    return ExportTraceServiceResponse.FromString(body)


def count_spans(body, content_type=PROTOBUF, encoding=None):
    """How many spans a body carries; None if it cannot be read here."""
    try:
        if encoding in ("gzip", "deflate"):
            body = zlib.decompress(body, 47)
        if content_type == PROTOBUF:
            return len(spans_of(ExportTraceServiceRequest.FromString(body)))
        return sum(
            len(ss.get("spans", ())) for rs in json.loads(body).get("resourceSpans", ()) for ss in rs.get("scopeSpans", ())
        )
    except (DecodeError, ValueError, AttributeError, zlib.error):
        return None


def rejected_spans(answer, content_type=PROTOBUF):
    """Of an ExportTraceServiceResponse."""
    if content_type == PROTOBUF:
        return response(answer).partial_success.rejected_spans
    return int(json.loads(answer).get("partialSuccess", {}).get("rejectedSpans", 0))
