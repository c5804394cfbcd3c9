"""The systemd service on a machine that a real systemd has booted."""
import json
import re
import socket
import subprocess
import threading
import time

import fake_workspace
import pytest
from load import Load
from machine import build_deb
from programs import ROOT, Sink
from waiting import wait_until
from wire import as_json, request

pytestmark = pytest.mark.machine
NOBODY = "http://127.0.0.1:1"


def point_to(machine, sink, drain="1s"):
    machine.configure({"destinations": [{"name": "backend", "kind": "otlp", "url": sink.url}], "drain": {"timeout": drain}})
    machine.run("systemctl", "restart", "spanferry.service")


def test_the_unit_is_hardened():
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", ROOT / "deploy/systemd/spanferry.service"],
        capture_output=True, text=True, check=True,
    )
    score = float(re.search(r"exposure level for spanferry.service: ([0-9.]+)", done.stdout)[1])
    print(f"systemd-analyze security: {score}")
    assert score <= 2.0, done.stdout


def test_it_is_ready_when_systemd_says_so_and_its_lines_have_levels(machine, service):
    machine.boot()
    assert machine.property("spanferry.service", "ActiveState") == "active"
    assert machine.property("spanferry.service", "StatusText") == "listening on 127.0.0.1:4318"
    with machine.network():
        assert service.request("/readyz")[0] == 200
        assert service.request("/readyz", headers={"Host": "localhost:4318"})[0] == 200
    lines = [json.loads(line) for line in machine.journal("-u", "spanferry.service", "-o", "json").splitlines()]
    ours = {line["MESSAGE"]: line["PRIORITY"] for line in lines if line.get("_COMM") == "spanferry"}
    levels = {text.split()[0]: level for text, level in ours.items()}
    assert levels["spanferry"] == "6", ours  # the line at the start
    assert levels["The"] == "4", ours  # the warning on a spool in an overlay
    assert machine.property("spanferry.service", "DynamicUser") == "yes"
    owner = machine.run("stat", "-c", "%U %a", "/var/lib/private/spanferry").stdout.split()
    assert owner[0] != "root" and owner[1] == "700"
    assert machine.run("spanferry", "status", "--ready", check=False).returncode == 0


def test_one_that_hangs_is_killed_by_the_watchdog_and_goes_on(machine, service):
    machine.write("/etc/systemd/system/spanferry.service.d/test.conf", "[Service]\nWatchdogSec=3s\n")
    machine.configure({"destinations": [{"name": "backend", "kind": "otlp", "url": NOBODY}]})
    machine.boot()
    with machine.network():
        r = request(["before the hang"])
        assert service.post(r.SerializeToString())[0] == 200
        machine.run("systemctl", "kill", "--signal=STOP", "spanferry.service")
        wait_until(lambda: machine.property("spanferry.service", "NRestarts") == "1", "a restart", 60, every=0.2)
        wait_until(lambda: machine.property("spanferry.service", "ActiveState") == "active", "a recovery", 60, every=0.2)
        assert "watchdog" in machine.journal("-u", "spanferry.service").lower()
        with Sink() as sink:
            point_to(machine, sink)
            service.wait_until_settled("backend")
            assert sink.stats()["spans"] == 1


def test_an_upgrade_under_load_refuses_nobody_and_loses_nothing(machine, service, scratch, soak):
    machine.boot()
    newer = build_deb(machine.directory, version="99.0.0")
    with machine.network(), Sink() as sink:
        point_to(machine, sink, drain="3s")
        load = Load(service.address, scratch / "ledger", seconds=60, seed=1, connections=16, rate=500)
        wait_until(lambda: service.status()["accepted"]["spans"] > 500, "a running load")
        before = machine.property("spanferry.service", "MainPID")
        machine.run("dpkg", "-i", f"/outside/{newer.name}")
        for _ in range(5 if soak else 1):
            machine.run("systemctl", "restart", "spanferry.service")
        assert machine.property("spanferry.service", "MainPID") != before
        assert "99.0.0" in machine.run("dpkg-query", "-W", "spanferry").stdout
        wait_until(lambda: service.status()["accepted"]["spans"] > 500, "load after the restart")
        report = load.stop()
        print(report)
        assert report["connect_errors"] == 0, report
        assert report["acked_spans"] > 1000, report
        service.wait_until_settled("backend")
        result = sink.compare(scratch / "ledger")
        assert result["missing"] == 0, result
        service.check_identity()


def test_datagrams_sent_during_a_restart_wait_for_the_next_process(machine, service):
    machine.boot()
    with machine.network(), Sink() as sink:
        point_to(machine, sink)
        restarted = threading.Event()

        def restart():
            for _ in range(2):
                machine.run("systemctl", "restart", "spanferry.service")
            restarted.set()

        worker = threading.Thread(target=restart)
        worker.start()
        sent = 0
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            while not restarted.is_set() or sent < 500:
                s.sendto(b'{"name": "datagram"}', ("127.0.0.1", 4319))
                sent += 1
                time.sleep(0.002)  # a sender's pace, not a wait
        worker.join()
        wait_until(lambda: sink.stats()["spans"] == sent, lambda: f"{sent} datagrams, but {sink.stats()}")


