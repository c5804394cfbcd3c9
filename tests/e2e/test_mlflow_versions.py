"""Releases of MLflow's client, each in an environment of its own. docs/compatibility.md has a row for each: what the
daemon saw of it. Without --soak the oldest alone is tried (the newest is that of all other tests)."""
import pathlib

import pytest

from mlflow_releases import OLDEST, RELEASES, install, python_of
from test_mlflow_client import check_app, check_chat, check_failed, run_app

DOCUMENT = pathlib.Path(__file__).parents[2] / "docs" / "compatibility.md"
WAYS = {
    "POST /v1/traces": "OTLP",
    "PUT /api/2.0/mlflow-artifacts/": "a file, beside the trace's artifacts",
    "PUT /mlflow-storage/": "a file, by a signed address",
}

# What an app of the package can do, and did.
FEATURES = {"mlflow-skinny": "all", "mlflow-tracing": "all that the package has"}


def rows_of_document():
    return [line for line in DOCUMENT.read_text().splitlines() if line.startswith("| mlflow")]


def cells(row):
    return [cell.strip() for cell in row.strip("|").split("|")]


def way_of_spans(asked):
    return "; ".join(way for request, way in WAYS.items() if any(line.startswith(request) for line in asked))


def test_every_release_that_is_tried_has_a_row_and_no_other_has():
    assert [cells(row)[:2] for row in rows_of_document()] == [[r.name, r.mode] for r in RELEASES]


@pytest.mark.parametrize("release", RELEASES, ids=lambda r: f"{r.package}-{r.version}-{r.mode}")
def test_an_app_of_that_release_reads_back_what_it_wrote(daemon, proxied, soak, release):
    if not soak and release != OLDEST:
        pytest.skip("soak only: it installs the release")
    python = install(release) if soak else python_of(release)
    if python is None:
        pytest.skip("not installed: .ci/install found no package registry")
    d = daemon()
    before = proxied(d.url)  # sees what the client asks
    uri = {"MLFLOW_TRACKING_URI": before.url} if release.mode == "http" else {
        "MLFLOW_TRACKING_URI": "databricks", "DATABRICKS_HOST": before.url, "DATABRICKS_TOKEN": "any"}
    out = run_app("shop", python=python, **uri)
    assert out["version"] == release.version
    if release.package == "mlflow-tracing":  # it has no MlflowClient, by which an app looks for experiments and deletes traces
        check_chat(out)
        check_failed(out)
        assert out["found"] == [out["chat"]]
    else:
        check_app(out)
    d.sent.acknowledged += 5
    assert d.status()["accepted"]["spans"] == 5
    row = f"| {release.name} | {release.mode} | {way_of_spans(before.requests)} | {FEATURES[release.package]} |"
    assert row in rows_of_document(), f"docs/compatibility.md must say:\n{row}"
