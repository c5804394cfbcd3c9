"""The container image: what is in it, and how it behaves beside an app."""
import contextlib
import json
import multiprocessing
import os
import pathlib
import re
import shutil
import subprocess

import pytest
import guide
import guide_app
import reading
from beside import PROGRAMS, acknowledged, need, run_app, stored, wait_until_all_are_stored
from composition import Composition
from container import Container, Image
from daemon import BINARY
from manifests import daemon_of, documents
from programs import ROOT
from waiting import wait_until

pytestmark = pytest.mark.machine
CACHE_OF_ITS_BUILD = pathlib.Path("/root") / ".cache/ccache"
GUIDE = {  # what the guide sets for an app, moved to the sidecar
    "DATABRICKS_TOKEN": "x", "MLFLOW_TRACKING_URI": "databricks",
    "MLFLOW_EXPERIMENT_NAME": "/Shared/production-genai-app", "APP_VERSION": "1.0.0",
}


def guided(trusting, workspace, **more):
    return {"env": GUIDE | trusting["env"] | {"DATABRICKS_HOST": workspace.url} | more, "mounts": trusting["mounts"]}


def check_contents(image):
    programs = {str(p.relative_to(image.root)) for p in image.root.rglob("*")
                if p.is_file() and p.stat().st_mode & 0o111 and ".so" not in p.name}
    assert programs == {"usr/bin/spanferry"}, programs
    assert (image.root / "etc/ssl/certs/ca-certificates.crt").stat().st_size > 100_000
    assert not [p for p in image.root.rglob("*") if p.is_file() and p.stat().st_mode & 0o6000]
    size = image.size_bytes() / 1e6
    print(f"image {image.name}: {size:.1f} MB")
    assert size < 64


def test_it_is_small_and_has_neither_shell_nor_root(image):
    about = image.inspect()
    settings = about["Docker"]["config"]
    assert settings["User"] == "65532:65532"
    assert settings["Entrypoint"] == ["/usr/bin/spanferry"] and settings["Cmd"] == ["run"]
    assert list(settings["Volumes"]) == ["/var/lib/spanferry"]
    assert settings["Healthcheck"]["Test"] == ["CMD", "/usr/bin/spanferry", "status", "--ready"]
    assert set(settings["ExposedPorts"]) == {"4318/tcp", "4319/udp"}
    assert settings["Labels"]["org.opencontainers.image.title"] == "spanferry"
    check_contents(image)


def test_the_guides_variables_are_enough_without_a_volume(certified, sidecar, pod, scratch):
    workspace = certified("x")
    one = sidecar(
        env=GUIDE | {"DATABRICKS_HOST": workspace.url, "SSL_CERT_FILE": "/mnt/ca.pem"},
        mounts={scratch / "trust": "/mnt"}, writable=True,
    )
    one.wait_until_healthy()
    assert "mount a volume" in one.log()
    app = run_app(pod, scratch / "ledger")
    wait_until(lambda: len(acknowledged(scratch / "ledger")) > 5, "acknowledged spans")
    app.terminate()
    assert app.wait(30) == 0
    wait_until_all_are_stored(workspace, scratch / "ledger")
    experiment = next(iter(workspace.state.experiments.values()))
    assert experiment["name"] == "/Shared/production-genai-app"
    assert {info["tags"]["app_version"] for info in workspace.state.traces.values()} == {"1.0.0"}