def test_a_changed_credential_comes_with_a_restart(machine, service):
    machine.write("/etc/spanferry/secrets/databricks-token", "stale\n", mode=0o600)
    machine.boot()
    with machine.network():
        workspace = fake_workspace.serve(tokens=["fresh"])
        machine.write("/etc/spanferry/spanferry.env", (
            f"DATABRICKS_HOST={workspace.url}\nMLFLOW_TRACKING_URI=databricks\n"
            "DATABRICKS_TOKEN_FILE=/run/credentials/spanferry.service/secrets_databricks-token\n"
            "MLFLOW_EXPERIMENT_NAME=/Shared/app\nSPANFERRY_SPOOL_MIN_FREE_BYTES=16MiB\n"
        ))
        machine.run("systemctl", "restart", "spanferry.service")
        assert service.post(request(["kept"]).SerializeToString())[0] == 200
        service.wait_for_state("paused_auth")
        assert service.request("/readyz")[0] == 200
        machine.write("/etc/spanferry/secrets/databricks-token", "fresh\n", mode=0o600)
        machine.run("systemctl", "restart", "spanferry.service")
        assert service.wait_until_settled()["delivered"] == 1
        assert len(workspace.state.traces) == 1
        workspace.shutdown()
        workspace.server_close()


def test_a_reload_takes_over_what_changed_and_tells_systemd(machine, service):
    machine.boot()
    with machine.network(), Sink() as sink:
        process = machine.property("spanferry.service", "MainPID")
        machine.configure({"destinations": [{"name": "backend", "kind": "otlp", "url": sink.url, "from": "oldest"}]})
        machine.run("systemctl", "reload", "spanferry.service")
        wait_until(lambda: [d for d in service.status()["destinations"] if d["name"] == "backend"], "the new destination")
        assert service.post(request(["after the reload"]).SerializeToString())[0] == 200
        service.wait_until_settled("backend")
        assert sink.stats()["spans"] == 1
        machine.write("/etc/spanferry/spanferry.yaml", "destinations: what?\n")
        machine.run("systemctl", "reload", "spanferry.service")
        wait_until(lambda: machine.property("spanferry.service", "ActiveState") == "active", "the end of the reload")
        wait_until(lambda: "destinations" in machine.journal("-u", "spanferry.service", "-p", "err"), "the reason")
        assert service.post(request(["still here"]).SerializeToString())[0] == 200
        service.wait_until_settled("backend")
        assert machine.property("spanferry.service", "MainPID") == process


def test_at_a_shutdown_it_outlives_who_sends_to_it(machine, service):
    (machine.directory / "last.json").write_bytes(as_json(request(["the last span"])))
    machine.write("/etc/systemd/system/sender.service", """
[Unit]
Wants=spanferry.service
After=spanferry.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/true
ExecStop=/bin/sh -c 'sleep 1; spanferry send /outside/last.json > /outside/sent 2>&1 && touch /outside/acknowledged'
[Install]
WantedBy=multi-user.target
""")
    (machine.root / "var/log/journal").mkdir(parents=True, exist_ok=True)
    (machine.root / "etc/systemd/system/multi-user.target.wants").mkdir(parents=True, exist_ok=True)
    (machine.root / "etc/systemd/system/multi-user.target.wants/sender.service").symlink_to("../sender.service")
    machine.boot()
    with machine.network(), Sink() as sink:
        point_to(machine, sink, drain="7s")
        assert machine.property("sender.service", "ActiveState") == "active"
        machine.power_off()
        assert (machine.directory / "acknowledged").exists(), (machine.directory / "sent").read_text()
        assert sink.stats()["spans"] == 1
    journal = subprocess.run(
        ["journalctl", "-D", machine.root / "var/log/journal", "--no-pager", "-u", "spanferry.service"],
        capture_output=True, text=True, check=True,
    ).stdout
    assert "nothing is pending" in journal, journal
    assert "Deactivated successfully" in journal.split("stopped after")[-1], journal  # and was not killed


def test_a_wrong_configuration_is_told_once_and_not_tried_again(machine):
    machine.write("/etc/spanferry/spanferry.yaml", "listen: {htttp: 127.0.0.1:4318}\n")
    machine.boot()
    wait_until(lambda: machine.property("spanferry.service", "ActiveState") == "failed", "a failure", every=0.2)
    assert machine.property("spanferry.service", "NRestarts") == "0"
    journal = machine.journal("-u", "spanferry.service", "-o", "cat")
    assert "htttp" in journal and "http" in journal, journal
