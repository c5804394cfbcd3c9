"""What a fake workspace holds after a random run, beside what its apps were promised: trace by trace, in sentences."""
import base64
import collections
import dataclasses
import json

from random_traces import read

STATUS = {"STATUS_CODE_UNSET": 0, "STATUS_CODE_OK": 1, "STATUS_CODE_ERROR": 2}
SCALARS = ("client_request_id", "request_preview", "response_preview", "request_time", "execution_duration", "state")


@dataclasses.dataclass
class Held:
    """One trace as it is there. values: by span id, (name, parent, start, end, status) and the attributes."""
    info: dict = None
    spans: list = dataclasses.field(default_factory=list)  # ids, as often as they are there
    values: dict = dataclasses.field(default_factory=dict)
    assessments: list = dataclasses.field(default_factory=list)
    where: str = ""


class Comparison:
    """Of the traces of one storage."""

    def __init__(self, name):
        self.name, self.lost, self.doubled, self.wrong = name, [], [], []
        self.traces = self.spans = self.edits = self.deleted = self.repeated_rows = 0

    def figures(self):
        return (f"{self.name}: {self.traces} traces, {self.spans} spans, {self.edits} edits, {self.deleted} deleted; "
                f"lost {len(self.lost)}, doubled {len(self.doubled)}, wrong {len(self.wrong)}, rows repeated {self.repeated_rows}")

    def counts(self):
        return len(self.lost), len(self.doubled), len(self.wrong)

    def add(self, trace_id, trace, held, disordered):
        """disordered: an edit of it took effect later than those that came after it."""
        self.traces, self.spans, self.edits = self.traces + 1, self.spans + len(trace.spans), self.edits + trace.said.edits
        self._add_spans(trace_id, trace, held)
        if trace.said.deleted:
            self.deleted += 1
            return self._add_deleted(trace_id, trace, held)
        self.lost += [f"{trace_id}: span {i.hex()}" for i in trace.spans if i not in held.values]
        if held.info is None:
            if trace.spans:
                self.lost.append(f"{trace_id}: no info")
            return
        self._add_info(trace_id, trace, held)
        if not disordered:
            self._add_edits(trace_id, trace, held)

    def _add_spans(self, trace_id, trace, held):
        counts = collections.Counter(held.spans)
        again = sum(n - 1 for n in counts.values())
        if trace.location:
            self.repeated_rows += again
        elif again:
            self.doubled.append(f"{trace_id}: spans {[i.hex() for i, n in counts.items() if n > 1]} are there more than once")
        for span_id, (scalars, attributes) in held.values.items():
            sent = trace.spans.get(span_id) or trace.unknown.get(span_id)
            if sent is None:
                self.wrong.append(f"{trace_id}: span {span_id.hex()} was never sent")
                continue
            expected = (sent.name, sent.parent_span_id, sent.start_time_unix_nano, sent.end_time_unix_nano, sent.status.code)
            wanted = {a.key: getattr(a.value, a.value.WhichOneof("value")) for a in sent.attributes}
            if not trace.location and span_id not in trace.by_file:  # a span file holds what a text says, where that is JSON
                wanted = {key: read(value) for key, value in wanted.items()}
            if expected != scalars or any(attributes.get(key) != value for key, value in wanted.items()):
                self.wrong.append(f"{trace_id}: span {span_id.hex()} is {scalars} {attributes}, sent was {expected} {wanted}")

    def _add_deleted(self, trace_id, trace, held):
        # No call deletes a trace from a table: what was there before the deletion stays, and the deletion is a dead letter.
        if held.info is not None and not trace.location:
            self.wrong.append(f"{trace_id}: there after it was deleted")

    def _add_info(self, trace_id, trace, held):
        if held.where != (trace.location or trace.experiment):
            self.wrong.append(f"{trace_id}: in {held.where} instead of {trace.location or trace.experiment}")
        told, root = trace.said.info, trace.root
        if told is None:
            found = (held.info["state"], held.info["tags"].get("mlflow.traceName"))
            if root is not None and found != ("ERROR" if trace.error else "OK", root.name):
                self.wrong.append(f"{trace_id}: state and name {found}, error={trace.error}, root {root.name}")
            return
        for key in SCALARS:
            if held.info.get(key) != told[key]:
                self.wrong.append(f"{trace_id}: {key} is {held.info.get(key)}, told was {told[key]}")
        metadata = held.info["trace_metadata"]
        wanted = {key: value for key, value in told["trace_metadata"].items() if key != "mlflow.trace_schema.version"}  # its storage's
        if any(metadata.get(key) != value for key, value in wanted.items()):
            self.wrong.append(f"{trace_id}: metadata {metadata}, told was {told['trace_metadata']}")

    def _add_edits(self, trace_id, trace, held):
        tags = {key: value for key, value in held.info["tags"].items() if key.startswith("random.")}
        if tags != trace.said.tags:
            self.wrong.append(f"{trace_id}: tags {tags}, they were set to {trace.said.tags}")
        names = collections.Counter(a["assessment_name"] for a in held.assessments)
        ours = {a["assessment_name"]: (i, a) for i, a in trace.said.assessments.items()}
        self.doubled += [f"{trace_id}: assessment {name} is there {n} times" for name, n in names.items() if n > 1]
        self.lost += [f"{trace_id}: assessment {name}" for name in ours if name not in names]
        # A far side may mint ids of its own: they have to lead to one another as ours do.
        name_of = {a["assessment_id"]: a["assessment_name"] for a in held.assessments}
        for one in held.assessments:
            if one["assessment_name"] not in ours:
                self.wrong.append(f"{trace_id}: assessment {one['assessment_name']} is there, and was deleted or never made")
                continue
            made = ours[one["assessment_name"]][1]
            if assessment(one, name_of) != assessment(made, {i: a["assessment_name"] for i, a in trace.said.assessments.items()}):
                self.wrong.append(f"{trace_id}: assessment {one}, made was {made}")


