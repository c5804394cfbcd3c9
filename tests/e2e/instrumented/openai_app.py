"""An application of the OpenAI SDK under one instrumentation. usage: openai_app.py genai|openinference|traceloop

OPENAI_BASE_URL is the model, OTEL_EXPORTER_OTLP_ENDPOINT takes the spans. All calls of one conversation are in one trace;
a call by itself is a trace of its own."""
import json
import sys

import openai
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

TOOLS = [{"type": "function", "function": {"name": "get_weather", "description": "Weather of a city",
                                           "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}}]


def instrument(name, provider):
    if name == "genai":
        from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor
    elif name == "openinference":
        from openinference.instrumentation.openai import OpenAIInstrumentor
    else:
        from opentelemetry.instrumentation.openai import OpenAIInstrumentor
    OpenAIInstrumentor().instrument(tracer_provider=provider)


def conversation(client):
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Wie ist das Wetter in Paris? ☀"}]
    first = client.chat.completions.create(model="gpt-4o", messages=messages, tools=TOOLS, temperature=0.2)
    call = first.choices[0].message.tool_calls[0]
    messages += [first.choices[0].message.model_dump(exclude_none=True),
                 {"role": "tool", "tool_call_id": call.id, "content": json.dumps({"celsius": 21})}]
    client.chat.completions.create(model="gpt-4o", messages=messages, tools=TOOLS)
    stream = client.chat.completions.create(
        model="gpt-4o-mini", messages=messages[:2], stream=True, stream_options={"include_usage": True})
    assert "".join(c.choices[0].delta.content or "" for c in stream if c.choices)
    client.embeddings.create(model="text-embedding-3-small", input=["Paris", "Rome"])
    client.responses.create(model="gpt-4o-mini", instructions="Be brief.", input="Und morgen?")


def failing_call(client):
    try:
        client.chat.completions.create(model="broken", messages=[{"role": "user", "content": "Hello?"}])
    except openai.NotFoundError:
        return
    raise AssertionError("the model answered")


def main():
    provider = TracerProvider(resource=Resource.create({"service.name": "weather-bot", "service.version": "1.2"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    instrument(sys.argv[1], provider)
    client = openai.OpenAI(api_key="none", max_retries=0)
    context = {"session.id": "session-9", "user.id": "user-joe"}
    with provider.get_tracer("weather.bot").start_as_current_span("conversation", attributes=context):
        conversation(client)
    client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": [{"type": "text", "text": "Alone"}]}])
    failing_call(client)
    provider.shutdown()


if __name__ == "__main__":
    assert trace.get_current_span() is trace.INVALID_SPAN
    main()