def test_the_flow_of_the_guide_works_beside_it(certified, sidecar, trusting, pod, scratch):
    """What `docker run -e …` gave the app is the sidecar's now; the app is told its address."""
    workspace = certified("x")
    one = sidecar(**guided(trusting, workspace))
    one.wait_until_healthy()
    experiment = GUIDE["MLFLOW_EXPERIMENT_NAME"]
    with pod.network():
        app = guide.App(until_whole=True, context=multiprocessing.get_context("spawn"),
                        MLFLOW_TRACKING_URI="http://127.0.0.1:4318", MLFLOW_EXPERIMENT_NAME=experiment)
    with contextlib.closing(app):
        app.half()
        calls = app.finish()
    guide.check(calls, "beside the image", experiment)
    wait_until(lambda: len(stored(workspace)) == guide_app.TRACES, lambda: one.log(), 60, every=0.2)
    with pod.network(), reading.client("databricks", DATABRICKS_HOST=workspace.url, DATABRICKS_TOKEN="x",
                                       REQUESTS_CA_BUNDLE=str(scratch / "trust/ca.pem")) as c:
        wait_until(lambda: workspace.state.assessments, lambda: one.log(), 60, every=0.2)
        guide.check_far_side(c, c.get_experiment_by_name(experiment).experiment_id)
    assert one.stop() == 0, one.log()


def test_a_volume_without_a_name_is_warned_of(image, sidecar, scratch):
    volume = scratch / "volumes" / ("0123456789abcdef" * 4) / "_data"  # where Docker keeps them
    volume.mkdir(parents=True)
    os.chown(volume, 65532, 65532)
    one = sidecar(mounts={volume: "/var/lib/spanferry"})
    one.wait_until_healthy()
    assert "volume without a name" in one.log(), one.log()
    assert one.stop() == 0


def test_a_read_only_root_without_a_volume_is_told_and_not_survived(certified, sidecar):
    one = sidecar(mounts={})
    assert one.process.wait(30) != 0
    assert "/var/lib/spanferry" in one.log(), one.log()


@pytest.mark.parametrize("language", PROGRAMS)
def test_an_app_and_its_sidecar_may_be_killed(certified, sidecar, trusting, pod, scratch, language):
    workspace = certified("x")
    one = sidecar(**guided(trusting, workspace))
    one.wait_until_healthy()
    rights = dict(line.split(":\t") for line in pathlib.Path(f"/proc/{one.pid}/status").read_text().splitlines())
    assert set(rights["Uid"].split()) == {"65532"} and int(rights["CapEff"], 16) == 0 and rights["NoNewPrivs"] == "1"
    first, second = scratch / "ledger-1", scratch / "ledger-2"
    app = run_app(pod, first, language=language)
    wait_until(lambda: len(acknowledged(first)) > 20, lambda: one.log())
    app.kill()
    app.wait()
    wait_until_all_are_stored(workspace, first)

    app = run_app(pod, second, language=language)
    wait_until(lambda: len(acknowledged(second)) > 20, "acknowledged spans")
    one.kill()
    so_far = len(acknowledged(second))
    one.start()
    wait_until(lambda: len(acknowledged(second)) > so_far + 20, lambda: one.log())
    app.terminate()
    assert app.wait(60) == 0
    wait_until_all_are_stored(workspace, first, second)
    assert one.stop() == 0, one.log()


def test_a_pod_is_never_unready_for_its_workspace_and_takes_a_new_token_by_itself(
    certified, sidecar, trusting, pod, scratch, service
):
    path = ROOT / "deploy/kubernetes/sidecar.yaml"
    workspace = certified("fresh")
    secrets, configuration = scratch / "secrets", scratch / "configuration"
    # As a kubelet keeps a Secret: every change is a new directory, and one link is replaced.
    for version, token in (("..1", "stale"), ("..2", "fresh")):
        (secrets / version).mkdir(parents=True)
        (secrets / version / "databricks-token").write_text(token)
    (secrets / "..data").symlink_to("..1")
    (secrets / "databricks-token").symlink_to("..data/databricks-token")
    configuration.mkdir()
    text = next(d for d in documents(path) if d["kind"] == "ConfigMap")["data"]["spanferry.yaml"]
    (configuration / "spanferry.yaml").write_text(text.replace("https://your-workspace.cloud.databricks.com", workspace.url))
    volume = scratch / "volume"
    os.chown(volume, 0, 65532)  # an emptyDir with an fsGroup is root's, and open to the group
    volume.chmod(0o2777)
    outside = {"spool": volume, "configuration": configuration, "secrets": secrets}
    mounts = {outside[m["name"]]: m["mountPath"] for m in daemon_of(path)["volumeMounts"]}
    one = sidecar(env=trusting["env"], mounts=mounts | {scratch / "trust": "/mnt"})
    startup, readiness, liveness = (daemon_of(path)[p]["exec"]["command"] for p in (
        "startupProbe", "readinessProbe", "livenessProbe"))
    wait_until(lambda: one.execute(startup) == 0, lambda: one.log(), 60, every=0.2)
    app = run_app(pod, scratch / "ledger")
    with pod.network():
        wait_until(lambda: len(acknowledged(scratch / "ledger")) > 20, lambda: one.log())
        service.wait_for_state("paused_auth")
        for _ in range(5):
            assert one.execute(readiness) == 0 and one.execute(liveness) == 0, "not ready because of a destination"
        (secrets / "..new").symlink_to("..2")
        (secrets / "..new").rename(secrets / "..data")
        service.wait_for_state("ok", seconds=90)
        app.terminate()
        assert app.wait(30) == 0
        wait_until_all_are_stored(workspace, scratch / "ledger")
        service.check_identity()
    assert one.stop() == 0


