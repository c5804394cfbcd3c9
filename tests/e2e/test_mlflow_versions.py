"""Releases of MLflow's client, each in an environment of its own: docs/compatibility.md has a row for each that works."""
import pathlib
import subprocess
import sys

import pytest

from test_mlflow_client import check_chat, check_failed, run_app

DOCUMENT = pathlib.Path(__file__).parents[2] / "docs" / "compatibility.md"
# Before 3.3 the client reaches into OpenTelemetry's SDK, and breaks with a later one than those of its time.
OF_ITS_TIME = ("opentelemetry-sdk==1.33.1", "opentelemetry-api==1.33.1")
CLIENTS = [
    ("3.1.0", "databricks", OF_ITS_TIME),
    ("3.2.0", "http", OF_ITS_TIME),
    ("3.6.0", "http", ()),
    ("3.6.0", "databricks", ()),
    ("3.17.2", "http", ()),
    ("3.17.2", "databricks", ()),
]


@pytest.fixture(scope="module")
def python_with(tmp_path_factory):
    """python_with(version, *more): the interpreter of an environment with that client."""
    made = {}

    def make(version, *more):
        if version not in made:
            home = tmp_path_factory.mktemp(f"mlflow-{version}")
            subprocess.run([sys.executable, "-m", "venv", home], check=True, timeout=120)
            subprocess.run([home / "bin" / "pip", "install", "-q", f"mlflow-skinny=={version}", *more], check=True, timeout=600)
            made[version] = home / "bin" / "python"
        return made[version]

    return make


@pytest.mark.soak
@pytest.mark.parametrize("version, mode, more", CLIENTS, ids=[f"{v}-{m}" for v, m, _ in CLIENTS])
def test_an_app_of_that_release_reads_back_what_it_wrote(daemon, python_with, soak, version, mode, more):
    if not soak:
        pytest.skip("soak only: it installs every release")
    d = daemon()
    uri = {"MLFLOW_TRACKING_URI": d.url} if mode == "http" else {
        "MLFLOW_TRACKING_URI": "databricks", "DATABRICKS_HOST": d.url, "DATABRICKS_TOKEN": "any"}
    out = run_app("shop", python=python_with(version, *more), **uri)
    assert out["version"] == version
    check_chat(out)
    check_failed(out)
    d.sent.acknowledged += d.status()["accepted"]["spans"]
    assert d.status()["accepted"]["spans"] >= 5
    assert f"| {version} | {mode} |" in DOCUMENT.read_text()
