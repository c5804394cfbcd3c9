"""The programs under measurement: how each is started and what it costs."""
import contextlib
import json
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request

from programs import BUILD, ROOT

PEER = ROOT / "build" / "peers" / "otelcol"
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


def free_port(kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def build_peer():
    """The Collector, or None and a line that says why not."""
    if PEER.exists():
        return PEER
    if not shutil.which("go"):
        print("bench: no Go toolchain here, so nothing is compared with the OpenTelemetry Collector", flush=True)
        return None
    print("bench: building the OpenTelemetry Collector (about two minutes, once)", flush=True)
    done = subprocess.run([ROOT / "bench" / "peers" / "build.sh", PEER], capture_output=True, text=True)
    if done.returncode:
        print(f"bench: the Collector could not be built, so nothing is compared with it:\n{done.stderr[-600:]}", flush=True)
        return None
    return PEER


class Program:
    """A receiver between a load generator and a sink, in a directory of its own. `destination` stands for the one
    by OTLP that out_url would be; `spool` goes over the settings of the spool here. Both of spanferry alone."""

    def __init__(self, name, out_url, destination=None, **spool):
        self.name, self.out, self.destination, self.spool = name, out_url, destination, spool
        self.port = free_port()
        self.udp_port = free_port(socket.SOCK_DGRAM)
        self.address = f"127.0.0.1:{self.port}"
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="spanferry-bench-"))
        self.process = None

    def command(self):
        if self.name == "spanferry":
            config = self.directory / "spanferry.yaml"
            settings = {
                "listen": {"http": [self.address], "udp": [f"127.0.0.1:{self.udp_port}"]},
                "spool": {"directory": str(self.directory / "spool"), "max_bytes": "8GiB", "min_free_bytes": "64MiB"} | self.spool,
            }
            if self.out:
                self.destination = {"kind": "otlp", "url": self.out}
            if self.destination:
                settings["destinations"] = [{"name": "far"} | self.destination]
            config.write_text(json.dumps(settings))
            return [BUILD / "spanferry", "run", "--config", config]
        kind = self.name.removeprefix("collector, ")
        return [PEER, "--config", ROOT / "bench" / "peers" / f"{kind}.yaml"]

    def start(self):
        """Seconds until it takes a connection."""
        # What configures spanferry in this shell is not what is measured.
        ours = {k: v for k, v in os.environ.items() if not k.startswith(("SPANFERRY_", "MLFLOW_", "DATABRICKS_", "OTEL_"))}
        env = ours | {"IN": self.address, "OUT": self.out or "", "DIR": str(self.directory / "queue")}
        began = time.monotonic()
        with open(self.directory / "log", "ab") as log:
            self.process = subprocess.Popen(self.command(), env=env, stdout=log, stderr=log)
        while time.monotonic() - began < 60:
            with socket.socket() as s:
                if s.connect_ex(("127.0.0.1", self.port)) == 0:
                    return time.monotonic() - began
            if self.process.poll() is not None:
                break
            time.sleep(0.001)
        raise SystemExit(f"bench: {self.name} does not start:\n{(self.directory / 'log').read_text()[-2000:]}")

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS

    def memory_mib(self, field):
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(field):
                return int(line.split()[1]) / 1024
        return 0.0

    def status(self):
        """What spanferry says of itself."""
        with urllib.request.urlopen(f"http://{self.address}/api/spanferry/v1/status", timeout=30) as answer:
            return json.load(answer)

    def disk_mib(self):
        total = 0
        for path in self.directory.rglob("*"):
            with contextlib.suppress(OSError):
                total += path.stat().st_size
        return total / (1 << 20)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)
