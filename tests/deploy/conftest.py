"""Fixtures of the tests on whole machines and images; they need root, and tools that .ci/install brings."""
import os
import shutil
import ssl
import subprocess

import accounts
import fake_workspace
import pytest

from container import Container, Image, Pod
from daemon import Daemon
from machine import BASE, HERE, Machine, build_deb
from programs import ROOT

UNREACHABLE = 3  # exit code of base_root.sh
TOOLS = ("ip", "debootstrap", "systemd-nspawn", "nsenter", "dpkg-deb", "dpkg-shlibdeps", "buildah", "setpriv")


def pytest_collection_modifyitems(items):
    """Only where whole machines can be made; elsewhere the reason is told."""
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    why = None
    if os.geteuid() != 0:
        why = "needs root, for namespaces and mounts"
    elif missing:
        why = f"needs {', '.join(missing)}: run .ci/install"
    elif subprocess.run(["unshare", "--mount", "--pid", "--net", "--fork", "true"], capture_output=True).returncode:
        why = "namespaces may not be made here"
    for item in items:
        if why and item.get_closest_marker("machine"):
            item.add_marker(pytest.mark.skip(reason=why))


@pytest.fixture(scope="session")
def deb(tmp_path_factory):
    return build_deb(tmp_path_factory.mktemp("deb"))


@pytest.fixture(scope="session")
def base_root(deb):
    """Made once, of packages that a mirror of Debian has; without a network there is none, and that is told."""
    made = subprocess.run([HERE / "base_root.sh", deb, BASE], capture_output=True, text=True)
    if made.returncode == UNREACHABLE:
        pytest.skip(f"no Debian mirror can be reached to make a machine of: {made.stderr[-300:]}")
    assert made.returncode == 0, made.stderr[-2000:]
    return BASE


@pytest.fixture
def machine(base_root, deb, scratch):
    """A machine with the package installed, not booted yet."""
    one = Machine(scratch / "machine", base_root)
    try:
        one.install(deb)
        one.configure({})
        yield one
    finally:
        one.close()


class Service(Daemon):
    """The daemon of a machine, seen from its network; its process is the machine's business."""

    def __init__(self, directory):
        super().__init__(directory, start=False)
        self.port, self.udp_port = 4318, 4319
        self.address = f"127.0.0.1:{self.port}"
        self.url = f"http://{self.address}"

    def check_identity(self):
        for d in self.status()["destinations"]:
            if d.get("accounting"):
                accounts.check_identity(d["name"], d["accounting"])


@pytest.fixture
def service(scratch):
    return Service(scratch / "service")


@pytest.fixture(scope="session")
def image(base_root, deb):
    package = ROOT / "build" / "deb"
    package.mkdir(exist_ok=True)
    for old in package.glob("*.deb"):
        old.unlink()
    shutil.copy(deb, package)
    one = Image(base_root)
    yield one
    one.close()


@pytest.fixture
def pod():
    one = Pod()
    yield one
    one.close()


@pytest.fixture
def sidecar(image, pod, scratch):
    """Makes containers of the image in the pod: sidecar(env={...}, mounts={...}); `volume` is its volume."""
    made = []
    volume = scratch / "volume"
    volume.mkdir(exist_ok=True)
    os.chown(volume, 65532, 65532)

    def make(env=None, mounts=None, **more):
        mounts = {volume: "/var/lib/spanferry"} if mounts is None else mounts
        made.append(Container(image.root, pod, scratch / f"log{len(made)}", env, mounts, **more))
        return made[-1].start()

    yield make
    for one in made:
        one.close()


@pytest.fixture
def certified(authority, pod, scratch):
    """Makes workspaces behind TLS in the pod, by the token they take; and what a container needs to trust them."""
    made = []

    def make(*tokens):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost").configure_cert(context)
        with pod.network():
            made.append(fake_workspace.serve(tls=context, tokens=list(tokens)))
        return made[-1]

    (scratch / "trust").mkdir()
    authority.cert_pem.write_to_path(scratch / "trust" / "ca.pem")
    yield make
    for one in made:
        one.shutdown()
        one.server_close()


@pytest.fixture
def trusting(scratch):
    """Mounts and variables: the test's authority, and a volume."""
    volume = scratch / "volume"
    return {"mounts": {scratch / "trust": "/mnt", volume: "/var/lib/spanferry"}, "env": {"SSL_CERT_FILE": "/mnt/ca.pem"}}
