"""A daemon in a control group of 96 MiB: it makes its budgets fit, and neither dies nor grows, whatever its
destination does. SPANFERRY_SOAK_MINUTES sets how long it runs with --soak (30)."""
import contextlib
import math
import os
import random
import statistics
import subprocess
import time

import pytest

from daemon import BINARY
from load import Load
from memory_group import MemoryGroup, NoMemoryGroup
from waiting import wait_until

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


def growth_an_hour(points):
    """Of (seconds, MiB): the slope of the line with the least squares, and its standard error, in MiB an hour."""
    hours, values = [s / 3600 for s, _ in points], [m for _, m in points]
    line = statistics.linear_regression(hours, values)
    left = sum((m - line.slope * h - line.intercept) ** 2 for h, m in zip(hours, values))
    return line.slope, math.sqrt(left / (len(points) - 2) / (statistics.pvariance(hours) * len(points)))


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


SHAPES = [{"payload": "batch", "rate": 60}, {"payload": "one", "rate": 800}, {"payload": "genai", "rate": 20}]


def at_rest(d, seconds):
    """The least anonymous memory (MiB) of so many quiet seconds: after 10 s it has given back what it freed."""
    end, least = time.monotonic() + seconds, d.memory_mib("RssAnon")
    while time.monotonic() < end:
        time.sleep(0.2)
        least = min(least, d.memory_mib("RssAnon"))
    return least


def means_of_rounds(memory):
    """Of the rounds of all shapes, one after the other: what the last payloads were is no noise then."""
    size = len(SHAPES)
    return [tuple(map(statistics.mean, zip(*memory[i:i + size]))) for i in range(0, len(memory) - size + 1, size)]


def test_it_lives_in_96_mebibytes_while_its_destination_comes_and_goes(group, daemon, load_sink, scratch, soak):
    seconds = 60 * float(os.environ.get("SPANFERRY_SOAK_MINUTES", 30)) if soak else 6
    limited = group(96 * MIB)
    d = daemon(within=limited.command(), spool={"max_bytes": "2GiB"},
               destinations=[{"name": "backend", "kind": "otlp", "url": load_sink.url}])
    assert "the memory limit is 96.0 MiB" in d.log()
    dice, began = random.Random(96), time.monotonic()
    ledgers, memory, files = [], [], []
    while time.monotonic() - began < seconds or len(ledgers) < len(SHAPES):
        # Up, down in one of the ways, flapping: in turn; large requests and small ones.
        load_sink.set("ok")
        load = Load(d.address, scratch / f"ledger-{len(ledgers)}", seconds=min(12.0, seconds / 3), seed=len(ledgers) + 1,
                    connections=8, **SHAPES[len(ledgers) % len(SHAPES)])
        ledgers.append(load.ledger)
        while load.running():
            load_sink.set(dice.choice(["ok", "refuse", "status", "close", "black_hole"]))
            with contextlib.suppress(subprocess.TimeoutExpired):
                load.process.wait(2)
        load.report()
        load_sink.set("ok")
        d.wait_until_settled("backend", seconds=300)
        files.append(descriptors(d))
        memory.append((time.monotonic() - began, at_rest(d, 11 if soak else 0)))
    assert limited.kills() == 0 and d.running()
    results = [load_sink.compare(ledger) for ledger in ledgers]
    assert sum(r["missing"] for r in results) == 0, results
    print(f"spans {sum(r['acknowledged'] for r in results)}, missing 0, rounds {len(ledgers)}, "
          f"peak resident {d.memory_mib('VmHWM'):.1f} MiB, descriptors {min(files)} to {max(files)}, last {files[-1]}")
    assert max(files) - min(files) < 40, files
    if soak:
        check_it_stays(means_of_rounds(memory))


def check_it_stays(means):
    """With the first third it has warmed up. From then on it grows by no more than what chance explains, which is told,
    and by less than a twentieth of its limit."""
    third = len(means) // 3
    slope, error = growth_an_hour(means[third:])
    middle, last = (statistics.mean(m for _, m in part) for part in (means[third:2 * third], means[2 * third:]))
    print("anonymous at rest: " + " ".join(f"{m:.1f}" for _, m in means) + " MiB")
    print(f"slope {slope:.2f} +- {error:.2f} MiB/h; mean of the middle third {middle:.1f}, of the last {last:.1f} MiB")
    assert slope < 3 * error, means
    assert last - middle < 4, means


def test_what_a_burst_took_is_given_back(daemon, load_sink, scratch):
    d = daemon(destinations=[{"name": "backend", "kind": "otlp", "url": load_sink.url}])
    load = Load(d.address, scratch / "ledger", seconds=3, seed=1, connections=32, payload="genai", rate=0)
    most = 0
    while load.running():
        most = max(most, d.memory_mib("RssAnon"))
        with contextlib.suppress(subprocess.TimeoutExpired):
            load.process.wait(0.1)
    load.report()
    d.wait_until_settled("backend")
    wait_until(lambda: d.memory_mib("RssAnon") < most * 2 / 3,
               lambda: f"a third of {most:.1f} MiB given back, but {d.memory_mib('RssAnon'):.1f} are held", every=0.2)
