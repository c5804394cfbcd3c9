"""How fast a workspace 50 ms away is used: one that limits how many traces are created, one that does not, and one
with Unity Catalog. The far side keeps what came and is asked at the end."""
import contextlib
import json
import statistics
import time
import urllib.request

from process import Program
from programs import Load, Sink

LATENCY_MS, LIMIT = 50, 200
EXPERIMENT, TABLES = "/Shared/bench", "main.bench.app"
# name: (the workspace's options, shape, requests, what is counted, goal a second or None: within 5 % of the limit)
CASES = {
    "limited": ((f"--creations-per-s={LIMIT}",), "one", 10_000, "traces", None),
    "unlimited": ((), "one", 10_000, "traces", 400),
    "unity_catalog": (("--check-later", f"--table-prefix={TABLES}"), "batch", 4_000, "spans", 20_000),
}


def destination_of(program):
    with urllib.request.urlopen(f"http://{program.address}/api/spanferry/v1/status", timeout=30) as answer:
        return next(d for d in json.load(answer)["destinations"] if d["name"] == "far")


def watch_until_settled(program, limit_s=220):
    """(seconds, the destination) twice a second, until all is delivered."""
    seen, began = [], time.monotonic()
    while True:
        seen.append((time.monotonic() - began, destination_of(program)))
        if seen[-1][1]["accounting"]["pending"] == 0 or seen[-1][0] > limit_s:
            return seen
        time.sleep(0.5)


def steady_rate(seen, key):
    """A second, between a tenth and nine tenths of all."""
    total = seen[-1][1][key]
    within = [(t, d[key]) for t, d in seen if 0.1 * total <= d[key] <= 0.9 * total]
    (first_t, first), (last_t, last) = within[0], within[-1]
    return (last - first) / (last_t - first_t) if last_t > first_t else 0.0


def measure_rate(name, settings):
    options, shape, requests, counted, goal = CASES[name]
    with contextlib.ExitStack() as stack:
        sink = stack.enter_context(Sink("--workspace", *options))
        sink.set("ok", delay_ms=LATENCY_MS)
        workspace = {"kind": "databricks", "url": sink.url, "token": "x", "experiment": EXPERIMENT} | settings
        program = stack.enter_context(Program("spanferry", None, workspace))
        program.start()
        ledger = program.directory / "ledger"
        load = Load(program.address, ledger, payload=shape, connections=16, seconds=0, requests=requests)
        report = load.report()
        seen = watch_until_settled(program)
        cpu, peak = program.cpu_seconds(), program.memory_mib("VmHWM")
        # The far side may look into bodies only once no more come.
        ended = time.monotonic()
        while (books := sink.compare(ledger))["missing"] and time.monotonic() - ended < 60:
            time.sleep(0.5)
        there = sink.stats()
        last = seen[-1][1]
    created = there["created_by_second"][1:-1]  # whole seconds
    result = {
        "name": name, "acked_spans": report["acked_spans"], "missing": books["missing"], "duplicates": books["duplicates"],
        f"{counted}_per_s": steady_rate(seen, f"delivered_{counted}"), "requests_per_trace": there["requests"] / last["delivered_traces"],
        "rate_refusals": last["rate_refusals"], "retries": last["retries"], "concurrency": last["concurrency"], "rates": last["rates"],
        "peak_mib": peak, "cpu_s": cpu, "created_by_second": created,
    }
    rate = result[f"{counted}_per_s"]
    if goal is None:
        # From the first second that was used up on: what came before is the ramp.
        full = next((n for n, c in enumerate(created) if c >= LIMIT), 0)
        result["created_per_s"] = rate = statistics.mean(created[full:]) if created else 0.0
        result["reached"] = rate >= 0.95 * LIMIT
    else:
        result["reached"] = rate >= goal
    wanted = f"goal {goal:,}" if goal else f"limit {LIMIT}, goal {0.95 * LIMIT:g}"
    print(f"{name:14} {rate:10,.0f} {counted}/s ({wanted}){'' if result['reached'] else ': NOT reached'}; {result['requests_per_trace']:.2f} requests a trace, "
          f"{result['rate_refusals']} refused for the rate, up to {result['concurrency']} at one time, {peak:.0f} MiB peak, {cpu:.1f} s CPU; "
          f"missing {result['missing']}, twice {result['duplicates']}", flush=True)
    return result


def measure_rates(**settings):
    print(f"\na workspace {LATENCY_MS} ms away{' with ' + str(settings) if settings else ''}")
    return [measure_rate(name, settings) for name in CASES]
