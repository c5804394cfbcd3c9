"""A fake Databricks workspace for tests: MLflow 3 tracing, artifact credentials, UC OTLP, OAuth, and faults on demand.

Run:   python fake_workspace.py --port 8900 [--token x] [--client-id id --client-secret s] [--token-ttl 3600]
Needs: the Python standard library and opentelemetry-proto. Everything is in memory; every request is recorded.

Workspace API (shapes as in CONTRACT.md, driven by the real MLflow client):
  auth         Bearer PAT or OAuth; POST /oidc/v1/token (client_credentials; Basic or form credentials)
  experiments  /api/2.0/mlflow/experiments/{get-by-name,get,create,search,set-experiment-tag,delete}
  V3 traces    POST|GET /api/3.0/mlflow/traces[/ID], search, tags (2.0), assessments, delete-traces (2.0)
  spans        GET /api/2.0/mlflow/traces/ID/credentials-for-data-{upload,download} -> signed /__storage__/ URL
               (config cloud: aws | gcp | azure | adls; the last two speak block blob / ADLS Gen2)
  UC tables    POST /api/2.0/otel/v1/traces, /api/4.0/mlflow/traces/LOC/ID/info, batchGet, search-long-running, tags,
               assessments, /api/5.0/mlflow/tracing/locations, trace-location:link

Admin API (no auth):
  GET    /__fake__/stats      totals and duplicates             GET /__fake__/requests   every request, in order
  GET    /__fake__/received   per trace: writes, spans, counts  POST /__fake__/reset     forget everything
  POST   /__fake__/faults     {"match": regex on "METHOD /path", "count": n, and one or more of
                               "status", "headers", "body", "content_type", "delay_s", "drop": "before"|"after",
                               "truncate": bytes}
         "drop: before" closes without processing; "drop: after" processes, then closes without an answer;
         "status" answers without processing unless "process": true.      GET lists, DELETE clears.
  POST   /__fake__/outage     {"on": true, "mode": "drop" | 503}
  POST   /__fake__/expire_tokens                     all OAuth tokens and signed URLs issued so far become invalid
  POST   /__fake__/config     any key of CONFIG below; GET shows it
"""
import argparse
import base64
import copy
import gzip
import hashlib
import hmac
import json
import re
import socket
import threading
import time
import uuid
from collections import Counter
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, parse_qsl, unquote, urlsplit

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

CONFIG = {
    "tokens": ["x"],  # valid personal access tokens
    "client_id": "client", "client_secret": "secret",  # the OAuth machine-to-machine principal
    "workspace_id": "1234567890123456",
    "token_ttl_s": 3600, "url_ttl_s": 900,
    "cloud": "aws",  # aws | gcp | azure | adls: the kind of signed URL that is handed out
    "reject_trace_ids": [],  # 400 on any write that names one of these (tr-… or bare hex)
    "forbid_experiments": [],  # ids or names: 403 on what is written to them
    "reject_span_names": [],  # OTLP: these spans are counted in partial_success.rejected_spans
    "strict_partial": True,  # False: a rejected span fails its whole OTLP request with 400
    "max_body_bytes": 0, "max_blob_bytes": 0,  # 413 above this, at the API and at the storage (0: no limit)
    "v4_search_experiments": True,  # False: search-long-running answers "locations not yet supported"
    "search_pending_polls": 0,  # long-running search: this many polls before done
    "uc_read_dedupe": True,  # batchGet shows one row a span id (rows are still counted)
    "requests_per_s": 0,  # 429 + Retry-After above this (0: no limit)
    "creations_per_s": 0,  # the same of StartTraces alone
    # what no client shows, each way it may be
    "bad_pat_status": 403, "expired_oauth_status": 401,  # either may be the other
    "assessment_ids": "caller",  # or "server": the ids are made there, whatever the request says
    "assessment_replay_status": 409,  # or 500, for an assessment id that is there
    "start_trace_replay": "upsert",  # or "conflict": 409 for a trace that is there, which stays as it is; V4 info too
    "deleted_experiment_status": 404,  # or 400, for a StartTrace into one
    "deleted_name_is_free": False,  # whether an experiment may be created under the name of a deleted one
    "search_lag_s": 0,  # a trace is not found by searches before it is that old
}
LOCK = threading.RLock()

class ApiError(Exception):
    def __init__(self, status, code, message, headers=None):
        super().__init__(message)
        self.status, self.code, self.message, self.headers = status, code, message, headers or {}

