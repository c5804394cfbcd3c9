"""Five ways in which a far side may be away, each from before a daemon starts until it is ended."""
import os
import pathlib
import subprocess

from fault_proxy import FaultProxy

BY_PROXY = ("refuse", "black_hole", "never_answer", "unavailable")
NAME = "far-side.invalid"
# Names are looked up in files of ours: first in none, and nobody answers at the resolver's address.
IN_OUR_FILES = 'mount --bind "$1" /etc/hosts && mount --bind "$2" /etc/resolv.conf && shift 2 && exec "$@"'


class Outage:
    """`url`: the far side's as a daemon is to have it. `within`: what the daemon's command line begins with."""

    def __init__(self, way, url, scratch):
        self.way, self.within = way, ()
        self.port = int(url.rsplit(":", 1)[1])
        if way == "dns":
            self._lose_the_name(pathlib.Path(scratch))
            return
        self.proxy = FaultProxy(self.port)
        self.proxy.set(way)
        self.url = self.proxy.url

    @staticmethod
    def may_lose_names():
        return os.geteuid() == 0 and subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode == 0

    def _lose_the_name(self, scratch):
        self.proxy = None
        self.url = f"http://{NAME}:{self.port}"
        self.hosts, resolver = scratch / "hosts", scratch / "resolv.conf"
        self.hosts.write_text("127.0.0.1 localhost\n")
        resolver.write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
        self.within = ("unshare", "--mount", "sh", "-c", IN_OUR_FILES, "sh", self.hosts, resolver)

    def end(self):
        if self.proxy:
            self.proxy.set("pass")
        else:
            with open(self.hosts, "a") as file:  # the same file: what is bound is not its name
                file.write(f"127.0.0.1 {NAME}\n")

    def close(self):
        if self.proxy:
            self.proxy.close()
