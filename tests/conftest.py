"""Fixtures of the tests that run the built binary: daemons, far sides and the faults between them."""
import pathlib
import shutil
import ssl
import tempfile

import pytest
import trustme

import fake_workspace
from daemon import Daemon
from fault_proxy import FaultProxy
from load import Sink
from otlp_sink import OtlpSink


def pytest_addoption(parser):
    parser.addoption("--soak", action="store_true", help="the same tests, at the size of the mission")


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
def daemon(scratch, request):
    """Makes daemons: daemon(destinations=[...], env={...}, **settings). Whatever runs at the end is stopped,
    and each must have kept its accounts."""
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
def otlp_sink():
    """A far side that keeps what it decodes; the Python one, for looking into spans."""
    with OtlpSink() as sink:
        yield sink


@pytest.fixture
def second_sink():
    with OtlpSink() as sink:
        yield sink


@pytest.fixture
def load_sink():
    """A far side for hundreds of thousands of spans: spanferry-sink."""
    with Sink() as sink:
        yield sink


@pytest.fixture
def proxied():
    """Makes proxies: proxied(port) stands before a port of this machine and breaks on demand."""
    made = []

    def make(port):
        made.append(FaultProxy(port))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def workspace():
    """The fake Databricks workspace, over plain HTTP; its token is "x"."""
    server = fake_workspace.serve()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def authority():
    return trustme.CA()


@pytest.fixture
def secure_workspace(authority):
    """Makes workspaces behind TLS: secure_workspace(certificate for localhost unless told otherwise)."""
    made = []

    def make(certificate=None):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        (certificate or authority.issue_cert("localhost", "127.0.0.1")).configure_cert(context)
        made.append(fake_workspace.serve(tls=context))
        return made[-1]

    yield make
    for one in made:
        one.shutdown()
        one.server_close()
