"""Fixtures of the tests that run the built binary: daemons, far sides and the faults between them."""
import contextlib
import pathlib
import shutil
import ssl
import tempfile

import pytest
import trustme

import accounts
import fake_workspace
from connect_proxy import ConnectProxy
from daemon import Daemon
from fault_proxy import FaultProxy
from h2_front import Http2Front
from otlp_sink import OtlpSink
from programs import Sink
from workspace_log import stored_spans


def pytest_addoption(parser):
    parser.addoption("--soak", action="store_true", help="the same tests, at the size of the mission")
    parser.addoption("--write-documents", action="store_true", help="tables that tests make of what they see: write them into docs/ instead of comparing")


@pytest.fixture(scope="session")
def soak(request):
    return request.config.getoption("--soak")


@pytest.fixture
def scratch():
    """A directory of this test alone; its name is short, for Unix sockets and readable logs."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="spanferry-test-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def far_sides():
    """What must outlive the daemons: their accounts are compared with what these hold."""
    with contextlib.ExitStack() as stack:
        yield stack
    accounts.forget_far_sides()


@pytest.fixture
def daemon(scratch, far_sides, request):
    """Makes daemons: daemon(destinations=[...], env={...}, **settings). Whatever runs at the end is stopped,
    and each must have kept its accounts (accounts.py)."""
    made = []

    def make(**arguments):
        one = Daemon(scratch / f"d{len(made)}", **arguments)
        made.append(one)
        return one

    yield make
    trouble = []
    for one in made:
        try:
            one.close()
        except Exception as problem:  # the others must be stopped all the same
            trouble.append(f"{type(problem).__name__}: {problem}")
    failed = getattr(request.node, "report_of_call", None)
    if trouble or (failed and failed.failed):
        for one in made:
            print(f"--- log of {one.directory.name}\n{one.log_tail()}")
    assert not trouble, trouble


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.when == "call":
        item.report_of_call = report
    return report


@pytest.fixture
def otlp_sink(far_sides):
    """A far side that keeps what it decodes; the Python one, for looking into spans."""
    sink = far_sides.enter_context(OtlpSink())
    accounts.register_far_side(sink.url, lambda: len(sink.ids()))
    return sink


@pytest.fixture
def second_sink(far_sides):
    sink = far_sides.enter_context(OtlpSink())
    accounts.register_far_side(sink.url, lambda: len(sink.ids()))
    return sink


@pytest.fixture
def load_sink(far_sides):
    """A far side for hundreds of thousands of spans: spanferry-sink."""
    sink = far_sides.enter_context(Sink())
    accounts.register_far_side(sink.url, sink.distinct_spans)
    return sink


@pytest.fixture
def proxied(far_sides):
    """Makes proxies: proxied(url) stands before a server of this machine and breaks on demand."""

    def make(url):
        proxy = FaultProxy(int(url.rsplit(":", 1)[1]))
        far_sides.callback(proxy.close)
        accounts.register_same_far_side(proxy.url, url)
        return proxy

    return make


def serve_workspace(far_sides, tls=None):
    server = fake_workspace.serve(tls=tls)
    far_sides.callback(server.server_close)
    far_sides.callback(server.shutdown)
    server.stored_spans = lambda: stored_spans(server)
    accounts.register_far_side(server.url, lambda: len(server.stored_spans()))
    return server


@pytest.fixture
def workspace(far_sides):
    """The fake Databricks workspace, over plain HTTP; its token is "x"."""
    return serve_workspace(far_sides)


@pytest.fixture
def shared_workspace():
    """One whose spans are not counted for one daemon: two have to do with it."""
    server = fake_workspace.serve()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def mlflow_store(tmp_path_factory):
    """MLflow's own SQL store, as its server has one."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore  # takes seconds, and few tests need it
    where = tmp_path_factory.mktemp("store")
    return SqlAlchemyStore(f"sqlite:///{where}/mlflow.db", str(where / "artifacts"))


@pytest.fixture(scope="session")
def authority():
    return trustme.CA()


@pytest.fixture
def secure_workspace(far_sides, authority):
    """Makes workspaces behind TLS: secure_workspace(certificate for localhost unless told otherwise, the authority of
    the client certificates that it wants)."""

    def make(certificate=None, clients_of=None):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if clients_of is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            clients_of.configure_trust(context)
        (certificate or authority.issue_cert("localhost", "127.0.0.1")).configure_cert(context)
        return serve_workspace(far_sides, context)

    return make


@pytest.fixture
def connect_proxy():
    """Makes proxies that want a password: connect_proxy(names that lead to this machine)."""
    made = []

    def make(*hosts):
        made.append(ConnectProxy(hosts))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def http2_front(scratch, authority):
    """Makes TLS servers that speak HTTP/2: http2_front(port behind it, host of its certificate, ...)."""
    made = []

    def make(port, host="localhost", **arguments):
        directory = scratch / f"front{len(made)}"
        directory.mkdir()
        made.append(Http2Front(directory, port, authority.issue_cert(host), **arguments))
        return made[-1]

    yield make
    for one in made:
        one.close()
