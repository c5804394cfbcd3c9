"""Runs the built image as a container runtime does: namespaces, a read-only root, no privileges, its own user."""
import fcntl
import json
import os
import pathlib
import signal
import socket
import struct
import subprocess
import uuid

from machine import network_of
from programs import ROOT
from waiting import wait_until

BUILDAH = ("buildah", "--storage-driver", "vfs")


def buildah(*arguments, **more):
    done = subprocess.run([*BUILDAH, *map(str, arguments)], capture_output=True, text=True, **more)
    assert done.returncode == 0, (arguments, done.stdout[-2000:], done.stderr[-4000:])
    return done.stdout.strip()


class Image:
    """The image of the Dockerfile, with the package that is built already (build/deb) or one compiled inside. volumes:
    what its build sees of this machine."""

    def __init__(self, base_root, package="prebuilt", volumes=()):
        self.name = f"localhost/spanferry-test-{package}-{uuid.uuid4().hex[:8]}"  # others may build beside us
        self.working, self.base = [], f"{self.name}-base"
        base = self._from("scratch")
        buildah("copy", "-q", base, base_root, "/")
        buildah("commit", "-q", base, self.base)
        buildah("bud", "--format", "docker", "--isolation", "chroot", *(f"--volume={v}" for v in volumes),
                "--network", "host", "--pull-never", "--build-arg", f"BASE={self.base}",
                "--build-arg", f"PACKAGE={package}", "-t", self.name, ROOT)
        container = self._from("--pull-never", self.name)
        self.root = pathlib.Path(buildah("mount", container))
        for point in ("proc", "mnt", "run"):  # as every runtime does
            (self.root / point).mkdir(exist_ok=True)

    def _from(self, *arguments):
        self.working.append(buildah("from", *arguments))
        return self.working[-1]

    def inspect(self):
        return json.loads(buildah("inspect", "--type", "image", self.name))

    def size_bytes(self):
        return sum(p.lstat().st_size for p in self.root.rglob("*") if p.is_file() and not p.is_symlink())

    def close(self):
        for container in reversed(self.working):
            subprocess.run([*BUILDAH, "rm", container], capture_output=True)
        for image in (self.name, self.base):
            subprocess.run([*BUILDAH, "rmi", "-f", image], capture_output=True)


class Pod:
    """A network that containers share; nothing is in it but loopback."""

    def __init__(self):
        self.pause = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
        wait_until(lambda: pathlib.Path(f"/proc/{self.pause.pid}/comm").read_text() == "sleep\n", "a network")
        with self.network():
            self._loopback_up()

    @staticmethod
    def _loopback_up():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            flags = fcntl.ioctl(s, 0x8913, struct.pack("16sh14x", b"lo", 0))  # SIOCGIFFLAGS
            up = struct.unpack_from("h", flags, 16)[0] | 1
            fcntl.ioctl(s, 0x8914, struct.pack("16sh14x", b"lo", up))  # SIOCSIFFLAGS

    def network(self):
        return network_of(self.pause.pid)

    def close(self):
        self.pause.kill()
        self.pause.wait()


RUN = r"""
set -e
root=$1 writable=$2; shift 2
mount --rbind "$root" "$root"
cd "$root"
while [ "$1" != -- ]; do
  if [ -d "$1" ]; then mkdir -p "$root/$2" 2>/dev/null || true; else : >>"$root/$2"; fi
  mount --bind "$1" "$root/$2"
  shift 2
done
shift
mount -t proc proc "$root/proc"
[ "$writable" = rw ] || mount -o remount,bind,ro "$root"
exec setpriv --no-new-privs --inh-caps=-all --bounding-set=-all,+sys_chroot,+setuid,+setgid,+setpcap \
  chroot --userspec=65532:65532 "$root" "$@"
"""


class Container:
    """The image's ENTRYPOINT and CMD as process 1. `mounts`: outside → inside, files or directories. `within`: a command
    that execs the rest of its line."""

    def __init__(self, root, pod, log, env=None, mounts=None, writable=False, within=()):
        self.root, self.pod, self.log_path = root, pod, pathlib.Path(log)
        self.env, self.mounts, self.writable, self.within = env or {}, mounts or {}, writable, within
        self.process = self.pid = None
        if writable:  # a layer over the image, as without --read-only
            self.root = self.log_path.with_suffix(".layer")
            upper, work = self.root.with_suffix(".upper"), self.root.with_suffix(".work")
            for directory in (self.root, upper, work):
                directory.mkdir()
            subprocess.run(["mount", "-t", "overlay", "overlay", "-o",
                            f"lowerdir={root},upperdir={upper},workdir={work}", self.root], check=True)

    def start(self):
        pairs = [str(p) for pair in self.mounts.items() for p in pair]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [*self.within, "nsenter", "-t", str(self.pod.pause.pid), "-n", "unshare", "--mount", "--pid", "--ipc", "--uts",
                 "--fork", "--kill-child", "sh", "-c", RUN, "sh", self.root, "rw" if self.writable else "ro",
                 *pairs, "--", "/usr/bin/spanferry", "run"],
                env={"PATH": os.environ["PATH"], **self.env}, stdout=log, stderr=log,
            )
        self.pid = wait_until(self._find, lambda: f"a started container\n{self.log()}")
        return self

    def _find(self):
        if self.process.poll() is not None:
            return -1
        for line in pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split():
            if pathlib.Path(f"/proc/{line}/comm").read_text() == "spanferry\n":
                return int(line)
        return None

    def execute(self, command):
        """An exec probe; its exit code."""
        return subprocess.run(
            ["nsenter", "-t", str(self.pid), "-m", "-n", "-p", "-r", "-S", "65532", "-G", "65532", *command],
            capture_output=True, env={"PATH": "/usr/bin", **self.env},
        ).returncode

    def healthy(self):
        """What HEALTHCHECK asks."""
        return self.execute(["/usr/bin/spanferry", "status", "--ready"]) == 0

    def wait_until_healthy(self, seconds=60):
        def healthy():
            assert self.process.poll() is None, self.log()
            return self.healthy()
        wait_until(healthy, lambda: f"a healthy container\n{self.log()}", seconds, every=0.1)

    def log(self):
        return self.log_path.read_text(errors="replace")

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self, seconds=30):
        os.kill(self.pid, signal.SIGTERM)
        return self.process.wait(seconds)

    def close(self):
        if self.process and self.process.poll() is None:
            if self.pid:  # that of another user does not end with its parent
                os.kill(self.pid, signal.SIGKILL)
            self.process.kill()
            self.process.wait()
        if self.writable:
            subprocess.run(["umount", "--lazy", self.root])
