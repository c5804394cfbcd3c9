"""Answers a question a second and traces it; knows nothing of spanferry but the endpoint in its environment."""
import signal
import threading

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

stopping = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stopping.set())
provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
tracer = provider.get_tracer("app")
while not stopping.wait(1.0):
    with tracer.start_as_current_span("answer") as answer:
        answer.set_attribute("gen_ai.operation.name", "invoke_agent")
        with tracer.start_as_current_span("chat") as chat:
            chat.set_attribute("gen_ai.operation.name", "chat")
            chat.set_attribute("gen_ai.usage.input_tokens", 12)
            chat.set_attribute("gen_ai.usage.output_tokens", 34)
provider.shutdown()
