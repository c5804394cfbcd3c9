"""A daemon in a control group of 96 MiB: it makes its budgets fit, and neither dies nor grows, whatever its
destination does. SPANFERRY_SOAK_MINUTES sets how long it runs with --soak (30)."""
import contextlib
import os
import random
import statistics
import subprocess
import time

import pytest

from daemon import BINARY
from load import Load
from memory_group import MemoryGroup, NoMemoryGroup

MIB = 1 << 20


@pytest.fixture
def group():
    made = []

    def make(limit_bytes):
        try:
            made.append(MemoryGroup(limit_bytes))
        except NoMemoryGroup as problem:
            pytest.skip(f"no control group can be made here: {problem}")
        return made[-1]

    yield make
    for one in made:
        one.close()


def slope(points):
    """Of the line with the least squares through (x, y)."""
    n, sx, sy = len(points), sum(x for x, _ in points), sum(y for _, y in points)
    above = n * sum(x * y for x, y in points) - sx * sy
    below = n * sum(x * x for x, _ in points) - sx * sx
    return above / below


def descriptors(d):
    return len(os.listdir(f"/proc/{d.process.pid}/fd"))


def test_it_does_not_start_where_the_least_does_not_fit(group, daemon):
    small = group(40 * MIB)
    d = daemon(start=False, within=small.command())
    d.write_config()
    done = subprocess.run([*d.within, BINARY, "run", "--config", d.directory / "spanferry.yaml"], env=d.env,
                          capture_output=True, text=True, timeout=30)
    assert done.returncode == 2 and small.kills() == 0
    assert "the memory limit of 40.0 MiB" in done.stderr and str(small.limit_file) in done.stderr
    assert "needs at least" in done.stderr, done.stderr


def test_the_limits_of_version_2_count_from_the_group_up_to_its_slice(daemon, scratch):
    """As a kubelet sets them. The files are ours: memory may belong to version 1 on the machine that tests."""
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode:
        pytest.skip("mounts may not be made here")
    tree, own = scratch / "cgroup", scratch / "own"
    (tree / "kubepods.slice/pod.slice/app.scope").mkdir(parents=True)
    own.write_text("0::/kubepods.slice/pod.slice/app.scope\n")
    for group, limit in (("", "max"), ("kubepods.slice", str(4 << 30)), ("kubepods.slice/pod.slice", str(96 * MIB)),
                         ("kubepods.slice/pod.slice/app.scope", "max")):
        (tree / group / "memory.max").write_text(f"{limit}\n")
    within = ["unshare", "--mount", "sh", "-c",
              'mount --bind "$0" /sys/fs/cgroup && mount --bind "$1" /proc/$$/cgroup && shift && exec "$@"', tree, own]
    d = daemon(within=within)
    assert "the memory limit is 96.0 MiB (/sys/fs/cgroup/kubepods.slice/pod.slice/memory.max)" in d.log(), d.log()
    d.stop()
    (tree / "kubepods.slice/pod.slice/app.scope/memory.max").write_text(str(40 * MIB))
    done = subprocess.run([*within, BINARY, "run", "--config", d.directory / "spanferry.yaml"], env=d.env,
                          capture_output=True, text=True, timeout=30)
    assert done.returncode == 2 and "app.scope/memory.max" in done.stderr, done.stderr


def test_it_lives_in_96_mebibytes_while_its_destination_comes_and_goes(group, daemon, load_sink, scratch, soak):
    seconds = 60 * float(os.environ.get("SPANFERRY_SOAK_MINUTES", 30)) if soak else 6
    limited = group(96 * MIB)
    d = daemon(within=limited.command(), spool={"max_bytes": "2GiB"},
               destinations=[{"name": "backend", "kind": "otlp", "url": load_sink.url}])
    assert "the memory limit is 96.0 MiB" in d.log()
    dice, began = random.Random(96), time.monotonic()
    ledgers, memory, files = [], [], []
    while time.monotonic() - began < seconds or len(ledgers) < 3:
        # Up, down in one of the ways, flapping: in turn; large requests and small ones.
        load_sink.set("ok")
        size = dice.choice([{"payload": "batch", "rate": 60}, {"payload": "one", "rate": 800}, {"payload": "genai", "rate": 20}])
        load = Load(d.address, scratch / f"ledger-{len(ledgers)}", seconds=min(20.0, seconds / 3), seed=len(ledgers) + 1,
                    connections=8, **size)
        ledgers.append(load.ledger)
        while load.running():
            load_sink.set(dice.choice(["ok", "refuse", "status", "close", "black_hole"]))
            with contextlib.suppress(subprocess.TimeoutExpired):
                load.process.wait(2)
        load.report()
        load_sink.set("ok")
        d.wait_until_settled("backend", seconds=300)
        memory.append((time.monotonic() - began, d.memory_mib("RssAnon")))
        files.append(descriptors(d))
    assert limited.kills() == 0 and d.running()
    results = [load_sink.compare(ledger) for ledger in ledgers]
    assert sum(r["missing"] for r in results) == 0, results
    settled = memory[len(memory) // 3:]
    growth = slope(settled) * 3600 if len(settled) > 2 else 0.0
    peak = d.memory_mib("VmHWM")
    tenths = [memory[i * len(memory) // 10][1] for i in range(10)] if len(memory) >= 10 else [m for _, m in memory]
    print("anonymous, a tenth of the time apart: " + " ".join(f"{m:.1f}" for m in tenths) + " MiB")
    print(f"spans {sum(r['acknowledged'] for r in results)}, rounds {len(ledgers)}, peak resident {peak:.1f} MiB, "
          f"anonymous first {memory[0][1]:.1f} last {memory[-1][1]:.1f} most {max(m for _, m in memory):.1f} MiB, "
          f"slope {growth:.2f} MiB/h, descriptors {min(files)} to {max(files)}, last {files[-1]}")
    assert max(files) - min(files) < 40, files
    if soak:
        # With the first third it has warmed up; from then on it stays, by less than a twentieth of its limit.
        third = len(memory) // 3
        middle, last = (statistics.mean(m for _, m in part) for part in (memory[third:2 * third], memory[2 * third:]))
        print(f"anonymous, mean of the middle third {middle:.1f}, of the last {last:.1f} MiB")
        assert last - middle < 4, (memory, growth)
