"""Makes translation.pb and translation.json: spans as they come by OTLP, and what MLflow's own server would store.

Run with an environment that has mlflow (3.17 made the files here) and opentelemetry-proto:
    python make_translation.py
"""
import json
import os
import pathlib

os.environ["MLFLOW_MODEL_CATALOG_URI"] = ""  # costs by the price list that the package brings

from mlflow.entities.span import Span
from mlflow.tracing.otel.translation import translate_span_when_storing
from mlflow.tracing.utils import aggregate_usage_from_span_nodes
from mlflow.store.tracking.sqlalchemy_store import _span_aggregation_node
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

MESSAGES = '[{"role": "user", "parts": [{"type": "text", "content": "h\u00e9llo"}]}]'
CASES = {
    "chat": {"gen_ai.operation.name": "chat", "gen_ai.input.messages": MESSAGES, "gen_ai.output.messages": "[]",
             "gen_ai.request.model": "gpt-x", "gen_ai.response.model": "gpt-x-2026", "gen_ai.provider.name": "openai",
             "gen_ai.usage.input_tokens": 11, "gen_ai.usage.output_tokens": 7},
    "tool": {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.call.arguments": '{"city": "Paris"}',
             "gen_ai.tool.call.result": "21 degrees", "gen_ai.tool.definitions": '[{"name": "weather"}]'},
    "agent": {"gen_ai.operation.name": "invoke_agent", "gen_ai.conversation.id": "c-1"},
    "create": {"gen_ai.operation.name": "create_agent"},
    "embeddings": {"gen_ai.operation.name": "embeddings", "gen_ai.usage.input_tokens": "26"},
    "text": {"gen_ai.operation.name": "text_completion"},
    "generate": {"gen_ai.operation.name": "generate_content", "gen_ai.usage.output_tokens": 3},
    "response": {"gen_ai.operation.name": "response"},
    "unknown_operation": {"gen_ai.operation.name": "dance"},
    "own_type_wins": {"gen_ai.operation.name": "chat", "mlflow.spanType": "RETRIEVER"},
    "unknown_type_gives_way": {"gen_ai.operation.name": "chat", "mlflow.spanType": '"UNKNOWN"'},
    "own_inputs_win": {"gen_ai.input.messages": MESSAGES, "mlflow.spanInputs": '{"question": "why?"}'},
    "own_usage_wins": {"gen_ai.usage.input_tokens": 1, "mlflow.chat.tokenUsage": '{"input_tokens": 5}'},
    "cache": {"gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 10,
              "gen_ai.usage.cache_read.input_tokens": 80, "gen_ai.usage.cache_creation.input_tokens": 5},
    "cache_write": {"gen_ai.usage.input_tokens": 1, "gen_ai.usage.output_tokens": 1,
                    "gen_ai.usage.cache_write.input_tokens": 4, "gen_ai.usage.cache_creation.input_tokens": 9},
    "earlier_tokens": {"gen_ai.usage.prompt_tokens": 4, "gen_ai.usage.completion_tokens": 5, "gen_ai.system": "azure"},
    "model_of_inputs": {"mlflow.spanInputs": '{"model": "m-1", "messages": []}'},
    "real_values": {"mlflow.spanInputs": {"x": 1, "big": 9007199254740993}, "mlflow.spanOutputs": [1, True, None, "a"]},
    "encodings": {"quoted": '"quoted"', "digits": "1", "number": 1, "real": 0.1, "truth": True, "list": "[1]",
                  "object": '{"a": 1}', "not_json": "{oops", "empty": ""},
    "empty_values": {"gen_ai.input.messages": "", "gen_ai.tool.call.arguments": "{}"},
    "cost": {"gen_ai.usage.input_tokens": 1234, "gen_ai.usage.output_tokens": 77, "gen_ai.usage.cache_read.input_tokens": 1000,
             "gen_ai.response.model": "gpt-4o-mini-2024-07-18", "gen_ai.provider.name": "OpenAI"},
    "cost_by_any_provider": {"gen_ai.usage.prompt_tokens": 9, "gen_ai.usage.completion_tokens": 3, "gen_ai.system": "nobody",
                             "gen_ai.request.model": "anthropic/claude-sonnet-4-5", "llm.usage.total_tokens": 12},
    "open_inference": {"openinference.span.kind": "LLM", "input.value": '{"messages": []}', "input.mime_type": "application/json",
                       "output.value": "fine", "llm.model_name": "gpt-4o", "llm.provider": "openai", "llm.token_count.prompt": 9,
                       "llm.token_count.completion": 3, "llm.token_count.total": 12, "llm.token_count.prompt_details.cache_read": 4},
    "traceloop": {"traceloop.span.kind": "workflow", "gen_ai.prompt.0.role": "user", "gen_ai.prompt.0.content": "",
                  "gen_ai.prompt.1.content": "why?", "gen_ai.completion.0.content": "because", "gen_ai.usage.prompt_tokens": 2,
                  "llm.usage.total_tokens": 7},
    "adk": {"gcp.vertex.agent.llm_request": '{"model": "gemini-2.0-flash", "contents": []}', "gcp.vertex.agent.llm_response": "{}"},
    "vercel": {"ai.operationId": "ai.generateText", "ai.prompt": '{"prompt": "why?"}', "ai.response.text": "because"},
    "vercel_chat": {"ai.operationId": "ai.generateText.doGenerate", "ai.prompt.messages": '[{"role": "user", "content": "h\u00e9"}]',
                    "ai.prompt.tools": ['{"type": "function", "name": "weather"}', "no json"], "ai.response.text": "because",
                    "ai.response.model": "gpt-4o", "ai.response.finishReason": "stop", "ai.usage.promptTokens": 4},
    "volt_agent": {"entity.type": "agent", "span.type": "llm", "llm.messages": '[{"role": "user", "content": "hi"}]', "output": "ho",
                   "voltagent.operation_id": "o-1", "usage.prompt_tokens": 3, "llm.usage.completion_tokens": 4},
    "live_kit": {"lk.function_tool.name": "weather", "lk.user_input": "hi", "lk.response.text": "ho"},
    "laminar": {"lmnr.span.type": "EXECUTOR", "lmnr.span.input": "[1]", "lmnr.span.output": "ho"},
    "langfuse": {"langfuse.observation.type": "retriever", "langfuse.observation.input": "hi", "langfuse.observation.output": "ho"},
    "gemini": {"gen_ai.agent.name": "gemini-cli", "gen_ai.operation.name": "llm_call", "gen_ai.input.messages": "h\u00e9 \U0001f389",
               "gen_ai.output.messages": '[{"role": "model", "parts": [{"text": "a"}]}, {"parts": [{"text": "b"}]}, 7]'},
    "claude_request": {"span.type": "claude_code.llm_request", "input_tokens": 10, "output_tokens": 2, "cache_read_tokens": 90,
                       "cache_creation_tokens": "5", "new_context": "ctx", "response.model_output": "<REDACTED>"},
    "claude_tool": {"span.type": "tool", "tool_input": "<REDACTED>", "full_command": "ls -l", "file_path": ""},
    "spring_events": {"gen_ai.operation.name": "chat"},
    "message_events": {"gen_ai.operation.name": "chat"},
}
EVENTS = {
    "spring_events": [("gen_ai.content.prompt", {"gen_ai.prompt": "why?"}),
                      ("gen_ai.content.completion", {"gen_ai.completion": '[{"role": "assistant"}]'})],
    "message_events": [("gen_ai.system.message", {"content": "be kind"}), ("gen_ai.user.message", {"content": '["h\u00e9"]'}),
                       ("gen_ai.user.message", {}), ("gen_ai.choice", {"content": "yes", "role": "bot"}), ("gen_ai.choice", {"content": 5})],
    "claude_tool": [("tool.output", {"output": "", "content": "total 0"})],
}