def assessment(one, name_of):
    overridden = one.get("overrides")
    return {key: one.get(key) for key in ("feedback", "expectation", "rationale", "source", "valid", "create_time")} | {
        "overrides": name_of.get(overridden) if overridden else None}  # none either where that one was deleted


def of_file(span):
    parent = base64.b64decode(span["parent_span_id"] or "")
    scalars = (span["name"], parent, span["start_time_unix_nano"], span["end_time_unix_nano"], STATUS[span["status"]["code"]])
    return scalars, {key: json.loads(value) for key, value in span["attributes"].items()}


def of_row(span):
    scalars = (span.name, span.parent_span_id, span.start_time_unix_nano, span.end_time_unix_nano, span.status.code)
    scalar_attributes = [a for a in span.attributes if a.value.WhichOneof("value") in ("string_value", "int_value", "bool_value", "double_value")]
    return scalars, {a.key: getattr(a.value, a.value.WhichOneof("value")) for a in scalar_attributes}


def held_in_storage(state, trace_id, names):
    info, blob = state.traces.get(f"tr-{trace_id}"), state.blobs.get(f"tr-{trace_id}/artifacts/traces.json")
    held = Held(info=info, assessments=list(state.assessments.get(f"tr-{trace_id}", {}).values()))
    if info is not None:
        held.where = names[info["trace_location"]["mlflow_experiment"]["experiment_id"]]
    for span in json.loads(blob)["spans"] if blob else ():
        held.spans.append(base64.b64decode(span["span_id"]))
        held.values[held.spans[-1]] = of_file(span)
    return held


def held_in_tables(state, trace_id, location, info_of):
    held = Held(info=info_of(state, location, trace_id), where=location,
                assessments=list(state.assessments.get(f"{location}/{trace_id}", {}).values()))
    for span, _ in state.uc_rows.get((location, trace_id), ()):
        held.spans.append(span.span_id)
        held.values[span.span_id] = of_row(span)
    return held