def iso(ts=None):
    return datetime.fromtimestamp(ts or time.time(), timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")

def ms_of(stamp):
    if not stamp:
        return 0
    stamp = re.sub(r"(\.\d{6})\d+", r"\1", stamp.replace("Z", "+00:00"))
    return int(datetime.fromisoformat(stamp).timestamp() * 1000)

class State:
    def __init__(self, config):
        self.config = config
        self.faults, self.outage = [], None
        self.reset()

    def reset(self):
        self.experiments, self.traces, self.uc_infos, self.uc_rows = {}, {}, {}, {}
        self.assessments = {}  # (trace key) -> {assessment id: dict}
        self.blobs, self.blocks, self.locations, self.linked = {}, {}, {}, {}
        self.oauth, self.requests, self.operations = {}, [], {}
        self.counts = Counter()
        self.started = {}  # trace id -> when it was there first
        self.warehouses = []  # named by each search in tables; None: it named none
        self.writes = {}  # trace key -> Counter of start_trace, upload, v4_info, spans
        self.sign_key, self.windows = uuid.uuid4().bytes, {}

    def note(self, key, what, n=1):
        self.counts[what] += n
        self.writes.setdefault(key, Counter())[what] += n

# search

_TERM = re.compile(
    r"\s*(?:(?P<ent>attributes?|tags?|metadata|request_metadata|trace)\s*\.\s*)?"
    r"(?P<key>`[^`]+`|\"[^\"]+\"|[\w.\-]+)\s*(?P<op>!=|>=|<=|=|>|<|NOT\s+LIKE|LIKE|ILIKE|RLIKE|IN|NOT\s+IN)\s*"
    r"(?P<val>\([^)]*\)|'(?:[^'])*'|\"[^\"]*\"|[\d.]+)\s*", re.I)

def parse_filter(text):
    terms, pos = [], 0
    while text and pos < len(text):
        m = _TERM.match(text, pos)
        if not m:
            raise ApiError(400, "INVALID_PARAMETER_VALUE", f"Invalid filter string at {text[pos:]!r}")
        terms.append((m["ent"] or "attribute", m["key"].strip("`\""), re.sub(r"\s+", " ", m["op"].upper()), m["val"]))
        pos = m.end()
        joint = re.match(r"and\b", text[pos:], re.I)
        if pos < len(text):
            if not joint:
                raise ApiError(400, "INVALID_PARAMETER_VALUE", f"Invalid filter string at {text[pos:]!r}")
            pos += joint.end()
    return terms

def field(info, ent, key):
    ent = ent.lower()
    if ent.startswith("tag"):
        return info.get("tags", {}).get(key)
    if ent in ("metadata", "request_metadata"):
        return info.get("trace_metadata", {}).get(key)
    dur = float((info.get("execution_duration") or "0s")[:-1]) * 1000
    plain = {
        "client_request_id": info.get("client_request_id"), "request_id": info.get("trace_id"), "trace_id": info.get("trace_id"),
        "status": info.get("state"), "state": info.get("state"), "name": info.get("tags", {}).get("mlflow.traceName"),
        "timestamp": ms_of(info.get("request_time")), "timestamp_ms": ms_of(info.get("request_time")),
        "execution_time": dur, "execution_time_ms": dur, "run_id": info.get("trace_metadata", {}).get("mlflow.sourceRun"),
    }
    if key not in plain:
        raise ApiError(400, "INVALID_PARAMETER_VALUE", f"Invalid attribute key '{key}' specified.")
    return plain[key]

def matches(info, terms):
    for ent, key, op, val in terms:
        have = field(info, ent, key)
        if op in ("IN", "NOT IN"):
            hit = have in [v.strip().strip("'\"") for v in val.strip("()").split(",")]
            ok = hit == (op == "IN")
        else:
            want = val.strip("'\"")
            if isinstance(have, (int, float)):
                want = float(want)
            if have is None:
                ok = False
            elif op in ("LIKE", "ILIKE", "NOT LIKE"):
                rx = re.compile("^" + re.escape(want).replace("%", ".*").replace("_", ".") + "$", re.S | (re.I if op == "ILIKE" else 0))
                ok = bool(rx.match(str(have))) != (op == "NOT LIKE")
            elif op == "RLIKE":
                ok = bool(re.search(want, str(have)))
            else:
                ok = {"=": have == want, "!=": have != want, ">": have > want, "<": have < want,
                      ">=": have >= want, "<=": have <= want}[op]
        if not ok:
            return False
    return True

def run_search(infos, body):
    terms = parse_filter(body.get("filter") or "")
    found = [i for i in infos if matches(i, terms)]
    order = body.get("order_by") or ["timestamp_ms DESC"]
    for clause in reversed(order if isinstance(order, list) else [order]):
        key, _, way = clause.partition(" ")
        found.sort(key=lambda i: field(i, "attribute", key.replace("attributes.", "")) or 0, reverse=way.strip().upper() == "DESC")
    start = int(base64.b64decode(body["page_token"])) if body.get("page_token") else 0
    size = int(body.get("max_results") or 100)
    page = found[start:start + size]
    token = base64.b64encode(str(start + size).encode()).decode() if start + size < len(found) else None
    return page, token

# the workspace API

ROUTES = []

def route(method, pattern):
    def add(fn):
        ROUTES.append((method, re.compile("^" + pattern + "$"), fn))
        return fn
    return add


LOC, TID = r"(?P<loc>[^/]+\.[^/]+)", r"(?P<tid>[^/]+)"

def need_experiment(s, eid):
    exp = s.experiments.get(str(eid))
    if not exp:
        raise ApiError(404, "RESOURCE_DOES_NOT_EXIST", f"Node ID {eid} does not exist.")
    return exp

def check_allowed(s, exp):
    if {exp["experiment_id"], exp["name"]} & set(s.config["forbid_experiments"]):
        raise ApiError(403, "PERMISSION_DENIED", f"User does not have permission to edit experiment {exp['name']}.")

def check_location_allowed(s, loc):
    """A location is forbidden with an experiment that is linked to it."""
    for eid, full in s.linked.items():
        if full == loc:
            check_allowed(s, s.experiments[eid])

def check_reject(s, *ids):
    bad = {i.removeprefix("tr-") for i in s.config["reject_trace_ids"]}
    for i in ids:
        if i and i.removeprefix("tr-") in bad:
            raise ApiError(400, "INVALID_PARAMETER_VALUE", f"Trace {i} is rejected by this workspace.")

@route("GET", "/api/2.0/mlflow/experiments/get-by-name")
def exp_by_name(s, r):
    for e in s.experiments.values():
        if e["name"] == r.query.get("experiment_name") and e["lifecycle_stage"] == "active":
            return {"experiment": e}
    raise ApiError(404, "RESOURCE_DOES_NOT_EXIST", f"Could not find experiment with name '{r.query.get('experiment_name')}'")

@route("GET", "/api/2.0/mlflow/experiments/get")
def exp_get(s, r):
    return {"experiment": need_experiment(s, r.query.get("experiment_id"))}

@route("POST", "/api/2.0/mlflow/experiments/create")
def exp_create(s, r):
    name = r.body.get("name", "")
    if not name.startswith("/"):
        raise ApiError(400, "INVALID_PARAMETER_VALUE", f"Got an invalid experiment name '{name}'. An experiment name must be an absolute path within the Databricks workspace.")
    if any(e["name"] == name and (e["lifecycle_stage"] == "active" or not s.config["deleted_name_is_free"]) for e in s.experiments.values()):
        raise ApiError(400, "RESOURCE_ALREADY_EXISTS", f"Node named '{name}' already exists")
    eid, now = str(10**15 + len(s.experiments) + 1), int(time.time() * 1000)
    s.experiments[eid] = {
        "experiment_id": eid, "name": name, "artifact_location": f"dbfs:/databricks/mlflow-tracking/{eid}", "lifecycle_stage": "active",
        "creation_time": now, "last_update_time": now, "tags": list(r.body.get("tags", [])) + [{"key": "mlflow.experimentType", "value": "MLFLOW_EXPERIMENT"}]}
    return {"experiment_id": eid}

@route("POST", "/api/2.0/mlflow/experiments/search")
@route("GET", "/api/2.0/mlflow/experiments/search")
def exp_search(s, r):
    return {"experiments": [e for e in s.experiments.values() if e["lifecycle_stage"] == "active"]}

@route("POST", "/api/2.0/mlflow/experiments/set-experiment-tag")
def exp_tag(s, r):
    set_exp_tag(need_experiment(s, r.body["experiment_id"]), r.body["key"], r.body["value"])
    return {}

@route("POST", "/api/2.0/mlflow/experiments/delete")
def exp_delete(s, r):
    need_experiment(s, r.body["experiment_id"])["lifecycle_stage"] = "deleted"
    return {}

@route("POST", "/api/2.0/mlflow/experiments/restore")
def exp_restore(s, r):
    need_experiment(s, r.body["experiment_id"])["lifecycle_stage"] = "active"
    return {}

def set_exp_tag(exp, key, value):
    exp["tags"] = [t for t in exp["tags"] if t["key"] != key] + [{"key": key, "value": value}]

def with_assessments(s, key, info):
    info = copy.deepcopy(info)
    if s.assessments.get(key):
        info["assessments"] = list(s.assessments[key].values())
    return info

@route("POST", "/api/3.0/mlflow/traces")
def start_trace(s, r):
    info = (r.body.get("trace") or {}).get("trace_info")
    if not info or not info.get("trace_id"):
        raise ApiError(400, "INVALID_PARAMETER_VALUE", "Missing value for required parameter 'trace.trace_info.trace_id'.")
    tid = info["trace_id"]
    check_reject(s, tid)
    eid = info.get("trace_location", {}).get("mlflow_experiment", {}).get("experiment_id")
    exp = need_experiment(s, eid)
    check_allowed(s, exp)
    if exp["lifecycle_stage"] == "deleted":
        if s.config["deleted_experiment_status"] == 400:
            raise ApiError(400, "INVALID_PARAMETER_VALUE", f"The experiment {eid} must be in the 'active' state. Current state is deleted.")
        raise ApiError(404, "RESOURCE_DOES_NOT_EXIST", f"Node ID {eid} does not exist.")
    if tid in s.traces and s.config["start_trace_replay"] == "conflict":
        raise ApiError(409, "RESOURCE_ALREADY_EXISTS", f"Trace {tid} already exists.")
    s.note(tid, "start_trace")
    s.started.setdefault(tid, time.time())
    new = copy.deepcopy(info)
    merge_assessments(s, tid, new.pop("assessments", []))
    old = s.traces.get(tid, {})
    new["tags"] = {**old.get("tags", {}), **new.get("tags", {}),
                   "mlflow.artifactLocation": f"dbfs:/databricks/mlflow-tracking/{eid}/{tid}/artifacts"}
    new["trace_metadata"] = {**old.get("trace_metadata", {}), **new.get("trace_metadata", {})}
    s.traces[tid] = {**old, **new}
    return {"trace": {"trace_info": with_assessments(s, tid, s.traces[tid])}}

def is_searchable(s, key):
    return s.started.get(key, 0) <= time.time() - s.config["search_lag_s"]

def searchable(s):
    return [(tid, info) for tid, info in s.traces.items() if is_searchable(s, tid)]

def need_trace(s, tid):
    if tid not in s.traces:
        raise ApiError(404, "RESOURCE_DOES_NOT_EXIST", f"Trace with ID '{tid}' not found.")
    return s.traces[tid]

@route("POST", "/api/3.0/mlflow/traces/search")
def search_v3(s, r):
    ids = {l.get("mlflow_experiment", {}).get("experiment_id") for l in r.body.get("locations", [])}
    page, token = run_search([with_assessments(s, k, i) for k, i in searchable(s) if i["trace_location"]["mlflow_experiment"]["experiment_id"] in ids], r.body)
    return {"traces": page, **({"next_page_token": token} if token else {})}

@route("GET", f"/api/3.0/mlflow/traces/{TID}")
def trace_get(s, r, tid):
    return {"trace": {"trace_info": with_assessments(s, tid, need_trace(s, tid))}}

@route("PATCH", f"/api/[23].0/mlflow/traces/{TID}/tags")
def tag_set(s, r, tid):
    check_reject(s, tid)
    need_trace(s, tid).setdefault("tags", {})[r.body["key"]] = r.body["value"]
    s.note(tid, "set_tag")
    return {}

@route("DELETE", f"/api/[23].0/mlflow/traces/{TID}/tags")
def tag_del(s, r, tid):
    key = r.body.get("key") or r.query.get("key")
    if need_trace(s, tid).get("tags", {}).pop(key, None) is None:
        raise ApiError(404, "RESOURCE_DOES_NOT_EXIST", f"No trace tag with key '{key}' for trace with ID '{tid}'")
    s.note(tid, "delete_tag")
    return {}

@route("POST", "/api/2.0/mlflow/traces/delete-traces")
def traces_delete(s, r):
    n, doomed = 0, r.body.get("request_ids", [])
    if "max_timestamp_millis" in r.body:
        aged = sorted((ms_of(i.get("request_time")), tid) for tid, i in s.traces.items()
                      if i["trace_location"]["mlflow_experiment"]["experiment_id"] == r.body.get("experiment_id"))
        doomed = [tid for ms, tid in aged if ms <= int(r.body["max_timestamp_millis"])][:r.body.get("max_traces")]
    for tid in doomed:
        n += s.traces.pop(tid, None) is not None
        s.assessments.pop(tid, None)
        for path in [p for p in s.blobs if p.startswith(f"{tid}/")]:
            del s.blobs[path]
    return {"traces_deleted": n}

def signed_url(s, r, path, write):
    expires = int(time.time() + s.config["url_ttl_s"])
    sig = hmac.new(s.sign_key, f"{path}|{expires}|{int(write)}".encode(), hashlib.sha256).hexdigest()
    return f"{r.base}/__storage__/{path}?w={int(write)}&expires={expires}&sig={sig}"

@route("GET", f"/api/2.0/mlflow/traces/{TID}/credentials-for-data-(?P<way>upload|download)")
def credentials(s, r, tid, way):
    write = way == "upload"
    need_trace(s, tid)
    check_reject(s, tid)
    path = f"{tid}/artifacts/{r.query.get('path') or 'traces.json'}"
    kind = {"aws": "AWS_PRESIGNED_URL", "gcp": "GCP_SIGNED_URL", "azure": "AZURE_SAS_URI", "adls": "AZURE_ADLS_GEN2_SAS_URI"}[s.config["cloud"]]
    headers = [{"name": "x-amz-server-side-encryption", "value": "AES256"}] if kind == "AWS_PRESIGNED_URL" and write else []
    s.counts["credentials"] += 1
    return {"credential_info": {"path": path, "signed_uri": signed_url(s, r, path, write), "headers": headers, "type": kind}}

def store_assessment(s, key, a):
    a = copy.deepcopy(a)
    aid = a.get("assessment_id")
    if not a.get("feedback") and not a.get("expectation"):
        raise ApiError(400, "INVALID_PARAMETER_VALUE", "An assessment needs a feedback or an expectation.")
    if s.config["assessment_ids"] == "server":
        aid = None
    if aid and aid in s.assessments.get(key, {}):
        if s.config["assessment_replay_status"] == 500:
            raise ApiError(500, "INTERNAL_ERROR", "UNIQUE constraint violation: assessments.assessment_id")
        raise ApiError(409, "RESOURCE_ALREADY_EXISTS", f"Assessment {aid} already exists.")
    if a.get("overrides"):  # as the open-source server does
        need_assessment(s, key, a["overrides"])["valid"] = False
    a["assessment_id"] = aid or "a-" + uuid.uuid4().hex
    a.setdefault("create_time", iso())
    a.setdefault("last_update_time", a["create_time"])
    if a.get("overrides") in s.assessments.get(key, {}):
        s.assessments[key][a["overrides"]]["valid"] = False
    s.assessments.setdefault(key, {})[a["assessment_id"]] = a
    s.note(key, "assessment")
    return a

def merge_assessments(s, key, told):
    """Those of a trace info: by their id."""
    for a in told:
        if a.get("assessment_id") not in s.assessments.get(key, {}):
            store_assessment(s, key, a)

def delete_assessment(s, key, aid):
    gone = s.assessments.get(key, {}).pop(aid, None)
    if gone and gone.get("overrides") in s.assessments[key]:
        s.assessments[key][gone["overrides"]]["valid"] = True
    return {}

def need_assessment(s, key, aid):
    if aid not in s.assessments.get(key, {}):
        raise ApiError(404, "RESOURCE_DOES_NOT_EXIST", f"Assessment with ID '{aid}' not found for trace '{key}'")
    return s.assessments[key][aid]

def patch_assessment(s, key, aid, change, mask):
    have = need_assessment(s, key, aid)
    for name in filter(None, mask.split(",")):
        name = re.sub(r"(?<!^)([A-Z])", lambda m: "_" + m[1].lower(), name.strip())  # JSON field masks are camelCase
        have[name] = change.get(name)
    have["last_update_time"] = iso()
    return have

@route("POST", f"/api/3.0/mlflow/traces/{TID}/assessments")
def a3_create(s, r, tid):
    need_trace(s, tid)
    check_reject(s, tid)
    return {"assessment": store_assessment(s, tid, r.body["assessment"])}

@route("(GET|PATCH|DELETE)", f"/api/3.0/mlflow/traces/{TID}/assessments/(?P<aid>[^/]+)")
def a3_one(s, r, tid, aid):
    if r.method == "PATCH":
        return {"assessment": patch_assessment(s, tid, aid, r.body["assessment"], r.body.get("update_mask", ""))}
    if r.method == "DELETE":
        return delete_assessment(s, tid, aid)
    return {"assessment": need_assessment(s, tid, aid)}

# Unity Catalog tables

def table_prefix(s, r, key="uc_table_prefix"):
    loc = dict(r.body.get(key) or {})
    if not loc.get("catalog_name") or not loc.get("schema_name"):
        raise ApiError(400, "INVALID_PARAMETER_VALUE", f"{key} needs catalog_name and schema_name")
    base = f"{loc['catalog_name']}.{loc['schema_name']}"
    if key == "uc_schema":
        return base, {**loc, "otel_spans_table_name": "mlflow_experiment_trace_otel_spans", "otel_logs_table_name": "mlflow_experiment_trace_otel_logs"}
    full = f"{base}.{loc['table_prefix']}"
    for what in ("spans", "logs", "metrics", "annotations"):
        loc[f"{what}_table_name"] = f"{full}_otel_{what}"
    loc["location_id"] = loc.get("location_id") or str(uuid.uuid5(uuid.NAMESPACE_URL, full))
    return full, loc

@route("POST", "/api/[45].0/mlflow/tracing/locations")
def loc_create(s, r):
    full, loc = table_prefix(s, r)
    s.locations[full] = loc
    return {"uc_table_prefix": loc}

@route("GET", "/api/[45].0/mlflow/tracing/locations/(?P<lid>[^/]+)")
def loc_get(s, r, lid):
    for loc in s.locations.values():
        if loc["location_id"] == lid:
            return {"uc_table_prefix": loc}
    raise ApiError(404, "RESOURCE_DOES_NOT_EXIST", f"Location {lid} does not exist.")

@route("POST", "/api/[45].0/mlflow/experiments/(?P<eid>[^/]+)/trace-location:link")
def loc_link(s, r, eid):
    full, loc = table_prefix(s, r)
    exp = need_experiment(s, eid)
    if full not in s.locations:
        raise ApiError(404, "RESOURCE_DOES_NOT_EXIST", f"Location {full} does not exist.")
    s.linked[eid] = full
    set_exp_tag(exp, "mlflow.experiment.databricksTraceDestinationPath", full)
    set_exp_tag(exp, "mlflow.experiment.databricksTraceSpanStorageTable", s.locations[full]["spans_table_name"])
    return {}

@route("POST", "/api/4.0/mlflow/traces/location")
def loc4_create(s, r):
    full, loc = table_prefix(s, r, "uc_schema")
    if full in s.locations:
        raise ApiError(409, "ALREADY_EXISTS", f"Location {full} already exists.")
    s.locations[full] = {**loc, "location_id": full, "spans_table_name": f"{full}.{loc['otel_spans_table_name']}"}
    return {"uc_schema": loc}

@route("POST", "/api/4.0/mlflow/traces/(?P<eid>[^/.]+)/(?:un)?link-location")
def loc4_link(s, r, eid):
    need_experiment(s, eid)
    s.linked[eid] = table_prefix(s, r, "uc_schema")[0]
    return {}

@route("GET", "/api/2.0/sql/warehouses/(?P<wid>[^/]+)")
def warehouse(s, r, wid):
    return {"id": wid, "name": wid, "state": "RUNNING"}

def span_json(span):
    return MessageToDict(span, preserving_proto_field_name=True)

@route("POST", "/api/2.0/otel/v1/traces")
def otel_ingest(s, r):
    table = r.headers.get("X-Databricks-UC-Table-Name")
    if not table:
        raise ApiError(400, "INVALID_PARAMETER_VALUE", "Missing header X-Databricks-UC-Table-Name")
    full = next((k for k, l in s.locations.items() if l.get("spans_table_name") == table), None)
    if full is None:
        raise ApiError(404, "NOT_FOUND", f"Table '{table}' does not exist.")
    check_location_allowed(s, full)
    if r.content_type not in ("application/x-protobuf", "application/json"):
        raise ApiError(400, "INVALID_PARAMETER_VALUE", f"Unsupported Content-Type {r.content_type!r}")
    req = ExportTraceServiceRequest()
    try:
        req.ParseFromString(r.raw)
    except Exception:
        raise ApiError(400, "INVALID_PARAMETER_VALUE", "The body is not an ExportTraceServiceRequest.")
    rejected, rows = 0, []
    for rs in req.resource_spans:
        for ss in rs.scope_spans:
            for span in ss.spans:
                ok = len(span.trace_id) == 16 and len(span.span_id) == 8 and span.name not in s.config["reject_span_names"] \
                    and span.trace_id.hex() not in {i.removeprefix("tr-") for i in s.config["reject_trace_ids"]}
                if ok:
                    rows.append((full, span.trace_id.hex(), span, rs.resource))
                else:
                    rejected += 1
    if rejected and not s.config["strict_partial"]:
        raise ApiError(400, "INVALID_PARAMETER_VALUE", f"{rejected} invalid spans")
    for loc, tid, span, res in rows:
        s.started.setdefault(f"{loc}/{tid}", time.time())
        s.uc_rows.setdefault((loc, tid), []).append((span, res))
        s.note(f"{loc}/{tid}", "spans")
    r.rows, r.traces = len(rows), {tid for _, tid, _, _ in rows}
    resp = ExportTraceServiceResponse()
    if rejected:
        resp.partial_success.rejected_spans = rejected
        resp.partial_success.error_message = f"{rejected} spans were rejected"
    return ("application/x-protobuf", resp.SerializeToString())

def uc_spans(s, loc, tid):
    seen = {}
    for i, (span, _) in enumerate(s.uc_rows.get((loc, tid), [])):
        seen[span.span_id if s.config["uc_read_dedupe"] else i] = span
    return list(seen.values())

def uc_info(s, loc, tid):
    key = f"{loc}/{tid}"
    spans = uc_spans(s, loc, tid)
    info = s.uc_infos.get((loc, tid))
    if info is None:
        if not spans:
            return None
        root = next((x for x in spans if not x.parent_span_id), None)
        first, last = min(x.start_time_unix_nano for x in spans), max(x.end_time_unix_nano for x in spans)
        parts = loc.split(".")
        where = {"type": "UC_TABLE_PREFIX", "uc_table_prefix": dict(zip(("catalog_name", "schema_name", "table_prefix"), parts))} if len(parts) == 3 \
            else {"type": "UC_SCHEMA", "uc_schema": dict(zip(("catalog_name", "schema_name"), parts))}
        info = {"trace_id": tid, "trace_location": where, "request_time": iso(first / 1e9), "execution_duration": f"{max(last - first, 0) / 1e9:.3f}s",
                "state": "IN_PROGRESS" if root is None else "ERROR" if root.status.code == 2 else "OK",
                "tags": {"mlflow.traceName": root.name} if root is not None else {}, "trace_metadata": {}}
    return with_assessments(s, key, info)

@route("POST", f"/api/4.0/mlflow/traces/{LOC}/{TID}/info")
def v4_info(s, r, loc, tid):
    check_reject(s, tid)
    if loc not in s.locations:
        raise ApiError(404, "RESOURCE_DOES_NOT_EXIST", f"Location {loc} does not exist.")
    check_location_allowed(s, loc)
    if (loc, tid) in s.uc_infos and s.config["start_trace_replay"] == "conflict":
        raise ApiError(409, "ALREADY_EXISTS", f"Trace {tid} already exists in {loc}.")
    info = copy.deepcopy(r.body)
    merge_assessments(s, f"{loc}/{tid}", info.pop("assessments", []))
    s.started.setdefault(f"{loc}/{tid}", time.time())
    old = s.uc_infos.get((loc, tid), {})
    s.uc_infos[(loc, tid)] = {**old, **info, "trace_id": tid, "tags": {**old.get("tags", {}), **info.get("tags", {})}}
    s.note(f"{loc}/{tid}", "v4_info")
    return s.uc_infos[(loc, tid)]

def need_uc(s, loc, tid):
    info = uc_info(s, loc, tid)
    if info is None:
        raise ApiError(404, "RESOURCE_DOES_NOT_EXIST", f"Trace {tid} not found in {loc}.")
    return info

@route("GET", f"/api/4.0/mlflow/traces/{LOC}/{TID}/info")
def v4_get(s, r, loc, tid):
    return {"trace": {"trace_info": need_uc(s, loc, tid)}}

@route("GET", f"/api/4.0/mlflow/traces/{LOC}/batchGet")
def v4_batch(s, r, loc):
    out = []
    for tid in r.multi.get("trace_ids", []):
        info = uc_info(s, loc, tid)
        if info and s.uc_rows.get((loc, tid)):
            out.append({"trace_info": info, "spans": [span_json(x) for x in uc_spans(s, loc, tid)]})
    return {"traces": out}

@route("PATCH", f"/api/4.0/mlflow/traces/{LOC}/{TID}/tags")
def v4_tag(s, r, loc, tid):
    s.uc_infos[(loc, tid)] = info = need_uc(s, loc, tid)
    info.setdefault("tags", {})[r.body["key"]] = r.body["value"]
    info.pop("assessments", None)
    s.note(f"{loc}/{tid}", "set_tag")
    return {}

@route("DELETE", f"/api/4.0/mlflow/traces/{LOC}/{TID}/tags/(?P<key>[^/]+)")
def v4_tag_del(s, r, loc, tid, key):
    s.uc_infos.setdefault((loc, tid), need_uc(s, loc, tid)).get("tags", {}).pop(unquote(key), None)
    return {}

@route("POST", "/api/4.0/mlflow/traces/search-long-running")
@route("POST", "/api/4.0/mlflow/traces/search")
def v4_search(s, r):
    infos = []
    for l in r.body.get("locations", []):
        if exp := l.get("mlflow_experiment"):
            if not s.config["v4_search_experiments"]:
                raise ApiError(400, "INVALID_PARAMETER_VALUE", "MLFLOW_EXPERIMENT locations not yet supported")
            infos += [with_assessments(s, k, i) for k, i in searchable(s) if i["trace_location"]["mlflow_experiment"]["experiment_id"] == exp["experiment_id"]]
        else:
            uc = l.get("uc_table_prefix") or l.get("uc_schema")
            loc = ".".join(filter(None, (uc["catalog_name"], uc["schema_name"], uc.get("table_prefix"))))
            infos += [uc_info(s, *k) for k in {*s.uc_infos, *s.uc_rows} if k[0] == loc and is_searchable(s, "/".join(k))]
            s.warehouses.append(r.body.get("sql_warehouse_id"))
    page, token = run_search(infos, r.body)
    result = {"trace_infos": page, **({"next_page_token": token} if token else {})}
    if r.path.endswith("/search"):
        return result
    name = "op-" + uuid.uuid4().hex[:8]
    s.operations[name] = [s.config["search_pending_polls"], {"name": name, "done": True, "response": result}]
    return {"name": name, "done": False} if s.config["search_pending_polls"] else s.operations[name][1]

@route("GET", "/api/4.0/mlflow/traces/search/operations/(?P<name>[^/]+)")
def v4_poll(s, r, name):
    op = s.operations.get(name)
    if not op:
        raise ApiError(404, "RESOURCE_DOES_NOT_EXIST", f"Operation {name} not found")
    op[0] -= 1
    return op[1] if op[0] <= 0 else {"name": name, "done": False}

@route("POST", f"/api/4.0/mlflow/traces/{LOC}/{TID}/assessments")
def a4_create(s, r, loc, tid):
    need_uc(s, loc, tid)
    return store_assessment(s, f"{loc}/{tid}", r.body)

@route("(GET|PATCH|DELETE)", f"/api/4.0/mlflow/traces/{LOC}/{TID}/assessments/(?P<aid>[^/]+)")
def a4_one(s, r, loc, tid, aid):
    key = f"{loc}/{tid}"
    aid, _, stray = aid.partition("&")  # the client sends "ID&update_mask=…" when it has no warehouse id
    if r.method == "PATCH":
        return patch_assessment(s, key, aid, r.body, r.query.get("update_mask") or dict(parse_qsl(stray)).get("update_mask", ""))
    if r.method == "DELETE":
        return delete_assessment(s, key, aid)
    return need_assessment(s, key, aid)

# OAuth, object storage, admin

def oauth_metadata(s, r):
    return {"authorization_endpoint": f"{r.base}/oidc/v1/authorize", "token_endpoint": f"{r.base}/oidc/v1/token", "issuer": f"{r.base}/oidc"}

def oauth_token(s, r):
    form = dict(parse_qsl(r.raw.decode()))
    auth = r.headers.get("Authorization", "")
    if auth.startswith("Basic "):
        cid, _, secret = base64.b64decode(auth[6:]).decode().partition(":")
        cid, secret = unquote(cid), unquote(secret)
    else:
        cid, secret = form.get("client_id"), form.get("client_secret")
    if form.get("grant_type") != "client_credentials":
        return 400, {"error": "unsupported_grant_type", "error_description": "grant_type must be client_credentials"}
    if (cid, secret) != (s.config["client_id"], s.config["client_secret"]):
        return 401, {"error": "invalid_client", "error_description": "Client authentication failed"}
    token = "oauth-" + uuid.uuid4().hex
    s.oauth[token] = time.time() + s.config["token_ttl_s"]
    s.counts["oauth_tokens"] += 1
    return 200, {"access_token": token, "token_type": "Bearer", "expires_in": int(s.config["token_ttl_s"]), "scope": form.get("scope", "all-apis")}

def authenticate(s, r):
    auth = r.headers.get("Authorization", "")
    if not auth.startswith("Bearer "):
        raise ApiError(401, "UNAUTHENTICATED", "Credential was not sent or was of an unsupported type for this API.")
    token = auth[7:]
    if token in s.config["tokens"] or s.oauth.get(token, 0) > r.arrived:
        return
    if token.startswith("oauth-"):
        raise ApiError(s.config["expired_oauth_status"], "UNAUTHENTICATED", "Access token is expired or invalid.", {"WWW-Authenticate": 'Bearer realm="DatabricksRealm"'})
    raise ApiError(s.config["bad_pat_status"], "PERMISSION_DENIED", "Invalid access token.")

def limit_rate(s, key):
    if not s.config[key]:
        return
    now = int(time.time())
    second, count = s.windows.get(key, (now, 0))
    s.windows[key] = (now, count + 1 if second == now else 1)
    if s.windows[key][1] > s.config[key]:
        raise ApiError(429, "REQUEST_LIMIT_EXCEEDED", "Rate limit exceeded", {"Retry-After": "1"})

def storage(s, r):
    path = unquote(r.path[len("/__storage__/"):])
    write, expires = r.query.get("w"), int(r.query.get("expires") or 0)
    sig = hmac.new(s.sign_key, f"{path}|{expires}|{write}".encode(), hashlib.sha256).hexdigest()
    xml = "<?xml version='1.0'?><Error><Code>{}</Code><Message>{}</Message></Error>"
    if not hmac.compare_digest(sig, r.query.get("sig", "")):
        return 403, "application/xml", xml.format("SignatureDoesNotMatch", "bad signature").encode(), {}
    if expires < time.time():
        return 403, "application/xml", xml.format("AccessDenied", "Request has expired").encode(), {}
    tid = path.split("/", 1)[0]

    def done(data):
        s.blobs[path] = data
        s.note(tid, "upload")

    if r.method in ("GET", "HEAD"):
        if path not in s.blobs:
            return 404, "application/xml", xml.format("NoSuchKey", path).encode(), {}
        return 200, "application/json", s.blobs[path], {"ETag": '"%s"' % hashlib.md5(s.blobs[path]).hexdigest()}
    if write != "1":
        return 403, "application/xml", xml.format("AccessDenied", "read-only").encode(), {}
    if s.config["max_blob_bytes"] and len(r.raw) > s.config["max_blob_bytes"]:
        return 413, "application/xml", xml.format("RequestBodyTooLarge", "The body is too large").encode(), {}
    cloud = s.config["cloud"]
    if cloud == "azure":
        comp = r.query.get("comp")
        if comp == "block":
            s.blocks.setdefault(path, {})[r.query["blockid"]] = r.raw
        elif comp == "blocklist":
            ids = re.findall(r"<(?:Uncommitted|Latest)>([^<]+)<", r.raw.decode())
            done(b"".join(s.blocks.get(path, {})[i] for i in ids))
        elif r.headers.get("x-ms-blob-type") == "BlockBlob":
            done(r.raw)
        else:
            return 400, "application/xml", xml.format("MissingRequiredHeader", "x-ms-blob-type").encode(), {}
        return 201, "application/xml", b"", {}
    if cloud == "adls":
        if r.method == "PUT" and r.query.get("resource") == "file":
            s.blocks[path] = b""
            return 201, "application/xml", b"", {}
        if r.method == "PATCH" and r.query.get("action") == "append":
            s.blocks[path] = s.blocks.get(path, b"")[:int(r.query.get("position", 0))] + r.raw
            if r.query.get("flush") == "true":
                done(s.blocks[path])
            return 202, "application/xml", b"", {}
        if r.method == "PATCH" and r.query.get("action") == "flush":
            done(s.blocks.get(path, b""))
            return 200, "application/xml", b"", {}
        return 400, "application/xml", b"", {}
    if r.method != "PUT":
        return 405, "application/xml", b"", {}
    if r.headers.get("Authorization"):
        return 400, "application/xml", xml.format("InvalidArgument", "Only one auth mechanism allowed").encode(), {}
    if cloud == "aws" and r.headers.get("x-amz-server-side-encryption") != "AES256":
        return 403, "application/xml", xml.format("SignatureDoesNotMatch", "a signed header is missing").encode(), {}
    done(r.raw)
    return 200, "application/xml", b"", {"ETag": '"%s"' % hashlib.md5(r.raw).hexdigest()}

def received(s):
    out = {}
    for key, writes in s.writes.items():
        out[key] = {"writes": dict(writes)}
    for tid, info in s.traces.items():
        row = out.setdefault(tid, {})
        row["state"], row["experiment_id"] = info.get("state"), info["trace_location"]["mlflow_experiment"]["experiment_id"]
        row["info"] = with_assessments(s, tid, info)
        blob = s.blobs.get(f"{tid}/artifacts/traces.json")
        if blob is not None:
            try:
                row["spans"] = [sp.get("name") for sp in json.loads(blob)["spans"]]
                row["span_ids"] = [base64.b64decode(sp["span_id"]).hex() for sp in json.loads(blob)["spans"]]
            except (ValueError, KeyError) as e:
                row["bad_blob"] = str(e)
    for (loc, tid), rows in s.uc_rows.items():
        row = out.setdefault(f"{loc}/{tid}", {})
        ids = Counter(sp.span_id.hex() for sp, _ in rows)
        row["spans"], row["span_ids"] = [sp.name for sp, _ in rows], list(ids)
        row["duplicate_spans"] = sum(n - 1 for n in ids.values())
    for (loc, tid), info in s.uc_infos.items():
        out.setdefault(f"{loc}/{tid}", {})["info"] = info
    return out

def stats(s):
    got = received(s)
    return {
        "counts": dict(s.counts), "traces": len(s.traces), "uc_traces": len({*s.uc_rows, *s.uc_infos}),
        "traces_without_spans": sum(1 for t in s.traces if f"{t}/artifacts/traces.json" not in s.blobs),
        "uc_spans_distinct": sum(len(v["span_ids"]) for k, v in got.items() if "/" in k and "span_ids" in v),
        "duplicates": {"start_trace": sum(max(w["start_trace"] - 1, 0) for w in s.writes.values()), "upload": sum(max(w["upload"] - 1, 0) for w in s.writes.values()),
                       "v4_info": sum(max(w["v4_info"] - 1, 0) for w in s.writes.values()), "uc_spans": sum(v.get("duplicate_spans", 0) for v in got.values())},
        "statuses": dict(Counter(str(q["status"]) for q in s.requests)), "requests": len(s.requests)}

def admin(s, r):
    what = r.path[len("/__fake__/"):]
    views = {"stats": stats, "received": received, "requests": lambda s: s.requests, "experiments": lambda s: s.experiments}
    if what in views:
        return views[what](s)
    if what == "reset":
        s.reset()
        s.faults, s.outage = [], None
        return {}
    if what == "expire_tokens":
        s.oauth.clear()
        s.sign_key = uuid.uuid4().bytes
        return {}
    if what == "outage":
        s.outage = (r.body.get("mode") or 503) if r.body.get("on") else None
        return {"outage": s.outage}
    if what == "config":
        if r.method == "POST":
            unknown = set(r.body) - set(CONFIG)
            if unknown:
                raise ApiError(400, "BAD_REQUEST", f"unknown config keys {sorted(unknown)}")
            s.config.update(r.body)
        return s.config
    if what == "faults":
        if r.method == "DELETE":
            s.faults = []
        elif r.method == "POST":
            for f in r.body if isinstance(r.body, list) else [r.body]:
                s.faults.append({"match": ".*", "count": 1, **f})
        return s.faults
    raise ApiError(404, "NOT_FOUND", f"no admin call {what!r}")

class Request:
    def __init__(self, handler, raw):
        self.method, self.headers, self.raw = handler.command, handler.headers, raw
        self.wire_bytes, self.arrived, self.rows, self.traces = len(raw), 0.0, 0, set()
        u = urlsplit(handler.path)
        self.target, self.path = handler.path, u.path
        self.query, self.multi = dict(parse_qsl(u.query, keep_blank_values=True)), parse_qs(u.query)
        secure = handler.server.tls or handler.headers.get("X-Forwarded-Proto") == "https"
        self.base = f"{'https' if secure else 'http'}://{handler.headers.get('Host')}"
        self.content_type = (handler.headers.get("Content-Type") or "").split(";")[0].strip()
        self.body = {}
        if handler.headers.get("Content-Encoding") == "gzip" and self.path.endswith("/v1/traces"):
            self.raw = gzip.decompress(raw)  # nowhere else: whether the JSON APIs take it is not known

    def parse(self):
        if self.raw and self.content_type == "application/json":
            try:
                self.body = json.loads(self.raw)
            except ValueError:
                raise ApiError(400, "MALFORMED_REQUEST", "Invalid JSON given in the body of the request")

class Handler(BaseHTTPRequestHandler):
    protocol_version, state = "HTTP/1.1", None

    def log_message(self, fmt, *args):
        pass

    def read_body(self):
        if "chunked" in (self.headers.get("Transfer-Encoding") or ""):
            out = b""
            while n := int(self.rfile.readline().split(b";")[0], 16):
                out += self.rfile.read(n)
                self.rfile.readline()
            self.rfile.readline()
            return out
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def dispatch(self, s, r):
        """One request to (status, content type, body, headers)."""
        def as_json(obj, status=200, headers=None):
            return status, "application/json", json.dumps(obj).encode(), headers or {}

        try:
            if r.path == "/oidc/v1/token" and r.method == "POST":
                status, obj = oauth_token(s, r)
                return as_json(obj, status)
            r.parse()
            if r.path.startswith("/__fake__/"):
                return as_json(admin(s, r))
            if r.path == "/oidc/.well-known/oauth-authorization-server":
                return as_json(oauth_metadata(s, r))
            if r.path.startswith("/__storage__/"):
                return storage(s, r)
            if r.path == "/.well-known/databricks-config":
                return as_json({"oidc_endpoint": f"{r.base}/oidc", "workspace_id": s.config["workspace_id"], "cloud": "aws"})
            authenticate(s, r)
            if s.config["max_body_bytes"] and len(r.raw) > s.config["max_body_bytes"]:
                raise ApiError(413, "MAX_REQUEST_SIZE_EXCEEDED", f"The request is larger than {s.config['max_body_bytes']} bytes")
            limit_rate(s, "requests_per_s")
            if (r.method, r.path) == ("POST", "/api/3.0/mlflow/traces"):
                limit_rate(s, "creations_per_s")
            for method, pattern, fn in ROUTES:
                m = pattern.match(r.path)
                if m and re.fullmatch(method, r.method):
                    out = fn(s, r, **m.groupdict())
                    if isinstance(out, tuple):
                        return 200, out[0], out[1], {}
                    return as_json(out)
            raise ApiError(404, "ENDPOINT_NOT_FOUND", f"No API found for '{r.method} {r.path}'")
        except ApiError as e:
            return as_json({"error_code": e.code, "message": e.message}, e.status, e.headers)

    def take_fault(self, s, r):
        for f in s.faults:
            if f["count"] != 0 and re.search(f["match"], f"{r.method} {r.path}"):
                f["count"] -= 1
                return f
        return None

    def hang_up(self):
        self.close_connection = True
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def asker_is_gone(self):
        """It did not wait that long: what it asked for happens all the same, after what it has asked for since."""
        try:
            return self.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
        except (BlockingIOError, ValueError):  # it is there; nobody can look ahead in TLS
            return False
        except OSError:
            return True

    def handle_any(self):
        s = self.state
        arrived = time.time()
        raw = self.read_body()
        try:
            r = Request(self, raw)
            r.arrived = arrived  # a token is good or not when a request comes, however long its body takes
        except OSError:
            return self.answer(400, "application/json", b'{"error_code":"BAD_REQUEST","message":"bad gzip"}', {})
        isadmin = r.path.startswith("/__fake__/")
        with LOCK:
            fault = None if isadmin else self.take_fault(s, r)
            if not isadmin and fault is None and s.outage:
                fault = {"drop": "before"} if s.outage == "drop" else {"status": int(s.outage)}
        fault = fault or {}
        entry = {"t": round(time.time(), 3), "began": time.monotonic(), "method": r.method, "path": r.target, "bytes": r.wire_bytes, "status": None, "fault": fault or None,
                 "user_agent": r.headers.get("User-Agent"), "sha256": hashlib.sha256(r.raw).hexdigest()[:16]}
        if not isadmin:
            with LOCK:
                s.requests.append(entry)
        if fault.get("delay_s"):
            time.sleep(fault["delay_s"])
        if fault.get("drop") == "before":
            entry["status"] = "dropped"
            return self.hang_up()
        if "status" in fault and not fault.get("process"):
            body = fault.get("body", {"error_code": "TEMPORARILY_UNAVAILABLE", "message": "injected fault"})
            out = (fault["status"], fault.get("content_type", "application/json"), body.encode() if isinstance(body, str) else json.dumps(body).encode(), dict(fault.get("headers", {})))
        else:
            with LOCK:
                entry["late"] = self.asker_is_gone()
                out = self.dispatch(s, r)
            if r.path == "/api/3.0/mlflow/traces":
                entry["trace_id"] = r.body.get("trace", {}).get("trace_info", {}).get("trace_id")
            if r.rows:  # of a table
                entry["rows"], entry["traces"], entry["stored"] = r.rows, sorted(r.traces), time.monotonic()
            if "status" in fault:
                out = (fault["status"], out[1], out[2], {**out[3], **fault.get("headers", {})})
        if fault.get("drop") == "after":
            entry["status"] = f"{out[0]} (answer dropped)"
            return self.hang_up()
        entry["status"], entry["answered"] = out[0], time.monotonic()
        self.answer(*out, truncate=fault.get("truncate"))

    def answer(self, status, ctype, body, headers, truncate=None):
        self.send_response(status)
        self.send_header("Content-Type", ctype)
        for k, v in {"Content-Length": len(body), **headers}.items():
            self.send_header(k, str(v))
        self.end_headers()
        if self.command == "HEAD":
            return
        if truncate is not None:
            self.wfile.write(body[:truncate])
            self.wfile.flush()
            return self.hang_up()
        try:
            self.wfile.write(body)
        except OSError:
            self.close_connection = True  # who asked is gone

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = handle_any

class Server(ThreadingHTTPServer):
    daemon_threads, request_queue_size, tls = True, 128, None

    def finish_request(self, request, client_address):
        """The handshake is the connection's own thread's business: a peer that never greets holds nobody up."""
        if self.tls:
            try:
                request = self.tls.wrap_socket(request, server_side=True)
            except OSError:
                return
        super().finish_request(request, client_address)

def serve(port=0, host="127.0.0.1", tls=None, **config):
    """Start in a background thread; returns the server (its .state, .url and .shutdown()). tls: an ssl.SSLContext."""
    state = State({**copy.deepcopy(CONFIG), **config})
    server = Server((host, port), type("BoundHandler", (Handler,), {"state": state}))
    server.state, server.tls = state, tls
    server.url = f"{'https' if tls else 'http'}://{'localhost' if tls else host}:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server

def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--host", default="127.0.0.1")
    p.add_argument("--port", type=int, default=8900)
    p.add_argument("--token", action="append", help="a valid personal access token (repeatable; default: x)")
    p.add_argument("--client-id", default=CONFIG["client_id"])
    p.add_argument("--client-secret", default=CONFIG["client_secret"])
    p.add_argument("--token-ttl", type=float, default=CONFIG["token_ttl_s"])
    p.add_argument("--url-ttl", type=float, default=CONFIG["url_ttl_s"])
    p.add_argument("--cloud", choices=("aws", "gcp", "azure", "adls"), default="aws")
    a = p.parse_args()
    server = serve(a.port, a.host, tokens=a.token or CONFIG["tokens"], client_id=a.client_id, client_secret=a.client_secret,
                   token_ttl_s=a.token_ttl, url_ttl_s=a.url_ttl, cloud=a.cloud)
    print(f"fake workspace on {server.url}", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
