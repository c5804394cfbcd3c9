"""The flow of Databricks' guide with MLflow's own client, line by line: the same results whatever stands behind the
daemon, and whether it is up or down."""
import contextlib
import dataclasses
import shutil
import uuid

import pytest

import accounts
import guide
import guide_app
import mlflow_app
import mlflow_server
import reading
from outage import Outage
from test_mlflow_ferried import wait_until_ferried
from test_unity_catalog import create, link
from waiting import wait_until

FAR_SIDES = ("server", "workspace", "tables")
DOWN = ("refuse", "black_hole", "never_answer", "unavailable", "dns")
INTERRUPTIONS = ("none", "kill", "lost")
QUICK = (("server", "refuse", "kill"), ("workspace", "unavailable", "lost"))
LOCATION = "main.genai.app"


@dataclasses.dataclass
class FarSide:
    """A far side, how a daemon is told of it, and how a client is."""
    url: str
    experiment: str
    destination: dict
    direct: dict  # a client's environment
    through: dict  # the same before a daemon, but for its address
    tables: str = ""

    def address(self, d):
        return {"MLFLOW_TRACKING_URI": d.url} if not self.through else self.through | {"DATABRICKS_HOST": d.url}

    def app(self, d, **more):
        return guide.App(MLFLOW_EXPERIMENT_NAME=self.experiment, **self.address(d), **self.table_variables(), **more)

    def table_variables(self):
        return {"APP_TABLES": self.tables} if self.tables else {}

    def write_elsewhere(self):
        guide.write_elsewhere(MLFLOW_EXPERIMENT_NAME=self.experiment, **self.direct)

    @contextlib.contextmanager
    def client(self, through=None):
        """Directly at it, or through a daemon; and where its traces are."""
        variables = dict(self.direct if through is None else self.address(through))
        with reading.client(variables.pop("MLFLOW_TRACKING_URI"), **variables) as c:
            yield c, self.tables or c.get_experiment_by_name(self.experiment).experiment_id

    def experiments(self):
        with self.client() as (c, _):
            return {e.name for e in c.search_experiments()}


@pytest.fixture(scope="module")
def server():
    with mlflow_server.serve() as url:
        yield url


@pytest.fixture
def far_side(request, far_sides):
    """Makes one of FAR_SIDES; another pod has written there."""

    def make(kind):
        experiment = f"/Shared/production-genai-app-{uuid.uuid4().hex[:8]}"
        common = {"name": "far", "experiment": experiment, "assemble": {"quiet": "100ms"}}
        if kind == "server":
            url = request.getfixturevalue("server")
            accounts.register_far_side(url, lambda: mlflow_server.count_spans(url))
            made = FarSide(url, experiment, common | {"kind": "mlflow", "url": url}, {"MLFLOW_TRACKING_URI": url}, {})
        else:
            workspace = request.getfixturevalue("workspace")
            client = {"MLFLOW_TRACKING_URI": "databricks", "DATABRICKS_TOKEN": "x"}
            made = FarSide(workspace.url, experiment, common | {"kind": "databricks", "url": workspace.url, "token": "x"},
                           client | {"DATABRICKS_HOST": workspace.url}, client | {"DATABRICKS_TOKEN": "any"})
            if kind == "tables":
                link(workspace, create(workspace, experiment), LOCATION)
                made.tables = made.destination["unity_catalog"] = LOCATION
        made.write_elsewhere()
        return made

    return make


@pytest.fixture
def started():
    with contextlib.ExitStack() as stack:
        yield lambda app: stack.enter_context(contextlib.closing(app))


@pytest.fixture
def outage(far_sides, scratch):
    """Makes outages: outage(way, url of the far side)."""

    def make(way, url):
        if way == "dns" and not Outage.may_lose_names():
            pytest.skip("needs root, for a mount namespace")
        made = Outage(way, url, scratch)
        far_sides.callback(made.close)
        accounts.register_same_far_side(made.url, url)
        return made

    return make


def all_traces(client, location):
    """Whole, by the id of their request."""
    traces = [client.get_trace(t.info.trace_id) for t in reading.search(client, location, max_results=100)]
    return {t.info.client_request_id: [mlflow_app.info_of(t), mlflow_app.spans_of(t)] for t in traces}


def longest(calls):
    slowest = max((c for c in calls), key=lambda c: c["took_s"])
    return f"the longest call took {slowest['took_s']} s: {slowest['call']}"


@pytest.mark.parametrize("kind", FAR_SIDES)
def test_the_guide_works_line_by_line(daemon, far_side, started, soak, kind):
    if not soak and kind == "tables":
        pytest.skip("the third: with --soak")
    far = far_side(kind)
    there = far.experiments()
    d = daemon(destinations=[far.destination])
    app = started(far.app(d, until_whole=True))
    app.half()
    calls = app.finish()
    d.sent.acknowledged += guide_app.SPANS
    guide.check(calls, f"{kind}, up; {longest(calls)}", far.experiment, there=guide.ELSEWHERE_IDS, experiments=there)
    assert not [c for c in calls if c["partial"] and c["is_read"]]
    wait_until_ferried(d)
    with far.client() as (c, location):
        guide.check_far_side(c, location, there=guide.ELSEWHERE_IDS)
        directly = all_traces(c, location)
    another = daemon(destinations=[far.destination])
    with far.client(through=another) as (c, location):
        # What a busy far side does not say in time is missing, and not asked for again by this client.
        wait_until(lambda: all_traces(c, location) == directly, lambda: f"{directly}\nas there, but {all_traces(c, location)}")


def test_the_guide_works_with_the_daemon_alone(daemon, started):
    d = daemon()
    app = started(guide.App(MLFLOW_EXPERIMENT_NAME="/Shared/production-genai-app", MLFLOW_TRACKING_URI=d.url))
    app.half()
    calls = app.finish()
    d.sent.acknowledged += guide_app.SPANS
    guide.check(calls, f"the daemon alone; {longest(calls)}", "/Shared/production-genai-app", experiments=["Default"])
    assert not [c for c in calls if c["partial"] and c["is_read"]]


@pytest.mark.parametrize("interruption", INTERRUPTIONS)
@pytest.mark.parametrize("way", DOWN)
@pytest.mark.parametrize("kind", FAR_SIDES)
def test_with_the_destination_down_every_call_gives_the_same(
    daemon, far_side, outage, started, soak, kind, way, interruption
):
    if not soak and (kind, way, interruption) not in QUICK:
        pytest.skip("the others: with --soak")
    far = far_side(kind)
    down = outage(way, far.url)
    d = daemon(destinations=[far.destination | {"url": down.url}], within=down.within)
    app = started(far.app(d))
    app.half()
    lost = ()
    if interruption != "none":
        d.kill()
        if interruption == "lost":
            shutil.rmtree(d.spool)
            lost = guide_app.FIRST_HALF
        d.start()
    calls = app.finish()
    d.sent.acknowledged += guide_app.SPANS - 2 * len(lost)
    guide.check(calls, f"{kind}, {way}, {interruption}; {longest(calls)}", far.experiment, lost=lost)
    assert {c["call"] for c in calls if c["partial"]} == guide.MARKED
    assert d.destination()["accounting"]["delivered"] == 0
    down.end()
    wait_until_ferried(d)
    with far.client() as (c, location):
        guide.check_far_side(c, location, there=guide.ELSEWHERE_IDS, lost=lost)
