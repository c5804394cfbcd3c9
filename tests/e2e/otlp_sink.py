"""An OTLP/HTTP backend in Python that keeps every span it decodes, for tests that look into them."""
import gzip
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)


class OtlpSink:
    """refuse_names: a request with a span of such a name is refused as a whole, with `refuse_status`.
    partial: such spans are named in a partial success instead. status: answer this to everything, if set.
    max_request_bytes: 413 for what is larger once decompressed, if set."""

    def __init__(self, keep_bodies=False):
        self.lock = threading.Lock()
        self.received = []  # (resource, scope, span), in order of arrival
        self.requests = []  # (path, headers, decoded bytes)
        self.bodies = [] if keep_bodies else None
        self.refuse_names, self.refuse_status, self.partial = set(), 400, False
        self.status, self.headers = None, {}
        self.max_request_bytes = None
        sink = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_POST(self):
                sink.serve(self)

        class Server(ThreadingHTTPServer):
            daemon_threads, request_queue_size = True, 128

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    @staticmethod
    def chunks(handler):
        """As Node's exporters send."""
        while size := int(handler.rfile.readline(), 16):
            yield handler.rfile.read(size)
            handler.rfile.readline()
        handler.rfile.readline()

    def serve(self, handler):
        body = b"".join(self.chunks(handler)) if handler.headers.get("Transfer-Encoding") == "chunked" else handler.rfile.read(
            int(handler.headers.get("Content-Length") or 0))
        if handler.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        status, answer = self.judge(handler.path, handler.headers, body)
        handler.send_response(status)
        handler.send_header("Content-Type", "application/x-protobuf")
        handler.send_header("Content-Length", str(len(answer)))
        for name, value in self.headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(answer)

    def judge(self, path, headers, body):
        if self.max_request_bytes and len(body) > self.max_request_bytes:
            return 413, b"too large"
        request = ExportTraceServiceRequest.FromString(body)
        spans = [
            (rs.resource, ss.scope, span) for rs in request.resource_spans for ss in rs.scope_spans for span in ss.spans
        ]
        refused = [s for s in spans if s[2].name in self.refuse_names]
        with self.lock:
            self.requests.append((path, dict(headers), len(body)))
            if self.bodies is not None:
                self.bodies.append(body)
            if self.status:
                return self.status, b"told to refuse"
            if refused and not self.partial:
                return self.refuse_status, f"span {refused[0][2].name!r} is not wanted here".encode()
            self.received += [s for s in spans if s not in refused]
        response = ExportTraceServiceResponse()
        if refused:
            response.partial_success.rejected_spans = len(refused)
            response.partial_success.error_message = "not wanted here"
        return 200, response.SerializeToString()

    def ids(self):
        """How often each (trace id, span id) came."""
        with self.lock:
            return Counter((s.trace_id.hex(), s.span_id.hex()) for _, _, s in self.received)

    def by_id(self):
        with self.lock:
            return {s.span_id.hex(): (resource, scope, s) for resource, scope, s in self.received}