@pytest.mark.parametrize("language", PROGRAMS)
def test_both_told_to_stop_at_one_moment_lose_nothing(certified, sidecar, trusting, pod, scratch, soak, language):
    workspace = certified("x")
    one = sidecar(**guided(trusting, workspace))
    ledgers = []
    for turn in range(20 if soak else 1):
        if turn:
            one.start()
        one.wait_until_healthy()
        ledgers.append(scratch / f"ledger-{turn}")
        app = run_app(pod, ledgers[-1], 3.0 * (turn + 1) / 20 if soak else 3.0, language)
        wait_until(lambda: len(acknowledged(ledgers[-1])) > 10, lambda: one.log())
        app.terminate()
        assert one.stop() == 0, one.log()
        report = json.loads(app.communicate(timeout=60)[0])
        assert report == {"refused": 0, "connection_failures": 0}, (turn, report)
    one.start().wait_until_healthy()
    wait_until_all_are_stored(workspace, *ledgers)
    print(f"{language}: {len(ledgers)} stops, {len(acknowledged(*ledgers))} acknowledged traces, all stored")


def test_what_its_compiling_stage_makes_runs(base_root, pod, scratch, soak):
    """The Dockerfile as it is used: with nothing built before. It takes as long as the compiler does."""
    if not soak:
        pytest.skip("compiles everything: with --soak")
    cache = pathlib.Path(os.environ.get("CCACHE_DIR", pathlib.Path.home() / ".cache/ccache"))
    compiled = Image(base_root, "compiled", [f"{cache}:{CACHE_OF_ITS_BUILD}"] if cache.is_dir() else ())
    volume = scratch / "volume"
    volume.mkdir()
    os.chown(volume, 65532, 65532)
    one = Container(compiled.root, pod, scratch / "log", mounts={volume: "/var/lib/spanferry"})
    try:
        check_contents(compiled)
        one.start().wait_until_healthy()
        app = run_app(pod, scratch / "ledger")
        wait_until(lambda: len(acknowledged(scratch / "ledger")) > 5, lambda: one.log())
        app.terminate()
        assert app.wait(30) == 0 and one.stop() == 0, one.log()
    finally:
        one.close()
        compiled.close()


@pytest.fixture
def composed(image, scratch):
    """Makes a compose file's services run: composed(file, language of the app), with the token that its first lines
    make."""
    made = []

    def make(file, language):
        need(language)
        folder = scratch / "compose"
        shutil.copytree(ROOT / "deploy/compose", folder)
        lines = [line for line in (folder / file).read_text().splitlines() if re.match("#   .*secrets", line)]
        commands = "\n".join(line.removeprefix("#   ").partition("LISTEN_TOKEN=")[0] for line in lines)
        subprocess.run(["sh", "-ec", commands], cwd=folder, check=True)
        token = (folder / "secrets/listen-token").read_text() if lines else None

        def change(services):
            if language == "node":
                services["app"]["build"]["dockerfile"] = "node.Dockerfile"
        made.append(Composition(folder / file, image, scratch, {"LISTEN_TOKEN": token or ""}, change))
        made[-1].up()
        return made[-1], token

    yield make
    for one in made:
        one.close()


