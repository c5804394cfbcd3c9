"""What a user reads back with the real MLflow client, and how it must compare with what was sent."""
import contextlib
import json
import os

import mlflow
from mlflow import MlflowClient

KINDS = {"answer_question": "AGENT", "search_documents": "RETRIEVER", "execute_tool lookup_account": "TOOL", "chat gpt-4o": "CHAT_MODEL"}


@contextlib.contextmanager
def client(uri, **env):
    """A client for this tracking server, with the environment it needs and none that is around."""
    before = dict(os.environ)
    for name in list(os.environ):
        if name.startswith(("MLFLOW_", "DATABRICKS_")):
            del os.environ[name]
    os.environ.update(env)
    mlflow.set_tracking_uri(uri)
    try:
        yield MlflowClient(tracking_uri=uri)
    finally:
        os.environ.clear()
        os.environ.update(before)


def search(c, experiment_id, **more):
    """Whichever of the two spellings of the keyword is living."""
    try:
        return c.search_traces(locations=[experiment_id], **more)
    except TypeError:
        return c.search_traces(experiment_ids=[experiment_id], **more)


def value(any_value):
    kind = any_value.WhichOneof("value")
    return getattr(any_value, kind) if kind else None


def as_read(sent):
    """MLflow keeps attributes as JSON text: a string that is JSON reads back as what it says."""
    if isinstance(sent, str) and sent[:1] in ("{", "["):
        return json.loads(sent)
    return sent


def assert_same_spans(trace, sent, location=None):
    """Names, tree, status and times to the nanosecond of every span of this trace. location: of a Unity Catalog table,
    which keeps the text of an attribute as text."""
    prefix = f"trace:/{location}/" if location else "tr-"
    expected = {i: s for i, (_, _, s) in sent.items() if prefix + s.trace_id.hex() == trace.info.trace_id}
    assert expected
    assert {s.span_id for s in trace.data.spans} == set(expected)
    for span in trace.data.spans:
        want = expected[span.span_id]
        assert span.name == want.name
        assert (span.parent_id or "") == want.parent_span_id.hex()
        assert (span.start_time_ns, span.end_time_ns) == (want.start_time_unix_nano, want.end_time_unix_nano)
        assert span.status.status_code.value == ("ERROR" if want.status.code == 2 else "OK" if want.status.code == 1 else "UNSET") or (
            want.status.code == 0 and span.status.status_code.value in ("OK", "UNSET")
        )
        if want.status.message:
            assert span.status.description == want.status.message
        for a in want.attributes:
            if a.key.startswith(("mlflow.",)) or a.value.WhichOneof("value") in ("array_value", "kvlist_value"):
                continue
            want_value = value(a.value) if location else as_read(value(a.value))
            assert span.attributes.get(a.key) == want_value, a.key
        assert [e.name for e in span.events] == [e.name for e in want.events]
        assert [e.timestamp for e in span.events] == [e.time_unix_nano for e in want.events]


def assert_chat_with_retrieval(trace, request_id="req-1", session="session-7", user="user-jane"):
    """Context, types, inputs and outputs of genai.chat_with_retrieval."""
    info = trace.info
    assert info.state.value == "OK"
    assert info.client_request_id == request_id
    assert info.trace_metadata["mlflow.trace.session"] == session
    assert info.trace_metadata["mlflow.trace.user"] == user
    assert info.tags["mlflow.trace.session"] == session
    assert info.tags["mlflow.trace.user"] == user
    assert info.tags["environment"] == "staging"
    assert info.tags["app_version"] == "2.3.1"
    assert info.tags["region"] == "eu-west-1"
    assert info.tags["mlflow.traceName"] == "answer_question"
    usage = json.loads(info.trace_metadata["mlflow.trace.tokenUsage"])
    assert (usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]) == (812, 96, 908)
    spans = {s.name: s for s in trace.data.spans}
    assert {name: s.span_type for name, s in spans.items()} == KINDS
    assert spans["search_documents"].inputs == {"query": "reset password", "k": 2}
    assert spans["search_documents"].outputs == [{"page_content": "Settings", "metadata": {"id": 1}}]
    assert spans["execute_tool lookup_account"].inputs == {"user": user}
    assert spans["execute_tool lookup_account"].outputs == {"plan": "pro"}
    assert "reset my password? Ünïcode ✓" in json.dumps(spans["chat gpt-4o"].inputs, ensure_ascii=False)
    assert "Open Settings" in json.dumps(spans["chat gpt-4o"].outputs)
    assert "reset my password" in info.request_preview and "Open Settings" in info.response_preview
