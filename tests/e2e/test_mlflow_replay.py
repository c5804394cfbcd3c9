"""Recorded traffic of MLflow's client, replayed against the daemon alone: the same status, the same members and types
in the JSON, the same error_code. (What ids are minted differs, and with them what comes after names ours.)"""
import base64
import json
import pathlib
import re
import urllib.parse

import pytest

GOLDEN = pathlib.Path(__file__).parents[1] / "golden" / "mlflow_api"
# Of errors, what one release of the open-source server adds; of expectations, what it says and the fake workspace does not.
SERVERS_OWN = {"sqlstate", "error_class", "valid"}
# The names under these are data: the trace's own, or those of a cloud's storage.
DATA = {"trace_metadata", "tags", "headers"}


class Ids:
    """The recorded ids that the daemon gave others for, and recorded addresses of files."""

    def __init__(self):
        self.ours = {}
        self.addresses = {}

    def learn(self, recorded, answered):
        if isinstance(recorded, dict) and isinstance(answered, dict):
            for key in recorded.keys() & answered.keys():
                if key in ("experiment_id", "assessment_id") and recorded[key] != answered[key]:
                    self.ours[recorded[key]] = answered[key]
                if key == "signed_uri":
                    path = urllib.parse.urlsplit(recorded[key])
                    self.addresses[f"{path.path}?{path.query}"] = answered[key]
                self.learn(recorded[key], answered[key])

    def in_path(self, path):
        if path in self.addresses:
            address = urllib.parse.urlsplit(self.addresses[path])
            return f"{address.path}?{address.query}"
        return re.sub(r"(?<=[/=])([\w-]+)(?=[/&:?]|$)", lambda m: self.ours.get(m[1], m[1]), path)

    def in_body(self, body):
        if isinstance(body, dict):
            return {k: self.ours.get(v, v) if isinstance(v, str) and k.endswith("_id") else self.in_body(v) for k, v in body.items()}
        return [self.in_body(v) for v in body] if isinstance(body, list) else body


def body_of(exchange, ids):
    recorded = exchange["request"] or {}
    if "json" in recorded:
        return json.dumps(ids.in_body(recorded["json"])).encode()
    if "base64" in recorded:
        return base64.b64decode(recorded["base64"])
    return recorded["text"].encode() if "text" in recorded else None


def shape(value, key=""):
    if key in DATA:
        return "data"
    if isinstance(value, dict):
        own = SERVERS_OWN | {"tags"} if "lifecycle_stage" in value else SERVERS_OWN  # an experiment may have none
        return {k: shape(v, k) for k, v in value.items() if k not in own}
    if isinstance(value, list):
        in_order = sorted(value, key=lambda s: s["span_id"]) if key == "spans" else value
        return [shape(v) for v in in_order]
    if key == "int_value" or key.endswith("_nano"):
        return "integer"  # which protobuf's JSON writes as a number or as a string
    return "number" if isinstance(value, (int, float)) and not isinstance(value, bool) else type(value).__name__


def same_shape(answered, recorded, where=""):
    """Every difference, in a sentence."""
    if isinstance(recorded, dict) and isinstance(answered, dict):
        for key in sorted(recorded.keys() | answered.keys()):
            if key not in answered or key not in recorded:
                yield f"{where}.{key} is only {'recorded' if key in recorded else 'answered'}"
            else:
                yield from same_shape(answered[key], recorded[key], f"{where}.{key}")
    elif isinstance(recorded, list) and isinstance(answered, list):
        if len(recorded) != len(answered):
            yield f"{where} has {len(answered)} elements, recorded {len(recorded)}"
        for i, (a, r) in enumerate(zip(answered, recorded)):
            yield from same_shape(a, r, f"{where}[{i}]")
    elif answered != recorded:
        yield f"{where} is {answered}, recorded {recorded}"


def is_search(path):
    """Searches are held against the real server and the fake workspace elsewhere; an experiment search lists all there are."""
    return "search" in path


@pytest.mark.parametrize("flow, spans", [("oss_seed_flow", 6), ("databricks_v3", 3), ("databricks_uc", 3), ("databricks_oauth", 1)])
def test_a_recorded_flow_is_answered_alike(daemon, flow, spans):
    d = daemon()
    ids, troubles, replayed = Ids(), [], 0
    for exchange in json.loads((GOLDEN / f"{flow}.json").read_text()):
        if is_search(exchange["path"]):
            continue
        path = ids.in_path(exchange["path"])
        headers = {k: ids.ours.get(v, v) for k, v in exchange["headers"].items()}
        status, _, text = d.request(path, body_of(exchange, ids), headers, method=exchange["method"])
        what = f"{flow} {exchange['n']} {exchange['method']} {exchange['path'][:80]}"
        replayed += 1
        if status != exchange["status"]:
            troubles.append(f"{what}: {status} {text[:200]}, recorded {exchange['status']}")
            continue
        recorded = (exchange["response"] or {}).get("json")
        if recorded is None:
            continue
        answered = json.loads(text)
        ids.learn(recorded, answered)
        troubles += [f"{what}: {t}" for t in same_shape(shape(answered), shape(recorded))]
        if isinstance(recorded, dict) and answered.get("error_code") != recorded.get("error_code"):
            troubles.append(f"{what}: {answered.get('error_code')}, recorded {recorded.get('error_code')}")
    assert not troubles, "\n".join(troubles)
    assert replayed > 8
    d.sent.acknowledged += spans
    assert d.status()["accepted"]["spans"] == spans
