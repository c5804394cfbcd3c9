"""The load generator and the sink of bench/load, from Python: for the benchmark and for the tests."""
import json
import os
import pathlib
import subprocess
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[1]
BUILD = pathlib.Path(os.environ.get("SPANFERRY_BUILD", ROOT / "build" / "release"))


class Sink:
    """spanferry-sink: a backend for hundreds of thousands of spans that accounts for each."""

    def __init__(self, *options):
        self.process = subprocess.Popen([BUILD / "spanferry-sink", *options], stdout=subprocess.PIPE, text=True)
        ports = json.loads(self.process.stdout.readline())
        self.port, self.admin = ports["port"], f"http://127.0.0.1:{ports['admin_port']}"
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def _call(self, path, method="GET"):
        with urllib.request.urlopen(urllib.request.Request(self.admin + path, method=method), timeout=120) as answer:
            return json.load(answer)

    def set(self, mode, status=503, delay_ms=0):
        """ok, status, close, answer_lost, never_answer, black_hole or refuse."""
        self._call(f"/mode?set={mode}&status={status}&delay_ms={delay_ms}", "POST")

    def stats(self):
        return self._call("/stats")

    def distinct_spans(self):
        stats = self.stats()
        return stats["spans"] - stats["repeated_spans"]

    def compare(self, ledger):
        """acknowledged, missing, duplicates, extra: spans."""
        return self._call(f"/compare?ledger={ledger}")


class Load:
    """spanferry-load, running; `ledger` lists what was acknowledged once it has ended."""

    def __init__(self, address, ledger, **options):
        self.address, self.ledger = address, ledger
        arguments = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
        self.process = subprocess.Popen(
            [BUILD / "spanferry-load", address, f"--ledger={ledger}", *arguments], stdout=subprocess.PIPE, text=True
        )

    def running(self):
        return self.process.poll() is None

    def stop(self):
        """Ends it early; its report."""
        self.process.terminate()
        return self.report()

    def report(self, seconds=600):
        out, _ = self.process.communicate(timeout=seconds)
        if self.process.returncode:
            raise RuntimeError(f"spanferry-load ended with {self.process.returncode}: {out}")
        return json.loads(out)
