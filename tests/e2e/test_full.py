"""A spool that is full refuses, loses nothing, goes on delivering, and takes spans again by itself."""
import os
import subprocess

import pytest

from load import Load
from waiting import wait_until


def destination(url):
    return {"name": "backend", "kind": "otlp", "url": url}


def fill_and_recover(d, sink, scratch):
    sink.set("status")
    full = Load(d.address, scratch / "full", seconds=60, seed=1, connections=8, payload="genai")
    wait_until(lambda: d.status()["rejected"].get("full", 0) > 20, lambda: d.status()["rejected"], 120)
    report = full.stop()
    assert set(report["refused"]) == {"503"} and report["first_refusal_retry_after_s"] == 1, report
    assert d.request("/livez")[0] == 200
    sink.set("ok")
    d.wait_until_settled("backend", seconds=120)

    def accepted():
        report = Load(d.address, scratch / "resumed", seconds=0, requests=50, seed=3, connections=2).report()
        return report["acked_requests"] == 50

    wait_until(accepted, lambda: f"ingest to resume: {d.status()['spool']}", 60, every=0.2)
    d.wait_until_settled("backend")
    for ledger in ("full", "resumed"):
        assert sink.compare(scratch / ledger)["missing"] == 0
    return report


def test_max_bytes_reached(daemon, load_sink, scratch):
    d = daemon(destinations=[destination(load_sink.url)], spool={"max_bytes": "96MiB"})
    fill_and_recover(d, load_sink, scratch)
    assert d.status()["spool"]["bytes"] <= 96 << 20


@pytest.fixture
def small_filesystem(scratch):
    where = scratch / "tmpfs"
    where.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=160m", "tmpfs", where], capture_output=True).returncode:
        pytest.skip("mounting a tmpfs needs root")
    yield where
    subprocess.run(["umount", "--lazy", where], check=True)


def test_filesystem_full(daemon, load_sink, scratch, small_filesystem):
    d = daemon(
        destinations=[destination(load_sink.url)], spool_directory=small_filesystem / "spool",
        spool={"max_bytes": "1GiB", "min_free_bytes": "8MiB"},
    )
    fill_and_recover(d, load_sink, scratch)
    d.close()  # before the filesystem goes