def inspected(directory):
    """Spans in the stopped spool, and what it has to say of its destination."""
    done = subprocess.run([BINARY, "spool", "inspect", "--json"], capture_output=True, text=True,
                          env={"SPANFERRY_SPOOL_DIRECTORY": str(directory / "volumes/spool/spool"), "HOME": str(directory)})
    scan = json.loads(done.stdout)
    (destination,) = [d for d in scan["destinations"] if d["name"] == "env"]
    return scan["appended"]["spans"], destination


PAIRS = [("service-network.yaml", "python"), ("by-name.yaml", "node"), ("service-network.yaml", "node"), ("by-name.yaml", "python")]


@pytest.mark.parametrize("file, language", PAIRS)
def test_the_whole_of_a_compose_file_runs_and_stops_without_losing_a_span(composed, scratch, file, language, soak):
    if not soak and (file, language) not in PAIRS[:2]:
        pytest.skip("the other two pairs: with --soak")
    c, token = composed(file, language)

    def delivered():
        return c.ask("/api/spanferry/v1/status", token)["destinations"][0]["accounting"]["delivered"]

    wait_until(lambda: delivered() >= 4, lambda: c.running["spanferry"].log(), 300, every=0.2)
    wait_until(lambda: c.query_mlflow(
        "SELECT DISTINCT e.name, t.value FROM trace_info i JOIN experiments e ON e.experiment_id = i.experiment_id "
        "JOIN trace_tags t ON t.request_id = i.request_id WHERE t.key = 'app_version'"
    ) == [("production-genai-app", "1.0.0")], "tagged traces in the experiment", 60, every=0.2)

    # Who can reach what.
    if token:
        assert c.reaches("app", "spanferry", "senders", 4318) and not c.reaches("app", "mlflow", "workspace", 5000)
        assert c.ask("/api/spanferry/v1/status") == 401
    else:
        assert c.reaches("app", "mlflow", "default", 5000)
        assert not c.reaches("mlflow", "spanferry", "default", 4318), "it is for the app alone"

    # The sidecar is killed, and started again as the file says.
    assert c.services["spanferry"]["restart"] == "unless-stopped"
    c.running["spanferry"].kill()
    c.running["spanferry"].start().wait_until_healthy()
    before = delivered()
    wait_until(lambda: delivered() >= before + 4, lambda: c.running["spanferry"].log(), 90, every=0.2)

    # Stopped in the order that the file leads to: what the app flushes at its end is taken too.
    assert c.down("app") == {"app": 0}, c.running["app"].log()
    taken = {t["trace_id"] for t in c.ask("/api/spanferry/v1/traces?limit=1000", token)["traces"]}
    stopped = c.down(*set(c.services) - {"app"})
    assert list(stopped).index("spanferry") < list(stopped).index("mlflow") and stopped["spanferry"] == 0, stopped
    kept, destination = inspected(scratch)
    assert destination["delivered"] + destination["pending"]["spans"] == kept, destination
    left = destination["pending"]["spans"]
    if left:  # a slow server did not take all of it in time: it is on the volume
        c.up("mlflow", "app-network", "spanferry")
        c.running["spanferry"].wait_until_healthy()
        wait_until(lambda: delivered() == kept, lambda: c.running["spanferry"].log(), 300, every=0.2)
        c.down("spanferry")
    stored = c.query_mlflow("SELECT trace_id, count(*) FROM spans GROUP BY trace_id")
    assert {trace.removeprefix("tr-") for trace, _ in stored} == taken and {spans for _, spans in stored} == {2}
    print(f"{file}, {language}: {len(taken)} traces taken, all of them in MLflow, {left} spans after the next start; {stopped}")
