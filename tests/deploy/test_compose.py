"""The compose files: valid, with time enough to stop, and what they set is a configuration. test_image.py runs them."""
import json
import os
import re
import subprocess

import pytest
import yaml
from daemon import BINARY
from programs import ROOT

FOLDER = ROOT / "deploy" / "compose"
FILES = sorted(FOLDER.glob("*.yaml"))


def seconds(text):
    return float(re.fullmatch(r"([0-9.]+)s", text)[1])


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_compose_takes_the_file(path):
    done = subprocess.run(
        ["docker-compose", "-f", path, "config", "--quiet"], capture_output=True, text=True,
        env=os.environ | {"LISTEN_TOKEN": "0123"},
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_the_daemon_has_time_to_drain_and_no_more_rights_than_it_needs(path):
    daemon = yaml.safe_load(path.read_text())["services"]["spanferry"]
    shown = subprocess.run([BINARY, "config"], capture_output=True, text=True, env={"HOME": "/nowhere"}).stdout
    drain = seconds(re.search(r"drain.timeout +(\S+)", shown)[1])
    assert seconds(daemon["stop_grace_period"]) >= drain + 5
    assert daemon["read_only"] and daemon["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in daemon["security_opt"]
    assert daemon["volumes"] == ["spool:/var/lib/spanferry"]


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_what_the_file_sets_is_a_valid_configuration_of_the_image(path, scratch):
    environment = yaml.safe_load(path.read_text())["services"]["spanferry"]["environment"]
    (scratch / "listen-token").write_text("0123")
    done = subprocess.run(
        [BINARY, "config", "--config", ROOT / "deploy/image/spanferry.yaml"], capture_output=True, text=True,
        env={name: str(value) for name, value in environment.items()},
    )
    assert done.returncode == 0, done.stderr
    listens = re.search(r"listen.http +(\S.*?)  ", done.stdout)[1]
    if path.name == "service-network.yaml":
        assert listens == "[127.0.0.1:4318, [::1]:4318]"
    else:
        assert "0.0.0.0" in listens and re.search(r"listen.token_file +/run/secrets/listen-token", done.stdout)
    assert re.search(r"destination env.url +http://mlflow:5000", done.stdout)
    assert done.stderr == ""


def test_the_app_in_node_is_made_of_what_is_tested():
    packages = [json.loads((folder / "package.json").read_text())["dependencies"] for folder in (FOLDER / "app", ROOT / "tests")]
    assert packages[0] == packages[1]


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_the_app_is_stopped_before_the_daemon_and_the_daemon_before_the_server(path):
    services = yaml.safe_load(path.read_text())["services"]
    assert "spanferry" in services["app"]["depends_on"] and "mlflow" in services["spanferry"]["depends_on"]
    owners = {s["network_mode"].removeprefix("service:") for s in services.values() if "network_mode" in s}
    assert not owners & {"app", "spanferry"}, "who restarts takes the network along"
