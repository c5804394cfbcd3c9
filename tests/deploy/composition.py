"""Runs a compose file without a Docker engine: networks, names, volumes, secrets, order, grace times and limits are those
that docker-compose reads in it. spanferry runs from the built image; no other image can be had here, so the commands
of the others' Dockerfiles are run by this machine's interpreters."""
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import urllib.error
import urllib.request

import yaml
from beside import NODE_MODULES, clean_environment, need
from container import Container, Pod
from memory_group import MemoryGroup, NoMemoryGroup
from waiting import wait_until

INTERPRETERS = {
    "python": [sys.executable], "mlflow": [sys.executable, "-m", "mlflow"], "node": ["node"], "sleep": ["sleep"],
}


def run(*command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    assert done.returncode == 0, (command, done.stderr)


class Networks:
    """A bridge for each network, in a namespace of their own; whoever joins one gets an address in it."""

    def __init__(self, names):
        self.ground, self.names, self.joined = Pod(), sorted(names), []
        for number, _ in enumerate(self.names):
            self._on_ground("link", "add", f"br{number}", "type", "bridge")
            self._on_ground("link", "set", f"br{number}", "up")

    def _on_ground(self, *arguments):
        run("nsenter", "-t", self.ground.pause.pid, "-n", "ip", *arguments)

    def join(self, pod, network):
        number = self.names.index(network)
        member = len(self.joined) + 2
        address = f"10.88.{number}.{member}"
        inside = ("nsenter", "-t", pod.pause.pid, "-n", "ip")
        self._on_ground("link", "add", f"v{member}", "type", "veth", "peer", "name", f"eth{number}", "netns", pod.pause.pid)
        self._on_ground("link", "set", f"v{member}", "master", f"br{number}", "up")
        run(*inside, "addr", "add", f"{address}/24", "dev", f"eth{number}")
        run(*inside, "link", "set", f"eth{number}", "up")
        self.joined.append(pod)
        return address

    def close(self):
        self.ground.close()


class Neighbour:
    """A service that is not spanferry, in its network and with the names it can see."""

    def __init__(self, pod, command, hosts, log, env):
        self.pod, self.command, self.hosts, self.log_path, self.env = pod, command, hosts, log, env
        self.process = None

    def start(self):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                ["nsenter", "-t", str(self.pod.pause.pid), "-n", "unshare", "--mount", "sh", "-c",
                 'mount --bind "$0" /etc/hosts && exec "$@"', self.hosts, *self.command],
                env=clean_environment() | self.env, stdout=log, stderr=log, start_new_session=True,
            )
        return self

    def log(self):
        return self.log_path.read_text(errors="replace")

    def stop(self, seconds):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def close(self):
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


