"""A program that uses MLflow's tracing broadly, as its users write one. What it held itself and what it read back is
JSON on its last line. The client's settings come from the environment.
usage: broad_app.py EXPERIMENT SPANS [what to leave out...]      SPANS: of its largest trace"""
import asyncio
import collections
import concurrent.futures
import contextvars
import hashlib
import json
import os
import subprocess
import sys

import mlflow
from mlflow.client import MlflowClient
from mlflow.entities import Document, Link, SpanEvent, SpanType
from mlflow.store.tracking.rest_store import RestStore
from mlflow.tracing import get_tracing_context_headers_for_http_request, set_tracing_context_from_http_request_headers
from mlflow.tracing.attachments import Attachment
from mlflow.tracking._tracking_service.utils import _get_store

import broad_edits
from broad_reading import described, names_of

PICTURE = bytes(range(256)) * 400  # no text in any encoding
SPANS = collections.defaultdict(list)  # of each trace: those that the program has in its hands
TRACES, ATTACHMENTS = {}, {}


def hold(trace, span=None):
    span = span or mlflow.get_current_active_span()
    SPANS[trace].append(span)
    TRACES[trace] = span.trace_id
    return span


# Nested spans, of every type a user names, with all that a span may have.

@mlflow.trace(span_type=SpanType.RETRIEVER)
def retrieve(query, k=2):
    hold("agent").set_attribute("mlflow.rag.index", "handbook")
    return [Document(page_content=f"Page {n}: 残高 ✓", metadata={"doc_uri": f"file:/{n}", "score": 0.5 / (n + 1)}, id=str(n)) for n in range(k)]


@mlflow.trace(name="look up", span_type=SpanType.TOOL, attributes={"tool.version": "7"})
def look_up(account, *, deep=False):
    span = hold("agent")
    span.add_event(SpanEvent("cache miss", attributes={"key": account, "tries": 2, "warm": False, "ages": [1, 2]}))
    with mlflow.start_span("query", span_type=SpanType.UNKNOWN) as inner:
        hold("agent", inner).set_inputs("SELECT 1")
        with mlflow.start_span("row", span_type="MY_OWN_TYPE") as row:
            hold("agent", row).set_outputs(None)
    return {"plan": "pro", "deep": deep}


@mlflow.trace(span_type=SpanType.CHAT_MODEL)
def ask_model(messages):
    span = hold("agent")
    span.set_attributes({
        "mlflow.chat.tokenUsage": {"input_tokens": 120, "output_tokens": 30, "total_tokens": 150},
        "mlflow.llm.model": "gpt-4o-mini", "mlflow.llm.provider": "openai",
        "mlflow.chat.tools": [{"type": "function", "function": {"name": "look_up", "parameters": {"type": "object", "properties": {}}}}],
        "temperature": 0.2, "top": 1.0, "big": 2**53 + 1, "small": -(2**63), "none": None, "yes": True, "empty": "",
        "list": [1, 2.5, None, True, "x", {"deep": [[]]}], "JSON": '{"a": [1]}', "quoted": '"q"', "number text": "1",
        "odd key ünï.`x` 'y'": "nul \x00, tab \t, line\u2028end, emoji \U0001f600",
    })
    return {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Open Settings. ✓", "tool_calls": None}}]}


@mlflow.trace(name="agent", span_type=SpanType.AGENT)
def agent(question, user):
    root = hold("agent")
    mlflow.update_current_trace(
        client_request_id="req-agent", session_id="session-1", user="user-jane",
        tags={"environment": "production", "app_version": "2.3.1", "mlflow.trace.session": "session-1", "a tag, with `ticks`": "ünï"},
        metadata={"build": "77", "long": "m" * 400},
    )
    documents = retrieve(question)
    look_up("acc-1", deep=True)
    for kind in (SpanType.EMBEDDING, SpanType.RERANKER, SpanType.PARSER, SpanType.LLM, SpanType.CHAIN, SpanType.MEMORY):
        with mlflow.start_span(f"a {kind}", span_type=kind) as span:
            hold("agent", span).set_inputs([kind])
    root.set_attribute("pages", len(documents))
    return ask_model([{"role": "user", "content": question}, {"role": "user", "content": [{"type": "text", "text": user}]}])


# Side by side: coroutines, threads, and spans that are managed by hand.


@mlflow.trace
async def fetch(part):
    hold("concurrent")
    with mlflow.start_span(f"part {part}") as span:
        await asyncio.sleep(0.002)
        hold("concurrent", span).set_outputs({"part": part})
    return part


def in_thread(part):
    with mlflow.start_span(f"thread {part}", span_type=SpanType.TASK) as span:
        hold("concurrent", span)


@mlflow.trace
async def concurrent_parts():
    hold("concurrent")
    async def one(n):
        with mlflow.start_span(f"branch {n}") as span:
            hold("concurrent", span)
            return await fetch(n)
    found = await asyncio.gather(*(one(n) for n in range(4)))
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(contextvars.copy_context().run, in_thread, n) for n in range(3)]:
            done.result()
    return found


