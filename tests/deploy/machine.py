"""A machine of its own: a Debian root that a real systemd has booted, with its own network, in systemd-nspawn."""
import contextlib
import ctypes
import json
import pathlib
import shutil
import signal
import subprocess

from programs import BUILD, ROOT
from waiting import wait_until

HERE = pathlib.Path(__file__).resolve().parent
BASE = ROOT / "build" / "deploy" / "base"


def build_deb(out, version=None):
    more = ["--version", version] if version else []
    built = subprocess.run(
        [ROOT / "deploy/deb/build.sh", "--out", out, *more], check=True, capture_output=True, text=True
    )
    return pathlib.Path(ROOT, built.stdout.strip())


@contextlib.contextmanager
def network_of(pid):
    """The calling thread, and the threads and processes it starts meanwhile, are in the network of that process."""
    with open("/proc/thread-self/ns/net") as ours, open(f"/proc/{pid}/ns/net") as theirs:
        _set_namespace(theirs.fileno())
        try:
            yield
        finally:
            _set_namespace(ours.fileno())


def _set_namespace(descriptor):
    if ctypes.CDLL(None, use_errno=True).setns(descriptor, 0x40000000) != 0:  # CLONE_NEWNET
        raise OSError(ctypes.get_errno(), "setns")


class Machine:
    """`directory` gets what the machine writes; the base under it stays as it is. Files of the tests are seen at the
    same paths."""

    def __init__(self, directory, base=BASE):
        self.directory = pathlib.Path(directory)
        self.base = base
        self.root = self.directory / "root"
        self.console = self.directory / "console"
        self.process = self.pid = None
        for name in ("root", "upper", "work"):
            (self.directory / name).mkdir(parents=True)
        lower = f"lowerdir={base},upperdir={self.directory}/upper,workdir={self.directory}/work"
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", lower, self.root], check=True)

    def write(self, path, text, mode=0o644):
        target = self.root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        target.chmod(mode)

    def configure(self, configuration):
        """Over what makes tests quick, section by section."""
        usual = {"spool": {"min_free_bytes": "16MiB"}, "drain": {"timeout": "1s"}}
        self.write("/etc/spanferry/spanferry.yaml", json.dumps(usual | configuration))

    def install(self, deb):
        """In the root while nothing runs, as an image is made."""
        shutil.copy(deb, self.root / "var/cache")
        self.package = f"/var/cache/{deb.name}"
        self._chroot("dpkg", "-i", self.package)

    def _chroot(self, *command):
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive"}
        done = subprocess.run(
            ["chroot", self.root, *command], capture_output=True, text=True, env=environment, timeout=120
        )
        assert done.returncode == 0, (command, done.stdout, done.stderr)

    def boot(self, seconds=120):
        pathlib.Path("/run/systemd/system").mkdir(parents=True, exist_ok=True)  # nspawn looks for it
        with open(self.console, "ab") as log:
            self.process = subprocess.Popen(
                ["systemd-nspawn", "-q", "-D", self.root, "--register=no", "--keep-unit", "--private-network",
                 "--kill-signal=SIGRTMIN+3", f"--bind-ro={BUILD}", f"--bind={self.directory}:/outside",
                 "--console=pipe", "-b"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )
        self.pid = wait_until(self._init, lambda: f"a booting machine\n{self.console_tail()}", seconds)
        wait_until(
            lambda: self.run("systemctl", "is-system-running", check=False).stdout.strip() in ("running", "degraded"),
            lambda: f"a booted machine\n{self.console_tail()}", seconds, every=0.2,
        )

    def _init(self):
        assert self.process.poll() is None, self.console_tail()
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        for child in children.read_text().split():
            try:
                if pathlib.Path(f"/proc/{child}/comm").read_text().strip() == "systemd":
                    return int(child)
            except OSError:  # it has gone
                pass
        return None

    def console_tail(self):
        return self.console.read_text(errors="replace")[-3000:]

    def inside(self, *command):
        """The command line that runs a program of the machine in it."""
        return ["nsenter", "-t", str(self.pid), "-m", "-p", "-u", "-i", "-n", *map(str, command)]

    def network(self):
        """With this, what the test itself opens and starts is on the machine's network."""
        return network_of(self.pid)

    def run(self, *command, check=True, seconds=60, **more):
        done = subprocess.run(self.inside(*command), capture_output=True, text=True, timeout=seconds, **more)
        assert not check or done.returncode == 0, (command, done.returncode, done.stdout, done.stderr)
        return done

    def property(self, unit, name):
        return self.run("systemctl", "show", unit, f"--property={name}", "--value").stdout.strip()

    def journal(self, *arguments):
        return self.run("journalctl", "--no-pager", "--quiet", *arguments).stdout

    def power_off(self, seconds=120):
        self.run("systemctl", "poweroff", check=False)
        self.process.wait(seconds)
        self.pid = None

    def close(self):
        if self.process and self.process.poll() is None:
            try:
                self.power_off(60)
            except Exception:
                self.process.send_signal(signal.SIGKILL)
                self.process.wait()
        subprocess.run(["umount", "--lazy", self.root], check=False)
