"""An app with its usual OpenTelemetry SDK: sends spans one by one, and goes on for a while after SIGTERM, as an app
does that finishes its requests. Writes the trace ids of acknowledged spans to LEDGER as they are acknowledged.
usage: sending_app.py URL LEDGER SECONDS_AFTER_SIGTERM
"""
import json
import signal
import sys
import threading
import time

import requests
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult

url, ledger_path, after = sys.argv[1], sys.argv[2], float(sys.argv[3])


class CountingSession(requests.Session):
    """Connections that fail, which the exporter would hide by trying again."""
    failures = 0

    def request(self, *arguments, **more):
        try:
            return super().request(*arguments, **more)
        except requests.exceptions.ConnectionError:
            CountingSession.failures += 1
            raise


class Recording(SpanExporter):
    def __init__(self, exporter, ledger):
        self.exporter, self.ledger, self.refused = exporter, ledger, 0

    def export(self, spans):
        result = self.exporter.export(spans)
        if result is SpanExportResult.SUCCESS:
            for span in spans:
                self.ledger.write(f"{span.context.trace_id:032x}\n")
            self.ledger.flush()
        else:
            self.refused += len(spans)
        return result

    def shutdown(self):
        self.exporter.shutdown()


stopping = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stopping.set())
with open(ledger_path, "a") as ledger:
    recording = Recording(OTLPSpanExporter(endpoint=f"{url}/v1/traces", session=CountingSession()), ledger)
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(recording))
    tracer = provider.get_tracer("app")
    end = None
    while end is None or time.monotonic() < end:
        if end is None and stopping.is_set():
            end = time.monotonic() + after
        with tracer.start_as_current_span("work"):
            pass
        time.sleep(0.02)
    with tracer.start_as_current_span("the last one"):
        pass
    provider.shutdown()
print(json.dumps({"refused": recording.refused, "connection_failures": CountingSession.failures}), flush=True)
