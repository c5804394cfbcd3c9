"""Realistic GenAI traces by the real OpenTelemetry SDK, and what was sent, for comparison."""
import json
import threading

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Link, SpanContext, Status, StatusCode, TraceFlags

from accounts import sent_to

QUESTION = [{"role": "user", "parts": [{"type": "text", "content": "How do I reset my password? Ünïcode ✓"}]}]
ANSWER = [{"role": "assistant", "parts": [{"type": "text", "content": "Open Settings, then Security."}], "finish_reason": "stop"}]


class App:
    """An instrumented application: its provider exports to `endpoint` and, beside it, into memory."""

    def __init__(self, url, resource=None, headers=None, batch=True):
        attributes = {
            "service.name": "support-bot", "service.version": "2.3.1", "deployment.environment.name": "staging",
            "cloud.region": "eu-west-1",
        }
        self.address = url.removeprefix("http://")
        self.provider = TracerProvider(resource=Resource.create(attributes | (resource or {})))
        self.exporter = OTLPSpanExporter(endpoint=f"{url}/v1/traces", headers=headers, timeout=10)
        kind = BatchSpanProcessor if batch else SimpleSpanProcessor
        self.provider.add_span_processor(kind(self.exporter))
        self.memory = InMemorySpanExporter()
        self.provider.add_span_processor(SimpleSpanProcessor(self.memory))
        self.tracer = self.provider.get_tracer("support.bot", "1.2.3", attributes={"scope.kind": "app"})

    def close(self):
        """Everything is out, or the exporter has given up."""
        assert self.provider.force_flush(30_000)
        self.provider.shutdown()
        sent_to(self.address).acknowledged += len(self.sent())

    def sent(self):
        """span id (hex) → (Resource, InstrumentationScope, Span), as the SDK itself encodes them."""
        request = encode_spans(self.memory.get_finished_spans())
        return {
            span.span_id.hex(): (rs.resource, ss.scope, span)
            for rs in request.resource_spans for ss in rs.scope_spans for span in ss.spans
        }


def chat_with_retrieval(app, request_id="req-1", session="session-7", user="user-jane"):
    """A root with context, a retrieval, a tool call and a chat call; its trace id in hex."""
    context = {"client_request_id": request_id, "session.id": session, "user.id": user}
    with app.tracer.start_as_current_span("answer_question", attributes=context) as root:
        root.set_attribute("gen_ai.operation.name", "invoke_agent")
        root.set_attribute("gen_ai.agent.name", "support-bot")
        root.set_attribute("gen_ai.input.messages", json.dumps(QUESTION, ensure_ascii=False))
        with app.tracer.start_as_current_span("search_documents") as retrieval:
            retrieval.set_attribute("mlflow.spanType", "RETRIEVER")
            retrieval.set_attribute("mlflow.spanInputs", json.dumps({"query": "reset password", "k": 2}))
            retrieval.set_attribute("mlflow.spanOutputs", json.dumps([{"page_content": "Settings", "metadata": {"id": 1}}]))
        with app.tracer.start_as_current_span("execute_tool lookup_account", kind=trace.SpanKind.INTERNAL) as tool:
            tool.set_attribute("gen_ai.operation.name", "execute_tool")
            tool.set_attribute("gen_ai.tool.name", "lookup_account")
            tool.set_attribute("gen_ai.tool.call.arguments", json.dumps({"user": user}))
            tool.set_attribute("gen_ai.tool.call.result", json.dumps({"plan": "pro"}))
        with app.tracer.start_as_current_span("chat gpt-4o", kind=trace.SpanKind.CLIENT) as chat:
            chat.set_attribute("gen_ai.operation.name", "chat")
            chat.set_attribute("gen_ai.provider.name", "openai")
            chat.set_attribute("gen_ai.request.model", "gpt-4o")
            chat.set_attribute("gen_ai.input.messages", json.dumps(QUESTION, ensure_ascii=False))
            chat.set_attribute("gen_ai.output.messages", json.dumps(ANSWER))
            chat.set_attribute("gen_ai.usage.input_tokens", 812)
            chat.set_attribute("gen_ai.usage.output_tokens", 96)
            chat.add_event("first token", {"latency_ms": 12.5})
        root.set_attribute("gen_ai.output.messages", json.dumps(ANSWER))
        return f"{root.get_span_context().trace_id:032x}"


def failing_chat(app, request_id="req-err"):
    """A trace whose call fails, with its exception recorded; its trace id in hex."""
    with app.tracer.start_as_current_span("answer_question", attributes={"client_request_id": request_id}) as root:
        with app.tracer.start_as_current_span("chat gpt-4o") as chat:
            chat.set_attribute("gen_ai.operation.name", "chat")
            chat.record_exception(TimeoutError("the model did not answer"))
            chat.set_status(Status(StatusCode.ERROR, "the model did not answer"))
        root.set_status(Status(StatusCode.ERROR, "no answer"))
        return f"{root.get_span_context().trace_id:032x}"


def every_kind_of_value(app):
    """One span with everything a span can carry."""
    elsewhere = SpanContext(0x1234, 0x5678, True, TraceFlags(1))
    with app.tracer.start_as_current_span("every kind", links=[Link(elsewhere, {"why": "follows"})]) as span:
        span.set_attributes({
            "text": "line\nbreak \"quoted\" 日本 🎉", "empty": "", "yes": True, "no": False, "big": 2**63 - 1, "small": -(2**63),
            "real": 0.1, "huge": 1e300, "list": ["a", "b"], "numbers": [1, 2, 3], "reals": [0.5, -0.25], "flags": [True, False],
        })
        span.add_event("happened", {"n": 1}, timestamp=1_700_000_000_123_456_789)
        return f"{span.get_span_context().trace_id:032x}"


def many_traces(app, count, threads=1):
    def some(n):
        for _ in range(n):
            with app.tracer.start_as_current_span("step"):
                with app.tracer.start_as_current_span("inner"):
                    pass

    workers = [threading.Thread(target=some, args=(count // threads,)) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