class Composition:
    """`change`: is given what docker-compose made of the file, before anything is run."""

    def __init__(self, path, image, directory, environment, change=lambda services: None):
        self.directory, self.image = directory, image
        done = subprocess.run(["docker-compose", "-f", path, "config"], capture_output=True, text=True, check=True,
                              env=os.environ | environment)
        self.file = yaml.safe_load(done.stdout)
        self.services = self.file["services"]
        change(self.services)
        self.order = self._order()
        self.networks = Networks(self.file.get("networks", {"default": None}))
        self.pods, self.addresses, self.running, self.groups = {}, {}, {}, []
        for name in self.order:
            self._connect(name)

    def _needs(self, name):
        """Each with its condition; to share somebody's network is to need them."""
        service = self.services[name]
        needs = dict(service.get("depends_on", {}))
        if owner := self._owner_of_its_network(name):
            needs.setdefault(owner, {"condition": "service_started"})
        return needs

    def _owner_of_its_network(self, name):
        mode = self.services[name].get("network_mode", "")
        return mode.removeprefix("service:") if mode.startswith("service:") else None

    def _order(self):
        order = []
        while len(order) < len(self.services):
            ready = [n for n in sorted(self.services) if n not in order and set(self._needs(n)) <= set(order)]
            assert ready, "services that wait for each other"
            order.append(ready[0])
        return order

    def _connect(self, name):
        if owner := self._owner_of_its_network(name):
            self.pods[name] = self.pods[owner]
            return
        self.pods[name] = Pod()
        for network in self.services[name].get("networks", ["default"]):
            self.addresses.setdefault(name, {})[network] = self.networks.join(self.pods[name], network)

    def hosts(self, name):
        """A file with the names that the service can see, as the engine's own name server would tell it."""
        seen = set(self.addresses[self._owner_of_its_network(name) or name])
        lines = ["127.0.0.1 localhost", "::1 localhost"]
        for other, addresses in self.addresses.items():
            lines += [f"{address} {other}" for network, address in addresses.items() if network in seen]
        path = self.directory / f"{name}.hosts"
        path.write_text("\n".join(lines) + "\n")
        return path

    def volumes(self, name):
        """Outside → inside."""
        mounts = {}
        for volume in self.services[name].get("volumes", []):
            source, inside = volume.split(":")[:2]
            outside = self.directory / "volumes" / source
            if not outside.exists():  # made anew, it belongs to whom the image's directory belongs to
                outside.mkdir(parents=True)
                of_the_image = self.image.root / inside.lstrip("/")
                if name == "spanferry":
                    os.chown(outside, of_the_image.stat().st_uid, of_the_image.stat().st_gid)
            mounts[outside] = inside
        for secret in self.services[name].get("secrets", []):
            file = pathlib.Path(self.file["secrets"][secret["source"]]["file"])
            folder = self.directory / "secrets"
            folder.mkdir(exist_ok=True)
            shutil.copy(file, folder / secret["source"])  # with its mode
            mounts[folder] = "/run/secrets"
        return mounts

    def _container(self, name):
        service = self.services[name]
        assert service["read_only"] and service["cap_drop"] == ["ALL"], "what Container does"
        within = ()
        try:
            group = MemoryGroup(int(re.fullmatch(r"(\d+)m", service["mem_limit"])[1]) << 20)
            self.groups.append(group)
            within = group.command()
        except NoMemoryGroup as problem:
            print(f"without mem_limit: {problem}")
        return Container(self.image.root, self.pods[name], self.directory / f"{name}.log", service["environment"],
                         self.volumes(name) | {self.hosts(name): "/etc/hosts"}, within=within)

    def _neighbour(self, name):
        service = self.services[name]
        context = pathlib.Path(service["build"]["context"])
        text = (context / service["build"].get("dockerfile", "Dockerfile")).read_text().replace("\\\n", " ")
        inside = {str(outside): path for outside, path in self.volumes(name).items()}
        for line in re.findall(r"^COPY +(.+)$", text, re.M):
            *sources, target = line.split()
            for source in sources:
                copy = self.directory / f"{name}.root" / target.lstrip("/")
                copy = copy / source if target.endswith("/") else copy
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(context / source, copy)
                inside[str(copy)] = target + source if target.endswith("/") else target
        command = service.get("command") or json.loads(re.search(r"^CMD +(\[.*\])$", text, re.M)[1])
        if command[0] == "node":
            need("node")
            (self.directory / f"{name}.root" / "node_modules").symlink_to(NODE_MODULES)
        for outside, path in inside.items():
            command = [word.replace(path, outside) if path in word else word for word in command]
        return Neighbour(self.pods[name], [*INTERPRETERS[command[0]], *command[1:]], self.hosts(name),
                         self.directory / f"{name}.log", service.get("environment", {}))

    def _chosen(self, names):
        return [name for name in self.order if not names or name in names]

    def up(self, *names):
        """All services, or these."""
        for name in self._chosen(names):
            for other, how in self._needs(name).items():
                if how["condition"] == "service_healthy":
                    self.running[other].wait_until_healthy()
            make = self._container if self.services[name].get("image") == "spanferry" else self._neighbour
            self.running[name] = make(name).start()

    def down(self, *names):
        """As compose stops: whoever is needed after whoever needs them, and what takes longer than its stop_grace_period
        is killed. Exit codes, in that order."""
        codes = {}
        for name in reversed(self._chosen(names)):
            grace = self.services[name].get("stop_grace_period", "10s")
            try:
                codes[name] = self.running[name].stop(float(grace.removesuffix("s")))
            except subprocess.TimeoutExpired:
                self.running[name].close()
                codes[name] = -signal.SIGKILL
        return codes

    def ask(self, path, token=None):
        """spanferry's answer to somebody beside it, or the status of a refusal."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        with self.pods["spanferry"].network():
            try:
                request = urllib.request.Request(f"http://127.0.0.1:4318{path}", headers=headers)
                with urllib.request.urlopen(request) as answer:
                    return json.load(answer)
            except urllib.error.HTTPError as refusal:
                return refusal.code

    def reaches(self, name, other, network, port):
        """Whether that service can open a connection to the other's address there."""
        owner = self._owner_of_its_network(other) or other
        with self.pods[name].network():
            try:
                socket.create_connection((self.addresses[owner][network], port), 1).close()
                return True
            except OSError:
                return False

    def query_mlflow(self, sql):
        file = self.directory / "volumes/mlflow/mlflow.db"
        with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=30)) as database:
            return database.execute(sql).fetchall()

    def close(self):
        for one in self.running.values():
            one.close()
        for pod in self.pods.values():
            pod.close()
        self.networks.close()
        for group in self.groups:
            wait_until(lambda: not (group.path / "cgroup.procs").read_text(), "an empty control group", every=0.1)
            group.close()
