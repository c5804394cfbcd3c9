"""The .deb: what it installs, what stays after a removal, what a purge asks."""
import os
import subprocess

import pytest
from daemon import BINARY
from programs import BUILD, ROOT, Sink
from waiting import wait_until
from wire import request

pytestmark = pytest.mark.machine
QUIET = {"DEBIAN_FRONTEND": "noninteractive", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
SPOOL = "var/lib/private/spanferry"


def delivering_to(url):
    return {"destinations": [{"name": "backend", "kind": "otlp", "url": url}]}


def test_it_holds_the_binary_the_units_a_configuration_and_the_man_page(deb, scratch):
    subprocess.run(["dpkg-deb", "-x", deb, scratch], check=True)
    files = {str(p.relative_to(scratch)) for p in scratch.rglob("*") if p.is_file()}
    assert files == {
        "usr/bin/spanferry", "usr/lib/systemd/system/spanferry.service",
        "usr/lib/systemd/system/spanferry-http.socket", "usr/lib/systemd/system/spanferry-udp.socket",
        "etc/spanferry/spanferry.yaml", "etc/spanferry/spanferry.env",
        "usr/share/man/man1/spanferry.1.gz", "usr/share/doc/spanferry/copyright",
    }
    assert (scratch / "etc/spanferry/secrets").stat().st_mode & 0o777 == 0o700
    page = subprocess.run(
        ["gzip", "-dc", scratch / "usr/share/man/man1/spanferry.1.gz"], check=True, capture_output=True, text=True
    ).stdout
    help_text = subprocess.run([BINARY, "--help"], check=True, capture_output=True, text=True).stdout
    commands = [line.split()[0] for line in help_text.split("Subcommands:")[1].splitlines() if line.strip()]
    assert commands and all(f".B {command}\n" in page for command in commands)


def test_an_installation_without_a_package_keeps_a_configuration_that_is_there(scratch):
    (scratch / "etc/spanferry").mkdir(parents=True)
    (scratch / "etc/spanferry/spanferry.yaml").write_text("log: {level: debug}\n")
    subprocess.run(
        ["cmake", "--install", BUILD, "--prefix", "/opt/spanferry"], check=True, capture_output=True,
        env=os.environ | {"DESTDIR": str(scratch)},
    )
    assert (scratch / "etc/spanferry/spanferry.yaml").read_text() == "log: {level: debug}\n"
    assert (scratch / "etc/spanferry/spanferry.env").exists()
    unit = (scratch / "opt/spanferry/lib/systemd/system/spanferry.service").read_text()
    assert "ExecStart=/opt/spanferry/bin/spanferry run" in unit
    done = subprocess.run([scratch / "opt/spanferry/bin/spanferry", "version"], capture_output=True, text=True)
    assert done.stdout.startswith("spanferry ")


def test_the_units_are_sound(deb, scratch):
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *sorted((ROOT / "deploy/systemd").glob("spanferry*.s*"))],
        capture_output=True, text=True,
    )
    complaints = [line for line in done.stderr.splitlines() if "spanferry" in line and "not executable" not in line]
    assert not complaints, done.stderr


def test_the_spool_survives_a_removal_and_a_purge_asks(machine, service):
    machine.configure(delivering_to("http://127.0.0.1:1"))
    machine.boot()
    with machine.network(), Sink() as sink:
        assert service.post(request(["kept over a removal"]).SerializeToString())[0] == 200
        machine.run("dpkg", "-r", "spanferry")
        assert machine.run("systemctl", "list-sockets", "--no-legend").stdout.count("spanferry") == 0
        with pytest.raises(OSError):
            service.request("/readyz")
        assert (machine.root / SPOOL / "db").is_dir()

        machine.configure(delivering_to(sink.url))  # a conffile: what an administrator wrote outlives a removal
        machine.run("dpkg", "-i", machine.package, env=QUIET)
        wait_until(lambda: sink.stats()["spans"] == 1, lambda: sink.stats())

    machine.run("dpkg", "-P", "spanferry", env=QUIET)
    assert (machine.root / SPOOL / "db").is_dir(), "nobody said yes"
    machine.run("dpkg", "-i", machine.package, env=QUIET)
    machine.run("debconf-set-selections", input="spanferry spanferry/purge-spool boolean true\n")
    machine.run("dpkg", "-P", "spanferry", env=QUIET)
    assert not (machine.root / SPOOL).exists()
    assert not (machine.root / "var/lib/spanferry").is_symlink()
