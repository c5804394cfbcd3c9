"""Releases of MLflow's client, each in an environment of its own. docs/compatibility.md has a row for each: what the
daemon saw of it. Without --soak the oldest is tried, and the newest as it is installed here, for all other tests.

With --write-documents the rows are not compared but written: --soak --write-documents makes all of them anew."""
import importlib.metadata
import pathlib
import sys

import pytest

from mlflow_releases import OLDEST, RELEASES, install, python_of
from test_mlflow_client import check_app, check_chat, check_failed, run_app

DOCUMENT = pathlib.Path(__file__).parents[2] / "docs" / "compatibility.md"
WAYS = {
    "POST /v1/traces": "OTLP",
    "PUT /api/2.0/mlflow-artifacts/": "a file, beside the trace's artifacts",
    "PUT /mlflow-storage/": "a file, by a signed address",
}

HEADER = "| package | mode | how its spans come | of the app works |\n|---|---|---|---|"
# What an app of the package can do, and did.
FEATURES = {"mlflow-skinny": "all", "mlflow-tracing": "all that the package has"}


def rows_of_document():
    """By package and mode, in the document's order."""
    rows = [line for line in DOCUMENT.read_text().splitlines() if line.startswith(("| mlflow ", "| mlflow-"))]
    return {tuple(cell.strip() for cell in row.strip("|").split("|")[:2]): row for row in rows}


def name_of(release):
    return release.name, release.mode


def write_row(release, row):
    """In its place, and no row of a release that is not tried."""
    head, rest = DOCUMENT.read_text().split(HEADER)
    rows = rows_of_document() | {name_of(release): row}
    rest = rest.lstrip("\n").split("\n")
    while rest and rest[0].startswith("|"):
        rest.pop(0)
    table = "".join(rows[name_of(r)] + "\n" for r in RELEASES if name_of(r) in rows)
    DOCUMENT.write_text(head + HEADER + "\n" + table + "\n".join(rest))


def way_of_spans(asked):
    return "; ".join(way for request, way in WAYS.items() if any(line.startswith(request) for line in asked))


def is_installed_here(release):
    return release.package == "mlflow-skinny" and release.version == importlib.metadata.version("mlflow")


def test_every_release_that_is_tried_has_a_row_and_no_other_has():
    assert list(rows_of_document()) == [name_of(r) for r in RELEASES]


def test_the_newest_release_that_is_tried_is_that_of_all_other_tests():
    assert [r.mode for r in RELEASES if is_installed_here(r)] == ["http", "databricks"]


@pytest.mark.parametrize("release", RELEASES, ids=lambda r: f"{r.package}-{r.version}-{r.mode}")
def test_an_app_of_that_release_reads_back_what_it_wrote(daemon, proxied, soak, request, release):
    if not soak and release != OLDEST and not is_installed_here(release):
        pytest.skip("soak only: it installs the release")
    python = install(release) if soak else sys.executable if is_installed_here(release) else python_of(release)
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
    if request.config.getoption("--write-documents"):
        write_row(release, row)
    assert rows_of_document().get(name_of(release)) == row
