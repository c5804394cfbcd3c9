"""The Kubernetes manifests against the published schema; test_image.py runs the sidecar of sidecar.yaml."""
import copy
import subprocess

import kubernetes_validate
import pytest
import yaml
from daemon import BINARY
from manifests import daemon_of, documents, pod_spec
from programs import ROOT

MANIFESTS = sorted((ROOT / "deploy" / "kubernetes").glob("*.yaml"))
RELEASES = ("1.29", kubernetes_validate.latest_version().split(".0")[0])  # the first with sidecars, and the newest known


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda p: p.name)
@pytest.mark.parametrize("release", RELEASES)
def test_manifests_hold_to_the_published_schema(path, release):
    for document in documents(path):
        kubernetes_validate.validate(document, release, strict=True)


def test_the_schema_finds_a_slip():
    broken = copy.deepcopy(documents(ROOT / "deploy/kubernetes/sidecar.yaml")[-1])
    broken["spec"]["template"]["spec"]["initContainers"][0]["restartPolice"] = "Always"
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, RELEASES[0], strict=True)


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda p: p.name)
def test_the_daemon_is_confined_and_probed_without_the_network(path):
    daemon, spec = daemon_of(path), pod_spec(path)
    confined = daemon["securityContext"]
    assert confined["readOnlyRootFilesystem"] and not confined["allowPrivilegeEscalation"]
    assert confined["capabilities"] == {"drop": ["ALL"]}
    assert spec["automountServiceAccountToken"] is False and spec["enableServiceLinks"] is False
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        if probe in daemon:
            command = daemon[probe]["exec"]["command"]
            assert command[0] == "/usr/bin/spanferry"
            parsed = subprocess.run([BINARY, *command[1:], "--help"], capture_output=True)
            assert parsed.returncode == 0, parsed.stderr
    if path.name != "daemonset.yaml":
        assert daemon in spec["initContainers"] and daemon["restartPolicy"] == "Always"


@pytest.mark.parametrize("name", ["sidecar.yaml", "daemonset.yaml"])
def test_configurations_in_manifests_are_valid_and_fit_their_volumes(name, scratch):
    path = ROOT / "deploy/kubernetes" / name
    text = next(d for d in documents(path) if d["kind"] == "ConfigMap")["data"]["spanferry.yaml"]
    (scratch / "spanferry.yaml").write_text(text)
    done = subprocess.run(
        [BINARY, "config", "--config", scratch / "spanferry.yaml"], capture_output=True, text=True, env={},
    )
    assert done.returncode == 0, done.stderr
    if name == "sidecar.yaml":
        size = next(v["emptyDir"]["sizeLimit"] for v in pod_spec(path)["volumes"] if "emptyDir" in v)
        limit = int(yaml.safe_load(text)["spool"]["max_bytes"].removesuffix("GiB"))
        assert limit < int(size.removesuffix("Gi")), "a full spool would evict the pod"
        assert yaml.safe_load(text)["listen"]["http"] == ["127.0.0.1:4318", "[::1]:4318"]
    keys = next(d for d in documents(path) if d["kind"] == "Secret")["stringData"]
    mounted = next(m["mountPath"] for m in daemon_of(path)["volumeMounts"] if m["name"] == "secrets")
    for key in keys:
        assert f"{mounted}/{key}" in text
