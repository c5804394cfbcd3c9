"""A control group with a memory limit, version 2 or 1, for a process under test."""
import pathlib
import uuid

ROOT = pathlib.Path("/sys/fs/cgroup")


class NoMemoryGroup(Exception):
    """This machine lets us make none."""


class MemoryGroup:
    def __init__(self, limit_bytes):
        name, problems = f"spanferry-test-{uuid.uuid4().hex[:8]}", []
        for parent, limit in ((ROOT, "memory.max"), (ROOT / "memory", "memory.limit_in_bytes")):
            self.path = parent / name
            try:
                self.path.mkdir()
                with open(self.path / limit, "r+") as file:  # which is there if this is a hierarchy of memory's
                    file.write(str(limit_bytes))
                self.limit_file = self.path / limit
                return
            except OSError as problem:
                problems.append(str(problem))
                if self.path.is_dir():
                    self.path.rmdir()
        raise NoMemoryGroup("; ".join(problems))

    def command(self):
        """To be put before a command: joins the group, then execs it."""
        return ["sh", "-c", 'echo $$ > "$0"/cgroup.procs && exec "$@"', str(self.path)]

    def kills(self):
        """How many processes the kernel has killed here for their memory."""
        for name in ("memory.events", "memory.oom_control"):
            if (self.path / name).exists():
                counts = dict(line.split() for line in (self.path / name).read_text().splitlines())
                return int(counts["oom_kill"])
        raise AssertionError(f"nothing in {self.path} counts kills")

    def close(self):
        self.path.rmdir()
