"""What the fake workspace holds, and in which order it came."""
import base64
import json


def stored_spans(server):
    """The set of (trace, span) ids, in hex, of all span files and tables of a fake workspace."""
    return spans_in_files(server) | set(rows_in_tables(server))


def spans_in_files(server):
    spans = (span for path, blob in list(server.state.blobs.items()) if path.endswith("/traces.json") for span in json.loads(blob)["spans"])
    return {tuple(base64.b64decode(span[key]).hex() for key in ("trace_id", "span_id")) for span in spans}


def rows_in_tables(server):
    """Every row of every table, repeated ones too."""
    return [(trace, span.span_id.hex()) for (_, trace), rows in list(server.state.uc_rows.items()) for span, _ in list(rows)]


def traces_with_data(server):
    """The ids, in hex, of the traces whose info and span file are both there."""
    return {key.removeprefix("tr-") for key in server.state.traces if f"{key}/artifacts/traces.json" in server.state.blobs}


def assert_info_before_data(workspace):
    """By the request log, trace by trace: no upload was begun before a StartTrace of that trace was answered with 2xx, or
    with a conflict, which says that it is there."""
    answered, uploads = {}, 0
    for request in workspace.state.requests:
        if request["method"] == "POST" and request["path"] == "/api/3.0/mlflow/traces" and request["status"] in (200, 409) and "trace_id" in request:
            # Of a repeated one the first answer counts, which need not be that of the first request.
            answered[request["trace_id"]] = min(request["answered"], answered.get(request["trace_id"], request["answered"]))
    for request in workspace.state.requests:
        if request["path"].startswith("/__storage__/") and request["method"] == "PUT":
            uploads += 1
            trace_id = request["path"].removeprefix("/__storage__/").split("/")[0]
            assert trace_id in answered, f"{trace_id}: data before its info"
            assert answered[trace_id] <= request["began"], f"{trace_id}: data before the answer to its info"
    assert uploads > 0
