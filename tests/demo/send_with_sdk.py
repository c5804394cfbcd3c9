"""Two traces as an instrumented app makes them; prints their ids. usage: send_with_sdk.py http://ADDRESS"""
import json
import sys

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode


def model_call(tracer, tokens_in, tokens_out):
    with tracer.start_as_current_span("chat claude-sonnet-4", kind=SpanKind.CLIENT) as chat:
        chat.set_attribute("gen_ai.operation.name", "chat")
        chat.set_attribute("gen_ai.provider.name", "anthropic")
        chat.set_attribute("gen_ai.request.model", "claude-sonnet-4")
        chat.set_attribute("gen_ai.usage.input_tokens", tokens_in)
        chat.set_attribute("gen_ai.usage.output_tokens", tokens_out)


def with_tool_call(tracer):
    with tracer.start_as_current_span("plan_trip", attributes={"session.id": "session-7"}) as root:
        model_call(tracer, 640, 52)
        with tracer.start_as_current_span("execute_tool find_trains") as tool:
            tool.set_attribute("gen_ai.operation.name", "execute_tool")
            tool.set_attribute("gen_ai.tool.name", "find_trains")
            tool.set_attribute("gen_ai.tool.call.arguments", json.dumps({"from": "Lyon", "to": "Turin"}))
            tool.set_attribute("gen_ai.tool.call.result", json.dumps([{"departs": "08:12", "changes": 0}]))
        model_call(tracer, 910, 131)
        return root.get_span_context().trace_id


def with_error(tracer):
    with tracer.start_as_current_span("summarise_ticket") as root:
        with tracer.start_as_current_span("chat claude-sonnet-4") as chat:
            chat.set_attribute("gen_ai.operation.name", "chat")
            chat.record_exception(TimeoutError("no answer within 30 s"))
            chat.set_status(Status(StatusCode.ERROR, "no answer within 30 s"))
        root.set_status(Status(StatusCode.ERROR, "the model did not answer"))
        return root.get_span_context().trace_id


def main():
    provider = TracerProvider(resource=Resource.create({"service.name": "travel-agent", "service.version": "1.4.0"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{sys.argv[1]}/v1/traces")))
    tracer = provider.get_tracer("demo")
    for trace_id in (with_tool_call(tracer), with_error(tracer)):
        print(f"{trace_id:032x}")
    provider.shutdown()


if __name__ == "__main__":
    main()
