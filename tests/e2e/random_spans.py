"""Random spans of every GenAI convention that MLflow's translators know, as instrumentations write them and worse.

Which attributes there are is read from the translators themselves, so that a newer mlflow brings its own."""
import json
import re

from mlflow.tracing.otel import translation
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

TEXTS = ["hello", "", "Wie geht's? Ünïcode ✓ 日本 🎉", "line\nbreak \"quoted\" \\ \t\x01\x7f", "123", "-7", "1.5", "true", "null",
         "{oops", "[]", "{}", "\"quoted\"", " 12 ", "<REDACTED>", "1e3", "a/b", "0"]
MODELS = ["gpt-4o", "gpt-4o-mini", "claude-sonnet-4-5", "openai/gpt-4o", "gemini-2.5-pro", "no-such-model", "text-embedding-3-small",
          "databricks-claude-sonnet-4", "gateway:/chat", "command-r", "mistral-large-latest"]
PROVIDERS = ["openai", "OpenAI", "anthropic", "azure", "aws.bedrock", "databricks", "nobody", "gemini"]
ROLES = ["user", "assistant", "system", "tool", "model"]
# Read by rules of single translators, where no table of theirs has them.
MORE = {
    "GeminiCli": ["gen_ai.agent.name"],
    "ClaudeCode": ["user_prompt", "new_context", "tool_input", "full_command", "file_path", "skill_name", "subagent_type",
                   "response.model_output"],
    "VercelAI": ["ai.prompt.messages", "ai.prompt.tools", "ai.prompt.toolChoice", "ai.response.text", "ai.response.finishReason",
                 "ai.response.toolCalls", "ai.response.model", "ai.response.id", "ai.model.id", "gen_ai.request.model"],
    "VoltAgent": ["entity.type", "voltagent.operation_id", "voltagent.conversation_id", "usage.prompt_tokens",
                  "llm.usage.prompt_tokens", "usage.completion_tokens", "llm.usage.completion_tokens", "usage.total_tokens",
                  "llm.usage.total_tokens"],
    "LiveKit": ["lk.agent_name", "lk.retry_count", "lk.function_tool.name", "lk.instructions", "lk.tts.label", "lk.room_name",
                "lk.transcript_confidence", "gen_ai.request.model"],
    "GenAi": ["gen_ai.usage.cache_creation.input_tokens"],
}
OWN = ["mlflow.spanType", "mlflow.spanInputs", "mlflow.spanOutputs", "mlflow.chat.tokenUsage", "mlflow.chat.tools", "mlflow.llm.model",
       "mlflow.llm.provider", "mlflow.llm.cost", "mlflow.message.format"]
EVENTS = [("gen_ai.content.prompt", ["gen_ai.prompt"]), ("gen_ai.content.completion", ["gen_ai.completion"]),
          ("gen_ai.system.message", ["content"]), ("gen_ai.user.message", ["content", "role"]),
          ("gen_ai.assistant.message", ["content"]), ("gen_ai.choice", ["content", "role"]),
          ("tool.output", ["output", "content", "diff"]), ("exception", ["exception.message"])]


def conventions():
    """name → its translator, in the order in which MLflow asks them."""
    return {type(t).__name__.removesuffix("Translator"): t for t in translation._TRANSLATORS}


def names_of(name, translator):
    found = []
    for field in dir(translator):
        value = getattr(translator, field)
        if field.isupper() and "KEY" in field:
            found += [value] if isinstance(value, str) else list(value or [])
    found += MORE.get(name, [])
    return [n for n in found if n]