def by_hand(linked):
    root = hold("by hand", mlflow.start_span_no_context(
        "by hand", inputs={"n": 1}, tags={"made": "by hand"}, metadata={"mlflow.trace.session": "session-2"},
        links=[Link(linked.trace_id, linked.span_id, {"reason": "follows", "n": 3})]))
    for n in range(2):
        child = hold("by hand", mlflow.start_span_no_context(f"child {n}", parent_span=root, span_type=SpanType.WORKFLOW))
        child.end(outputs=n, attributes={"last": n})
    root.end(outputs="done")
    TRACES["logged whole"] = mlflow.log_trace("logged whole", request={"q": 1}, response={"a": 2}, intermediate_outputs={"step": [3]},
                                              tags={"made": "whole"}, start_time_ms=1_790_000_000_123, execution_time_ms=4567)


# Failures.


@mlflow.trace
def breaks(what):
    hold("failed")
    raise ValueError("boom: " + what)


@mlflow.trace
def failed():
    hold("failed")
    try:
        breaks("残高")
    except ValueError:
        with mlflow.start_span("told") as span:
            hold("failed", span).set_status("ERROR")
            span.record_exception("recorded, not raised")
    raise KeyError("unanswered")


@mlflow.trace
def recovers():
    hold("recovered")
    try:
        with mlflow.start_span("try") as span:
            hold("recovered", span)
            raise TimeoutError("the model did not answer")
    except TimeoutError:
        mlflow.update_current_trace(state="ERROR", request_preview="what was asked", response_preview="nothing ✓")
        return "sorry"


# Streams.


@mlflow.trace(output_reducer="".join, span_type=SpanType.LLM)
def stream(n):
    hold("streamed")
    for i in range(n):
        yield f"chunk {i} "


@mlflow.trace(name="stream of coroutine")
async def stream_later(n):
    hold("streamed")
    for i in range(n):
        await asyncio.sleep(0)
        yield {"delta": {"content": f"✓{i}"}}


@mlflow.trace
def streamed():
    hold("streamed")
    list(stream(5))

    async def read():
        return [chunk async for chunk in stream_later(3)]
    return asyncio.run(read())


@mlflow.trace
def broken_stream():
    hold("broken stream")
    yield 1
    raise RuntimeError("the stream broke")


# What is large.


@mlflow.trace
def large(text):
    hold("large").set_attributes({f"attribute {n}": "v" * 1000 for n in range(100)})
    with mlflow.start_span("deep") as span:
        value = []
        for _ in range(20):
            value = [value]
        hold("large", span).set_inputs(value)
    return {"text": text[::-1], "list": list(range(20_000))}


@mlflow.trace
def many(count):
    hold("many")
    for i in range(0, count - 1, 50):
        with mlflow.start_span(f"group {i}") as group:
            hold("many", group)
            for j in range(i + 1, min(i + 50, count - 1)):
                with mlflow.start_span(f"step {j}", span_type=SpanType.TOOL) as step:
                    hold("many", step).set_inputs({"step": j})


