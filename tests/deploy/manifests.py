"""The parts of a Kubernetes manifest."""
import yaml


def documents(path):
    return [d for d in yaml.safe_load_all(path.read_text()) if d]


def pod_spec(path):
    return next(d["spec"]["template"]["spec"] for d in documents(path) if "template" in d.get("spec", {}))


def daemon_of(path):
    spec = pod_spec(path)
    return next(c for c in spec.get("initContainers", []) + spec["containers"] if c["name"] == "spanferry")