class Maker:
    def __init__(self, random):
        self.random = random

    def message(self):
        r = self.random
        if r.random() < 0.5:
            return {"role": r.choice(ROLES), "content": r.choice(TEXTS)}
        return {"role": r.choice(ROLES), "parts": [{"type": "text", "content": r.choice(TEXTS)} for _ in range(r.randrange(3))]}

    def structure(self):
        r = self.random
        return r.choice([
            lambda: [self.message() for _ in range(r.randrange(4))],
            lambda: {"messages": [self.message()], "model": r.choice(MODELS + [3, None, ""])},
            lambda: {"contents": [self.message()]}, lambda: {"candidates": []}, lambda: {"a": 1.0, "b": [1, 2.5e-7, True, None]},
            lambda: {"type": "function", "name": "weather", "inputSchema": {"type": "object"}},
        ])()

    def plain(self):
        """A value of an attribute: what OTLP can carry but bytes."""
        r = self.random
        return r.choice([
            lambda: r.choice(TEXTS), lambda: json.dumps(self.structure()), lambda: json.dumps(self.structure(), ensure_ascii=False),
            lambda: json.dumps(json.dumps(self.structure())), self.structure, lambda: r.randrange(-5, 5000), lambda: r.random() * 1000,
            lambda: r.choice([0.0, 1e16, 1e-5, 100000.0, 1e300]), lambda: r.random() < 0.5,
            lambda: [r.choice(TEXTS) for _ in range(r.randrange(3))], lambda: None,
            lambda: [json.dumps(self.structure()), r.choice(TEXTS)],
        ])()

    def value(self, name, translator):
        """Mostly what belongs into an attribute of this name, now and then anything."""
        r = self.random
        if r.random() < 0.1:
            return self.plain()
        if name in (translator.SPAN_KIND_ATTRIBUTE_KEY, "entity.type", "span.type"):
            return r.choice(list(translator.SPAN_KIND_TO_MLFLOW_TYPE or {"?": 0}) + ["CHAT", "dance", "tool", "interaction"])
        if "token" in name:
            return r.choice([r.randrange(5000), r.randrange(50), str(r.randrange(50)), 0, 12.7, f" +{r.randrange(9)}"])
        if "model" in name and "output" not in name:
            return r.choice(MODELS)
        if name.endswith(("provider", "provider.name", "gen_ai.system")):
            return r.choice(PROVIDERS)
        if name == "gen_ai.agent.name":
            return "gemini-cli"
        if name == "ai.prompt.tools":
            return [json.dumps(self.structure()) for _ in range(r.randrange(3))]
        return self.plain()

    def name(self, name):
        if not isinstance(name, re.Pattern):
            return name
        text = name.pattern.replace("\\d+", str(self.random.randrange(12))).replace("\\.", ".")
        return text + self.random.choice(["", "", "", "_more"])

    def attributes(self, chosen, names):
        r, everything = self.random, conventions()
        out = {}
        for name in r.sample(names, r.randrange(len(names) + 1)):
            name = self.name(name)
            out[name] = self.value(name, everything[chosen])
        for _ in range(r.choice([0, 0, 1, 3])):  # a span may be instrumented twice
            other = r.choice(list(everything))
            name = self.name(r.choice(names_of(other, everything[other])))
            out[name] = self.value(name, everything[other])
        if r.random() < 0.2:
            name = r.choice(OWN)
            out[name] = r.choice(["UNKNOWN", "LLM", '"UNKNOWN"', None]) if name == "mlflow.spanType" else json.dumps(self.structure())
        items = list(out.items())
        r.shuffle(items)
        return items

    def events(self):
        r = self.random
        for _ in range(r.choice([0, 0, 1, 4])):
            name, keys = r.choice(EVENTS)
            yield name, {k: self.value(k, conventions()["OpenInference"]) for k in keys if r.random() < 0.8}


def put(any_value, value):
    if value is None:
        return
    if isinstance(value, bool):
        any_value.bool_value = value
    elif isinstance(value, str):
        any_value.string_value = value
    elif isinstance(value, int):
        any_value.int_value = value
    elif isinstance(value, float):
        any_value.double_value = value
    elif isinstance(value, list):
        any_value.array_value.SetInParent()
        for item in value:
            put(any_value.array_value.values.add(), item)
    else:
        any_value.kvlist_value.SetInParent()
        for key, item in value.items():
            put_entry(any_value.kvlist_value.values, key, item)


def put_entry(entries, key, value):
    entry = entries.add()
    entry.key = key
    put(entry.value, value)


