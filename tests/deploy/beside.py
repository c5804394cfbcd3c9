"""An app beside a sidecar, and whether what it was promised has arrived."""
import os
import subprocess
import sys

from machine import HERE
from waiting import wait_until


def run_app(pod, ledger, seconds_after=0.0):
    with pod.network():
        return subprocess.Popen(
            [sys.executable, HERE / "sending_app.py", "http://127.0.0.1:4318", ledger, str(seconds_after)],
            stdout=subprocess.PIPE, text=True, env={k: v for k, v in os.environ.items() if not k.startswith("OTEL_")},
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
