"""What an app feels of trouble that is not its own: a destination that is away, a neighbour that sends nonsense."""
import contextlib
import resource
import statistics
import threading
import time

import bad_inputs
from process import Program
from programs import Load, Sink

OUTAGES = ("refuse", "status", "close", "never_answer", "black_hole")
OUTAGE_P99_MS, OUTAGE_MAX_MS = 50.0, 1000.0  # goals
NEIGHBOUR_RATIO = 5.0
IDLE_CONNECTIONS = 10_000
PAUSE_S = 0.25  # between two of an input: a sender that never rests is measured for its own use of the processor


def measure_outage(seconds=8):
    """An app's sends while its destination is away from the first to the last of them; afterwards nothing is missing."""
    rows = []
    print(f"\ndestination away for the whole send ({seconds} s at 500 requests/s of one span)")
    print(f"{'':22}{'acknowledged':>14}{'p50 ms':>10}{'p99 ms':>10}{'max ms':>10}{'missing':>10}")
    for kind in OUTAGES:
        with Sink() as sink, Program("spanferry", sink.url) as program:
            program.start()
            sink.set(kind)
            ledger = program.directory / "ledger"
            report = Load(program.address, ledger, payload="one", connections=8, rate=500, seconds=seconds).report()
            sink.set("ok")
            end = time.monotonic() + 60
            while (missing := sink.compare(ledger)["missing"]) and time.monotonic() < end:
                time.sleep(0.2)
        row = {"outage": kind, "missing": missing, "reached": report["p99_ms"] <= OUTAGE_P99_MS and report["max_ms"] <= OUTAGE_MAX_MS}
        row |= {key: report[key] for key in ("sent_requests", "acked_requests", "p50_ms", "p99_ms", "max_ms")}
        rows.append(row)
        print(f"{kind:22}{row['acked_requests']:14,}{row['p50_ms']:10.2f}{row['p99_ms']:10.2f}{row['max_ms']:10.2f}{missing:10}"
              f"{'' if row['reached'] else '   NOT reached'}", flush=True)
    print(f"goal: p99 <= {OUTAGE_P99_MS:g} ms, none above {OUTAGE_MAX_MS:g} ms")
    return rows


@contextlib.contextmanager
def repeated(call):
    """That call, up to four times a second, in a thread of its own; yields a list with how often so far."""
    ended, times = threading.Event(), [0]

    def run():
        while not ended.is_set():
            with contextlib.suppress(OSError):
                call()
            times[0] += 1
            ended.wait(PAUSE_S)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield times
    finally:
        ended.set()
        thread.join()


def measure_bad_input(seconds=5, rounds=3):
    """A neighbour's p99 beside each bad input, and in the quiet just before it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = IDLE_CONNECTIONS + 200
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, wanted)), hard))
    idle = min(IDLE_CONNECTIONS, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 200)
    rows = []
    with Program("spanferry", None) as program:
        program.start()

        def neighbour():
            report = Load(program.address, program.directory / "ledger", payload="one", connections=2, rate=200, seconds=seconds).report()
            return report["p99_ms"], report["max_ms"], report["acked_requests"] == report["sent_requests"]

        calls = bad_inputs.every_input()
        print(f"\na neighbour's p99 (200 requests/s of one span) beside bad input, medians of {rounds}")
        print(f"{'':28}{'times':>8}{'quiet ms':>10}{'p99 ms':>10}{'max ms':>10}{'ratio':>8}{'peak MiB':>10}")
        for name in [*calls, f"{idle:,} idle connections"]:
            quiet, beside, served, times = [], [], True, 0
            for _ in range(rounds):
                quiet.append(neighbour()[0])
                if name in calls:
                    with repeated(lambda: calls[name](program.address, program.udp_port)) as count:
                        beside.append(neighbour())
                    times += count[0]
                else:
                    with bad_inputs.idle_connections(program.address, idle):
                        beside.append(neighbour())
                    times += idle
                served = served and beside[-1][2]
            row = {"input": name, "times": times, "quiet_p99_ms": statistics.median(quiet),
                   "p99_ms": statistics.median(b[0] for b in beside), "max_ms": max(b[1] for b in beside),
                   "served": served, "peak_mib": program.memory_mib("VmHWM")}
            row["ratio"] = row["p99_ms"] / max(row["quiet_p99_ms"], 1e-3)
            row["reached"] = served and row["ratio"] <= NEIGHBOUR_RATIO
            rows.append(row)
            print(f"{name:28}{times:8,}{row['quiet_p99_ms']:10.2f}{row['p99_ms']:10.2f}{row['max_ms']:10.2f}{row['ratio']:8.1f}"
                  f"{row['peak_mib']:10.0f}{'' if row['reached'] else '   NOT reached'}", flush=True)
    print(f"goal: <= {NEIGHBOUR_RATIO:g} x the quiet p99, and every request of the neighbour taken")
    return rows