def request_of(convention, count, random):
    """An OTLP request with `count` spans, each of a trace of its own."""
    maker, names = Maker(random), names_of(convention, conventions()[convention])
    names = list(dict.fromkeys(names))
    request = ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    for n in range(1, count + 1):
        span = scope.spans.add(name=f"{convention} {n}", trace_id=n.to_bytes(16, "big"), span_id=n.to_bytes(8, "big"),
                               start_time_unix_nano=1795487692170445105, end_time_unix_nano=1795487692197344776)
        for key, value in maker.attributes(convention, names):
            put_entry(span.attributes, key, value)
        for name, attributes in maker.events():
            event = span.events.add(name=name, time_unix_nano=1795487692180000000)
            for key, value in attributes.items():
                put_entry(event.attributes, key, value)
    return request


def chat_text(random, depth=0):
    """JSON text such as apps have for inputs and outputs: chats of every API, and what looks like one."""
    r = random
    content = r.choice(["hi", "", None, 7, ["part"], [{"type": "text", "text": "Ünï ✓"}], [{"type": "image"}, {"type": "output_text", "text": "o"}],
                        [{"type": "text", "text": None}, {"type": "text", "text": "later"}], [], "x" * 12_000])
    messages = [{"role": r.choice(ROLES), "content": content} if r.random() < 0.8 else r.choice([{"role": "user"}, "text", None])
                for _ in range(r.randrange(4))]
    value = r.choice([
        lambda: {"messages": messages}, lambda: {"choices": [{"message": m} for m in messages] or [7]}, lambda: {"input": messages},
        lambda: {"output": messages, "input": []}, lambda: {"messages": [], "choices": [], "output": messages}, lambda: messages,
        lambda: {"messages": {"role": "user"}, "input": "text"}, lambda: {"question": "why?"}, lambda: "text", lambda: "y" * 12_000,
        lambda: {"request": json.loads(chat_text(r, depth + 1)) if depth < 3 else 1}, lambda: {"messages": messages, "request": {}},
    ])()
    return json.dumps(value, ensure_ascii=r.random() < 0.5)


def costs(random):
    return json.dumps({key: random.choice([0, round(random.random(), 6)]) for key in ("input_cost", "output_cost", "total_cost")
                       if random.random() < 0.8})


def traces_of(count, random):
    """An OTLP request with `count` traces: trees, chains and orphans with inputs, outputs, tokens and costs anywhere."""
    request = ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    for n in range(1, count + 1):
        size = random.randrange(1, 9)
        for i in range(1, size + 1):
            parent = random.randrange(0, i) if i > 1 or random.random() < 0.1 else 0
            parent = random.choice([parent] * 9 + [99])
            start = 1795487692170445105 + random.randrange(10**9)
            span = scope.spans.add(
                name=f"span {i}", trace_id=n.to_bytes(16, "big"), span_id=i.to_bytes(8, "big"),
                parent_span_id=parent.to_bytes(8, "big") if parent else b"", start_time_unix_nano=start,
                end_time_unix_nano=start + random.randrange(10**9))
            span.status.code = random.randrange(3)
            for key, text in [
                ("mlflow.spanInputs", chat_text(random)), ("mlflow.spanOutputs", chat_text(random)),
                ("mlflow.chat.tokenUsage", json.dumps({k: random.randrange(99) for k in
                    ("input_tokens", "output_tokens", "total_tokens", "cache_read_input_tokens") if random.random() < 0.8})),
                ("mlflow.llm.cost", costs(random)),
                ("session.id", random.choice(["s-1", "s-2"])), ("gen_ai.conversation.id", "c-1"), ("user.id", "u-1"),
            ]:
                if random.random() < 0.4:
                    put_entry(span.attributes, key, text)
    return request


def calls_of(models, random):
    """An OTLP request with one call of each (provider or None, model), of random sizes."""
    request = ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    for n, (provider, model) in enumerate(models, 1):
        span = scope.spans.add(name=model, trace_id=n.to_bytes(16, "big"), span_id=n.to_bytes(8, "big"),
                               start_time_unix_nano=1795487692170445105, end_time_unix_nano=1795487692197344776)
        put_entry(span.attributes, "gen_ai.request.model", model)
        if provider:
            put_entry(span.attributes, "gen_ai.provider.name", provider)
        for kind in ("input_tokens", "output_tokens", "cache_read.input_tokens", "cache_write.input_tokens"):
            if random.random() < 0.8:
                put_entry(span.attributes, f"gen_ai.usage.{kind}", random.randrange(100_000))
    return request
