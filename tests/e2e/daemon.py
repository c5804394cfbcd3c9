"""One spanferry under test: its configuration, its process, its spool, and whether its accounts are right."""
import json
import os
import pathlib
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

import accounts
import wire
from programs import BUILD
from waiting import free_port, wait_until

BINARY = BUILD / "spanferry"
OURS = ("MLFLOW_", "DATABRICKS_", "OTEL_", "SPANFERRY_", "APP_VERSION", "DEPLOYMENT_ID", "REGION", "ENVIRONMENT", "SSL_CERT")


class Daemon:
    """Files: config, spool and log below `directory`. Settings are sections of the configuration file; they go
    over the defaults here key by key."""

    def __init__(self, directory, destinations=(), env=None, spool_directory=None, start=True, within=(), **settings):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True)
        self.spool = pathlib.Path(spool_directory or self.directory / "spool")
        self.port, self.udp_port = free_port(), free_port(socket.SOCK_DGRAM)
        self.address = f"127.0.0.1:{self.port}"
        self.url = f"http://{self.address}"
        self.config = {
            "listen": {"http": [self.address], "udp": [f"127.0.0.1:{self.udp_port}"]},
            "spool": {"directory": str(self.spool), "min_free_bytes": "16MiB"},
        }
        if destinations:
            self.config["destinations"] = list(destinations)
        for section, values in settings.items():
            if isinstance(values, dict):
                self.config.setdefault(section, {}).update(values)
            else:
                self.config[section] = values
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(OURS)} | (env or {})
        self.within = within  # a command that execs the rest of its line
        self.process = None
        self.kills = 0
        self.sent = accounts.sent_to(self.address, afresh=True)
        self.far_sides = accounts.FarSides()
        if start:
            self.start()

    # --- the process

    def start(self, seconds=30.0):
        """Starts it and waits until it accepts; milliseconds from exec to the first answer of /readyz."""
        self.write_config()
        began = time.monotonic()
        with open(self.directory / "log", "ab") as log:
            self.process = subprocess.Popen(
                [*self.within, BINARY, "run", "--config", self.directory / "spanferry.yaml"], env=self.env, stdout=log, stderr=log
            )
        wait_until(self._ready, lambda: f"a ready daemon\n{self.log_tail()}", seconds, every=0.005)
        took_ms = (time.monotonic() - began) * 1e3
        wait_until(lambda: self.status()["destinations"], "destinations in the status", seconds)
        return took_ms

    def write_config(self):
        self.far_sides.add(self.config.get("destinations", ()))
        # JSON is YAML.
        (self.directory / "spanferry.yaml").write_text(json.dumps(self.config, indent=2))

    def _ready(self):
        if self.process.poll() is not None:
            raise AssertionError(f"the daemon ended with {self.process.returncode}\n{self.log_tail()}")
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False

    def running(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.kills += 1

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    def stop(self, seconds=20.0):
        """SIGTERM; the exit code."""
        self.terminate()
        return self.process.wait(seconds)

    def close(self):
        """At the end of a test: a stop is clean, and the accounts hold."""
        status = None
        if self.running():
            status = self.status()
            # A datagram has no answer: that much was taken is all that can be said.
            self.sent.acknowledged += status["accepted"]["by_source"].get("udp", 0)
            code = self.stop()
            assert code == 0, f"a stopped daemon exits 0, this one {code}\n{self.log_tail()}"
        if self.process is None or not (self.spool / "db").exists():
            return
        scan = self.check_scan()
        if status:
            accounts.check_status(status, scan, moved=True)

    def log(self):
        path = self.directory / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def log_tail(self, lines=40):
        return "\n".join(self.log().splitlines()[-lines:])

    def memory_mib(self, field="VmHWM"):
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(field):
                return int(line.split()[1]) / 1024
        raise AssertionError(f"no {field}")

    # --- its doors

    def request(self, path, data=None, headers=None, method=None, timeout=30):
        """(status, headers, body); refusals are answers like any other."""
        call = urllib.request.Request(f"{self.url}{path}", data=data, headers=headers or {}, method=method)
        try:
            with urllib.request.urlopen(call, timeout=timeout) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.code, refusal.headers, refusal.read()

    def post(self, body, content_type="application/x-protobuf", **headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        status, answered, text = self.request("/v1/traces", body, {"Content-Type": content_type, **named})
        if status == 200:
            count = wire.count_spans(body, content_type, headers.get("content_encoding"))
            if count is None:  # only the daemon can read it
                self.sent.unknown += len(body)
            else:
                self.sent.acknowledged += count - wire.rejected_spans(text, content_type)
        return status, answered, text

    def get(self, path):
        status, _, body = self.request(path)
        assert status == 200, (path, status, body)
        return json.loads(body)

    def send_datagram(self, payload):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.sendto(payload, ("127.0.0.1", self.udp_port))

    def run(self, *arguments, check=True, **more):
        """The command line, with this daemon's configuration."""
        done = subprocess.run(
            [BINARY, *arguments, "--config", self.directory / "spanferry.yaml"],
            env=self.env, capture_output=True, text=True, timeout=60, **more,
        )
        assert not check or done.returncode == 0, (arguments, done.returncode, done.stdout, done.stderr)
        return done

    # --- what it says of itself

    def status(self):
        return self.get("/api/spanferry/v1/status")

    def destination(self, name=None):
        every = self.status()["destinations"]
        return next(d for d in every if name is None or d["name"] == name)

    def wait_for_state(self, state, name=None, seconds=30.0):
        return wait_until(
            lambda: (d := self.destination(name))["state"] == state and d,
            lambda: f"{state}, but {self.destination(name)}\n{self.log_tail()}", seconds,
        )

    def wait_until_settled(self, name=None, seconds=60.0):
        """Nothing pending for the destination; its accounting."""
        return wait_until(
            lambda: (d := self.destination(name))["accounting"]["pending"] == 0 and d["accounting"],
            lambda: f"everything settled, but {self.destination(name)}\n{self.log_tail()}", seconds,
        )

    def check_scan(self):
        """The stopped spool agrees with what its senders and the far sides know; the scan."""
        scan = self.inspect()
        accounts.check_scan(scan, self.sent, self.far_sides, "reopening the store" in self.log())
        return scan

    def dead_letters(self):
        return self.get("/api/spanferry/v1/dead-letters")["dead_letters"]

    def inspect(self):
        """What a scan of the stopped spool counts."""
        assert not self.running()
        return json.loads(self.run("spool", "inspect", "--json").stdout)
