"""MLflow's client in a random run: a trace with its own StartTrace, its spans by OTLP, as a span file or both, and then what
is said about it. Steps of one trace are made one after the other; what they come to is kept beside the trace."""
import base64
import dataclasses
import json
import time
import urllib.parse

import wire
from random_door import Client

SPANS, TABLE_SPANS = "/v1/traces", "/api/2.0/otel/v1/traces"
STATUS = {0: "STATUS_CODE_UNSET", 1: "STATUS_CODE_OK", 2: "STATUS_CODE_ERROR"}


@dataclasses.dataclass
class Said:
    """What is said about a trace beside its spans."""
    info: dict = None  # as its StartTrace gave it
    tags: dict = dataclasses.field(default_factory=dict)  # those of this test
    assessments: dict = dataclasses.field(default_factory=dict)  # by the id that its maker was given
    deleted: bool = False
    edits: int = 0


def stamp(ns):
    ms = ns // 10**6
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ms // 1000)) + f".{ms % 1000:03}Z"


def span_file(spans):
    def text(b):
        return base64.b64encode(b).decode()

    def one(span):
        values = {a.key: json.dumps(getattr(a.value, a.value.WhichOneof("value")), ensure_ascii=False) for a in span.attributes}
        return {"trace_id": text(span.trace_id), "span_id": text(span.span_id),
                "parent_span_id": text(span.parent_span_id) if span.parent_span_id else None, "name": span.name,
                "start_time_unix_nano": span.start_time_unix_nano, "end_time_unix_nano": span.end_time_unix_nano, "events": [],
                "status": {"code": STATUS[span.status.code], "message": ""}, "links": [],
                "attributes": values | {"mlflow.traceRequestId": json.dumps(f"tr-{span.trace_id.hex()}")}}

    return json.dumps({"spans": [one(span) for span in spans]}, ensure_ascii=False).encode()


class ExperimentIds:
    """By name, as the daemon tells them: they may be provisional."""

    def __init__(self, client):
        self.client, self.ids = client, {}

    def of(self, name, random):
        if name not in self.ids or random.random() < 0.1:
            self.ids[name] = self._ask(name)
        return self.ids[name]

    def _ask(self, name):
        path = f"/api/2.0/mlflow/experiments/get-by-name?experiment_name={urllib.parse.quote(name)}"
        for _ in range(100):
            known = self.client("GET", path, may_be=(404,))
            if known:
                return known["experiment"]["experiment_id"]
            made = self.client("POST", "/api/2.0/mlflow/experiments/create", {"name": name}, may_be=(400,))  # somebody else did
            if made:
                return made["experiment_id"]
        raise AssertionError(f"no experiment {name}")