def any_value(out, value):
    if value is None:
        return
    if isinstance(value, bool):
        out.bool_value = value
    elif isinstance(value, str):
        out.string_value = value
    elif isinstance(value, int):
        out.int_value = value
    elif isinstance(value, float):
        out.double_value = value
    elif isinstance(value, list):
        out.array_value.SetInParent()
        for item in value:
            any_value(out.array_value.values.add(), item)
    else:
        out.kvlist_value.SetInParent()
        for key, item in value.items():
            entry = out.kvlist_value.values.add()
            entry.key = key
            any_value(entry.value, item)


request = ExportTraceServiceRequest()
scope = request.resource_spans.add().scope_spans.add()
for n, (name, attributes) in enumerate(CASES.items(), 1):
    span = scope.spans.add(trace_id=(7).to_bytes(16, "big"), span_id=n.to_bytes(8, "big"), name=name,
                           start_time_unix_nano=1795487692170445105, end_time_unix_nano=1795487692197344776)
    for key, value in attributes.items():
        attribute = span.attributes.add()
        attribute.key = key
        any_value(attribute.value, value)
    for event, attributes in EVENTS.get(name, []):
        held = span.events.add(name=event, time_unix_nano=1795487692180000000).attributes
        for key, value in attributes.items():
            attribute = held.add()
            attribute.key = key
            any_value(attribute.value, value)



def as_json(text):
    """The server keeps some texts bare, which its client then reads as they are; ours are always JSON."""
    try:
        json.loads(text)
        return text
    except ValueError:
        return json.dumps(text, ensure_ascii=False)


expected = {}
for proto in scope.spans:
    stored = translate_span_when_storing(Span.from_otel_proto(proto))["attributes"]
    expected[proto.name] = {key: as_json(text) for key, text in stored.items()}

# Sums over a tree: (span, parent, usage).
TREES = {
    "leaves": [(1, None, None), (2, 1, {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}),
               (3, 1, {"input_tokens": 10, "output_tokens": 20, "total_tokens": 30, "cache_read_input_tokens": 4})],
    "parent_counts_its_children": [(1, None, {"input_tokens": 11, "output_tokens": 22, "total_tokens": 33}),
                                   (2, 1, {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}), (3, 2, None),
                                   (4, 3, {"input_tokens": 10, "output_tokens": 20, "total_tokens": 30})],
    "parent_is_missing": [(2, 9, {"input_tokens": 1}), (3, 2, {"input_tokens": 1}), (4, 9, {"output_tokens": 5})],
    "nothing": [(1, None, None)],
}
usage = {}
for name, spans in TREES.items():
    nodes = [_span_aggregation_node(str(i), str(p) if p else None, {"mlflow.chat.tokenUsage": json.dumps(u) if u else None},
                                    "mlflow.chat.tokenUsage") for i, p, u in spans]
    total = aggregate_usage_from_span_nodes(nodes)
    usage[name] = {"spans": [[i, p or 0, json.dumps(u) if u else ""] for i, p, u in spans],
                   "total": json.dumps(total) if total else ""}

here = pathlib.Path(__file__).parent
(here / "translation.pb").write_bytes(request.SerializeToString())
(here / "translation.json").write_text(json.dumps({"attributes": expected, "usage": usage}, indent=1, ensure_ascii=False))
