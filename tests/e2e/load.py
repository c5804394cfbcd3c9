"""The programs of bench/load, from Python."""
import json
import subprocess
import urllib.request

from daemon import BUILD


class Sink:
    """spanferry-sink: a backend for hundreds of thousands of spans that accounts for each."""

    def __init__(self):
        self.process = subprocess.Popen([BUILD / "spanferry-sink"], stdout=subprocess.PIPE, text=True)
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
        with urllib.request.urlopen(urllib.request.Request(self.admin + path, method=method), timeout=60) as answer:
            return json.load(answer)

    def set(self, mode, status=503, delay_ms=0):
        """ok, status, close, answer_lost, never_answer, black_hole or refuse."""
        self._call(f"/mode?set={mode}&status={status}&delay_ms={delay_ms}", "POST")

    def stats(self):
        return self._call("/stats")

    def compare(self, ledger):
        """acknowledged, missing, duplicates, extra: spans."""
        return self._call(f"/compare?ledger={ledger}")


class Load:
    """spanferry-load, running; `ledger` lists what was acknowledged once it has ended."""

    def __init__(self, address, ledger, **options):
        self.ledger = ledger
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
        assert self.process.returncode == 0, out
        return json.loads(out)