class ClientTrace:
    """One trace on its way through the daemon. `by_location`: with the calls that a client makes for tables (V4)."""

    def __init__(self, apps, random, trace_id, trace, by_location):
        self.apps, self.random, self.trace, self.id = apps, random, trace, trace_id.hex()
        self.client = Client(apps.daemon.address)
        self.location = trace.location if by_location else None
        self.experiment = apps.experiment_ids.of(trace.experiment, random)
        self.n = 0

    # its own telling

    def start(self, root):
        said, random = self.trace.said, self.random
        tags = {f"random.{random.randint(0, 3)}": random.choice(["a", "ünï"]) for _ in range(random.randint(0, 2))}
        info = {
            "client_request_id": f"request-{self.id[:8]}", "request_preview": '{"q": "日本"}', "response_preview": '"yes"',
            "request_time": stamp(root.start_time_unix_nano), "execution_duration": "0.050s", "state": "ERROR" if self.trace.error else "OK",
            "trace_metadata": {"mlflow.trace_schema.version": "4" if self.location else "3", "random.user": random.choice(["jane", "ünï"])},
        }
        place = ({"type": "UC_TABLE_PREFIX", "uc_table_prefix": dict(zip(("catalog_name", "schema_name", "table_prefix"), self.location.split(".")))}
                 if self.location else {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": self.experiment}})
        whole = {"trace_id": self.id if self.location else f"tr-{self.id}", "trace_location": place,
                 "tags": {"mlflow.traceName": root.name, **tags}, **info}
        if self.location:
            self.client("POST", self._path("/info"), whole)
        else:
            self.client("POST", "/api/3.0/mlflow/traces", {"trace": {"trace_info": whole}})
        said.info, said.tags = info, tags

    def send(self, spans):
        """By OTLP."""
        path, route = ((TABLE_SPANS, {"X_Databricks_UC_Table_Name": f"{self.location}_otel_spans"}) if self.location
                       else (SPANS, {"x_mlflow_experiment_id": self.experiment}))
        body = self.apps.request_of(spans).SerializeToString()
        self._sent(spans, self.client.send("POST", path, body, Content_Type=wire.PROTOBUF, **route))
        self.trace.by_file -= {span.span_id for span in spans}

    def send_file(self, spans):
        path = f"/api/2.0/mlflow-artifacts/artifacts/{self.experiment}/traces/tr-{self.id}/artifacts/traces.json"
        new = {span.span_id for span in spans} - self.trace.spans.keys()
        self._sent(spans, self.client.send("PUT", path, span_file(spans), Content_Type="text/plain"))
        self.trace.by_file |= new

    def _sent(self, spans, lost):
        self.apps.acknowledged(self.trace, spans, again=sum(s.span_id in self.trace.spans for s in spans), maybe=lost * len(spans))

    # what is said about it

    def _path(self, rest, version="3.0"):
        return (f"/api/4.0/mlflow/traces/{self.location}/{self.id}{rest}" if self.location
                else f"/api/{version}/mlflow/traces/tr-{self.id}{rest}")

    def edit(self):
        said, random = self.trace.said, self.random
        if said.deleted:
            return
        ways = [self._set_tag, self._set_tag, self._assess, self._assess]
        ways += [self._delete_tag] * bool(said.tags) + [self._override, self._update, self._update, self._remove] * bool(said.assessments)
        random.choice(ways)()
        said.edits += 1

    def _set_tag(self):
        key, value = f"random.{self.random.randint(0, 3)}", f"{self.random.randint(0, 99)} ✓"
        self.client("PATCH", self._path("/tags", "2.0"), {"key": key, "value": value})
        self.trace.said.tags[key] = value

    def _delete_tag(self):
        key = self.random.choice(sorted(self.trace.said.tags))
        if self.location:
            self.client("DELETE", self._path(f"/tags/{key}"))
        else:
            self.client("DELETE", self._path("/tags", "2.0"), {"key": key})
        del self.trace.said.tags[key]

    def _value(self):
        return self.random.choice([True, False, 3.5, "ünï", ["a", 1], {"k": [None]}])

    def _create(self, **more):
        self.n += 1
        kind = self.random.choice(["feedback", "expectation"])
        one = {"assessment_name": f"said {self.n}", "source": {"source_type": "HUMAN", "source_id": "jane"}, kind: {"value": self._value()},
               "rationale": f"because {self.n}", "create_time": stamp(time.time_ns()), "valid": True, **more}
        made = self.client("POST", self._path("/assessments"), one if self.location else {"assessment": one})
        one_id = (made if self.location else made["assessment"])["assessment_id"]
        self.trace.said.assessments[one_id] = one

    def _assess(self):
        self._create()

    def _override(self):
        valid = [i for i, a in self.trace.said.assessments.items() if a["valid"]]
        if valid:
            old = self.random.choice(valid)
            self._create(overrides=old)
            self.trace.said.assessments[old]["valid"] = False

    def _update(self):
        one_id = self.random.choice(sorted(self.trace.said.assessments))
        one = self.trace.said.assessments[one_id]
        kind = "feedback" if "feedback" in one else "expectation"
        change = {kind: {"value": self._value()}, "rationale": f"on reflection {self.random.randint(0, 99)}"}
        if self.location:  # without a warehouse the client writes the query so
            self.client("PATCH", self._path(f"/assessments/{one_id}?update_mask={kind},rationale"), change)
        else:
            self.client("PATCH", self._path(f"/assessments/{one_id}"), {"assessment": change, "update_mask": f"{kind},rationale"})
        one.update(change)

    def _remove(self):
        one_id = self.random.choice(sorted(self.trace.said.assessments))
        self.client("DELETE", self._path(f"/assessments/{one_id}"))
        overridden = self.trace.said.assessments.pop(one_id).get("overrides")
        if overridden in self.trace.said.assessments:
            self.trace.said.assessments[overridden]["valid"] = True

    def delete(self):
        self.client("POST", "/api/2.0/mlflow/traces/delete-traces", {"experiment_id": self.experiment, "request_ids": [f"tr-{self.id}"]})
        self.trace.said.deleted = True
