"""What any reader of a trace sees, with the ids of one run replaced by the names that the program has for them: two
runs of it must come out equal. And what the program itself held, which each run must come out with."""
import json
import re

# Of a file's size and of the digits of times: near is as good as equal.
NEAR = 64
SIZES = ("mlflow.trace.sizeStats", "mlflow.trace.sizeBytes")


def names_of(out):
    """Every id that the program met: its name."""
    names = {}
    for trace, spans in out["spans"].items():
        for name, span_id, *_ in spans:
            names[span_id] = f"<span {name} of {trace}>"
    for name, span_id, *_ in out["elsewhere"]:
        names[span_id] = f"<span {name} elsewhere>"
    for trace, trace_id in out["traces"].items():
        names[re.split(r"[-/]", trace_id)[-1]] = f"<trace {trace}>"
    for label, (assessment_id, *_) in out["assessments"].items():
        names[assessment_id] = f"<assessment {label}>"
    for label, (attachment_id, _) in out["attachments"].items():
        names[attachment_id] = f"<file {label}>"
    return names


def without_ids(value, names):
    """The same, as JSON has it, without an id of this run."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return json.loads(re.sub("|".join(map(re.escape, sorted(names, key=len, reverse=True))), lambda m: names[m[0]], text))


def assessment_fields(a):
    return {
        "id": a.assessment_id, "name": a.name, "kind": type(a).__name__, "value": a.value, "rationale": a.rationale,
        "source": [a.source.source_type, a.source.source_id], "metadata": a.metadata, "span": a.span_id,
        "run": a.run_id, "valid": a.valid is not False, "overrides": a.overrides, "trace": a.trace_id,
        "error": a.error and [a.error.error_code, a.error.error_message, bool(a.error.stack_trace)],
    }


def span_fields(s):
    return {
        "name": s.name, "parent": s.parent_id, "trace": s.trace_id, "type": s.span_type, "status": s.status.status_code.value,
        "status message": s.status.description, "inputs": s.inputs, "outputs": s.outputs, "attributes": s.attributes,
        "events": [[e.name, e.attributes] for e in s.events], "links": [link.to_dict() for link in s.links],
    }


def described(trace, names):
    """Field → value, for everything but times (see check_held) and the experiment's id."""
    i = trace.info
    metadata = {k: v for k, v in i.trace_metadata.items() if k not in SIZES}
    place = i.trace_location.mlflow_experiment.experiment_id if i.trace_location.mlflow_experiment else ""
    fields = {
        "trace_id": i.trace_id, "client_request_id": i.client_request_id, "state": i.state.value,
        "request_preview": i.request_preview, "response_preview": i.response_preview, "location": i.trace_location.to_dict(),
        "tags": i.tags, "metadata": metadata, "sizes": [json.loads(i.trace_metadata.get(key, "0")) for key in SIZES],
        "token_usage": i.token_usage, "cost": i.cost,
        "assessments": sorted((assessment_fields(a) for a in i.assessments or []), key=lambda a: (a["name"], str(a["value"]))),
        "data.request": trace.data.request, "data.response": trace.data.response,
        "spans": {s.name: span_fields(s) for s in trace.data.spans}, "span count": len(trace.data.spans),
        "search_spans": sorted(s.name for s in trace.search_spans(span_type="TOOL")),
    }
    without = without_ids(fields, names)
    without["location"] = json.loads(json.dumps(without["location"]).replace(f'"{place}"', '"<experiment>"'))
    artifacts = without["tags"].get("mlflow.artifactLocation")
    if artifacts:
        without["tags"]["mlflow.artifactLocation"] = artifacts.replace(f"/{place}/", "/<experiment>/")
    return without


def differences(one, other, where=""):
    """Every difference, in a sentence."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted(one.keys() | other.keys()):
            if key not in one or key not in other:
                yield f"{where}.{key} is only in the {'first' if key in one else 'second'}"
            else:
                yield from differences(one[key], other[key], f"{where}.{key}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for n, (a, b) in enumerate(zip(one, other)):
            yield from differences(a, b, f"{where}[{n}]")
    elif type(one) is not type(other) or one != other:
        if ".sizes[" not in where or abs(one - other) > NEAR:
            yield f"{where}: {str(one)[:200]!r} and {str(other)[:200]!r}"


def check_held(trace, spans):
    """Ids and times are those that the program held. spans: as the program printed them."""
    wanted = {span_id: [name, parent, start, end, events] for name, span_id, parent, start, end, events in spans}
    found = {s.span_id: [s.name, s.parent_id, s.start_time_ns, s.end_time_ns, [e.timestamp for e in s.events]] for s in trace.data.spans}
    assert found == wanted, sorted(differences(wanted, found))[:10]
    (root,) = [w for w in wanted.values() if w[1] is None]
    times = [trace.info.request_time, trace.info.execution_duration]
    assert times[0] == root[2] // 1_000_000, (times, root)
    assert abs(times[1] - (root[3] - root[2]) // 1_000_000) <= 1, (times, root)  # client and server round differently


def field_names(description, prefix=""):
    """Which fields were compared: those of a trace, of its spans and of its assessments."""
    for key, value in description.items():
        yield prefix + key
        if key == "spans":
            yield from {f"span.{name}" for span in value.values() for name in span}
        if key == "assessments":
            yield from {f"assessment.{name}" for one in value for name in one}
