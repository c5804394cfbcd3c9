"""A model that speaks OpenAI's API on loopback and always says the same: chat (whole and streamed, with tools),
responses, embeddings, and a refusal for the model `broken`."""
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ANSWER = "Öffne die Einstellungen ✓"
USAGE = {"prompt_tokens": 42, "completion_tokens": 7, "total_tokens": 49,
         "prompt_tokens_details": {"cached_tokens": 32, "audio_tokens": 0},
         "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0}}
TOOL_CALL = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Paris"}'}}
RESOLVED = {"gpt-4o": "gpt-4o-2024-08-06", "gpt-4o-mini": "gpt-4o-mini-2024-07-18"}
CREATED = 1_795_487_692


def model_of(body):
    return RESOLVED.get(body["model"], body["model"])


def message(body):
    """Asks for the tool until there is a result of it."""
    if body.get("tools") and body["messages"][-1]["role"] != "tool":
        return {"role": "assistant", "content": None, "tool_calls": [TOOL_CALL]}, "tool_calls"
    return {"role": "assistant", "content": ANSWER, "refusal": None}, "stop"


def chat(body):
    said, why = message(body)
    return {"id": "chatcmpl-1", "object": "chat.completion", "created": CREATED, "model": model_of(body), "usage": USAGE,
            "system_fingerprint": "fp_1", "service_tier": "default",
            "choices": [{"index": 0, "message": said, "finish_reason": why, "logprobs": None}]}


def chat_chunks(body):
    frame = {"id": "chatcmpl-2", "object": "chat.completion.chunk", "created": CREATED, "model": model_of(body)}
    said, why = message(body)
    parts = [{"role": "assistant", "content": ""}] + [{"content": piece} for piece in (ANSWER[:9], ANSWER[9:]) if said["content"]]
    for part in parts:
        yield frame | {"choices": [{"index": 0, "delta": part, "finish_reason": None}]}
    yield frame | {"choices": [{"index": 0, "delta": {}, "finish_reason": why}]}
    if (body.get("stream_options") or {}).get("include_usage"):
        yield frame | {"choices": [], "usage": USAGE}


def response(body):
    text = {"type": "output_text", "text": ANSWER, "annotations": [], "logprobs": []}
    return {"id": "resp_1", "object": "response", "created_at": CREATED, "status": "completed", "model": model_of(body),
            "output": [{"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [text]}],
            "error": None, "incomplete_details": None, "instructions": body.get("instructions"), "metadata": {},
            "parallel_tool_calls": True, "temperature": 1.0, "tool_choice": "auto", "tools": [], "top_p": 1.0,
            "usage": {"input_tokens": 42, "output_tokens": 7, "total_tokens": 49, "input_tokens_details": {"cached_tokens": 32},
                      "output_tokens_details": {"reasoning_tokens": 0}}}


def embeddings(body):
    texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
    return {"object": "list", "model": body["model"], "usage": {"prompt_tokens": 5, "total_tokens": 5},
            "data": [{"object": "embedding", "index": i, "embedding": [0.25, -0.5, 1.0]} for i in range(len(texts))]}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body, kind="application/json"):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if body["model"] == "broken":
            error = {"message": "The model `broken` does not exist", "type": "invalid_request_error", "param": None, "code": "model_not_found"}
            return self.answer(404, json.dumps({"error": error}).encode())
        if self.path.endswith("/chat/completions") and body.get("stream"):
            lines = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chat_chunks(body)) + "data: [DONE]\n\n"
            return self.answer(200, lines.encode(), "text/event-stream")
        make = {"completions": chat, "responses": response, "embeddings": embeddings}[self.path.rsplit("/", 1)[-1]]
        self.answer(200, json.dumps(make(body)).encode())


class StubLlm:
    def __enter__(self):
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/v1"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