@mlflow.trace
def with_files(question):
    root = hold("with files")
    for label, kind, content in (("picture", "image/png", PICTURE), ("text", "text/plain", "später".encode())):
        one = Attachment(content_type=kind, content_bytes=content)
        ATTACHMENTS[label] = [one.id, hashlib.sha256(content).hexdigest()]
        with mlflow.start_span(f"look at {label}") as span:
            hold("with files", span).set_inputs({"file": one, "question": question})
    return root.name


# One trace of two processes.


def learn_version():
    """The client asks a server for its version once, and waits three seconds; one that is too busy then gets none of the
    spans of a second process, without a word."""
    store = _get_store()
    if not isinstance(store, RestStore) or os.environ["MLFLOW_TRACKING_URI"] == "databricks":
        return
    for _ in range(40):
        if RestStore._get_server_version(store.get_host_creds()):
            return
        RestStore._get_server_version.cache_clear()
    raise AssertionError("the server does not tell its version")


def distributed():
    """The spans of the other process."""
    with mlflow.start_span("distributed") as root, mlflow.start_span("call") as span:
        hold("distributed", root)
        hold("distributed", span)
        headers = get_tracing_context_headers_for_http_request()
        done = subprocess.run([sys.executable, __file__, "--remote", json.dumps(headers)], capture_output=True, text=True, timeout=400)
        assert done.returncode == 0, done.stderr[-3000:]
        root.set_outputs("served")
    return json.loads(done.stdout.splitlines()[-1])


def remote(experiment, headers):
    learn_version()
    set_experiment(experiment)
    with set_tracing_context_from_http_request_headers(headers):
        with mlflow.start_span("served", span_type=SpanType.CHAIN) as span:
            hold("remote", span).set_inputs({"from": "another process"})
            with mlflow.start_span("served inside") as inner:
                hold("remote", inner).set_outputs({"ünï": [1]})
        mlflow.flush_trace_async_logging()  # this client forgets them when it leaves the block
    print(json.dumps(spans_held("remote")))


def set_experiment(experiment):
    if "APP_TABLES" in os.environ:
        from mlflow.entities.trace_location import UnityCatalog

        return mlflow.set_experiment(experiment, trace_location=UnityCatalog(*os.environ["APP_TABLES"].split(".")))
    return mlflow.set_experiment(experiment)


def spans_held(trace):
    return [[s.name, s.span_id, s.parent_id, s.start_time_ns, s.end_time_ns, [e.timestamp for e in s.events]] for s in SPANS[trace]]


def main(experiment, spans, *leave_out):
    os.environ["APP_EXPERIMENT"] = experiment
    learn_version()
    place = set_experiment(experiment)
    agent("What is my balance? 残高", "jane")
    asyncio.run(concurrent_parts())
    by_hand(SPANS["agent"][0])
    for fails in (failed, recovers, lambda: list(broken_stream())):
        try:
            fails()
        except (KeyError, RuntimeError):
            pass
    streamed()
    large("x残" * 300_000)
    many(int(spans))
    with_files("what is it?")
    elsewhere = distributed() if "distributed" not in leave_out else []
    for name in ("deleted", "deleted too"):
        with mlflow.start_span(name) as span:
            hold(name, span)
    mlflow.flush_trace_async_logging()

    client = MlflowClient()
    out = {"traces": TRACES, "attachments": ATTACHMENTS, "elsewhere": elsewhere,
           "spans": {trace: spans_held(trace) for trace in SPANS}, "experiment": place.experiment_id}
    out["assessments"] = broad_edits.edit(client, experiment, TRACES, SPANS)
    out["old"] = broad_edits.delete_by_age(client, experiment) if "delete" not in leave_out else None
    if "delete" not in leave_out:
        out["deletions"] = client.delete_traces(place.experiment_id, trace_ids=[TRACES["deleted"], TRACES["deleted too"]])
    out["read"] = {name: described(mlflow.get_trace(id), names_of(out)) for name, id in TRACES.items() if not name.startswith("deleted")}
    print("\n" + json.dumps(out, default=str))


if __name__ == "__main__":
    if sys.argv[1] == "--remote":
        remote(os.environ["APP_EXPERIMENT"], json.loads(sys.argv[2]))
    else:
        main(*sys.argv[1:])
