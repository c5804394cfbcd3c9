"""An app beside a sidecar, and whether what it was promised has arrived."""
import hashlib
import os
import shutil
import subprocess
import sys

import pytest
from machine import HERE
from programs import ROOT
from waiting import wait_until

PROGRAMS = {"python": [sys.executable, HERE / "sending_app.py"], "node": ["node", HERE / "sending_app.mjs"]}
NODE_MODULES = ROOT / "tests" / "node_modules"


def need(language):
    """Skips the test where .ci/install found no npm registry; the interpreter of Python runs the tests themselves."""
    if language != "node":
        return
    lock = hashlib.sha256((ROOT / "tests/package-lock.json").read_bytes()).hexdigest()
    stamp = NODE_MODULES / "lock.sha256"
    if not shutil.which("node") or not stamp.exists() or stamp.read_text().split()[0] != lock:
        pytest.skip("needs Node and what tests/package-lock.json names: run .ci/install where an npm registry answers")


def clean_environment():
    return {k: v for k, v in os.environ.items() if not k.startswith("OTEL_")}


def run_app(pod, ledger, seconds_after=0.0, language="python"):
    need(language)
    with pod.network():
        return subprocess.Popen(
            [*PROGRAMS[language], "http://127.0.0.1:4318", ledger, str(seconds_after)],
            stdout=subprocess.PIPE, text=True, env=clean_environment(),
        )


def acknowledged(*ledgers):
    return {line for ledger in ledgers if ledger.exists() for line in ledger.read_text().split()}


def stored(workspace):
    """Trace ids whose spans are in experiment storage."""
    return {trace.removeprefix("tr-") for trace in workspace.state.traces
            if f"{trace}/artifacts/traces.json" in workspace.state.blobs}


def wait_until_all_are_stored(workspace, *ledgers):
    wait_until(
        lambda: acknowledged(*ledgers) <= stored(workspace),
        lambda: f"{len(acknowledged(*ledgers) - stored(workspace))} missing of {len(acknowledged(*ledgers))}", 90, every=0.2,
    )
