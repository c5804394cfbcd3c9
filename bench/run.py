"""How fast, at what cost and how safely spanferry takes spans, beside the OpenTelemetry Collector in the same minutes.

usage: run.py [--seconds 8] [--rounds 3] [--only throughput,idle,restart,down,outage,bad_input,searches,first_call,full_spool,traced_calls,rates]
Prints tables; everything measured goes to bench/results/TIME.json. Needs build/release; for the peer a Go toolchain
(the first time). Programs take turns within a round, so that the ratios of one round are of the same minutes.
"""
import argparse
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import time
import urllib.request

from neighbours import measure_bad_input, measure_outage
from process import Program, build_peer
from programs import BUILD, ROOT, Load, Sink
from rates import measure_rates
from searches import measure_searches
from waits import measure_calls, measure_first_calls, measure_full

SHAPES = (("one", 64), ("batch", 16), ("genai", 16))
GOAL_RATIO = 5.0
COLUMNS = (
    ("spans_per_s", "spans/s acknowledged", "{:,.0f}"), ("p50_ms", "p50 ms", "{:.2f}"), ("p99_ms", "p99 ms", "{:.2f}"),
    ("cpu_s_per_million", "CPU s / 10^6 spans", "{:.2f}"), ("peak_mib", "peak MiB", "{:.0f}"), ("missing", "missing", "{:.0f}"),
    ("drain_s", "drained after s", "{:.1f}"),
)


def drained(sink, ledger, limit_s):
    """(spans missing at last, seconds until the last of them came)."""
    began, before, changed = time.monotonic(), None, time.monotonic()
    while True:
        seen = sink.compare(ledger)
        missing, now = seen["missing"], time.monotonic()
        if missing != before:
            before, changed = missing, now
        if missing == 0 or now - began > limit_s or now - changed > 20:
            return missing, max(0.0, now - began - seen["quiet_s"])
        time.sleep(0.25)


def throughput(name, shape, connections, seconds):
    # The backend looks into bodies once no more come: it takes as little of this machine as one elsewhere would.
    with Sink("--check-later") as sink, Program(name, sink.url) as program:
        program.start()
        ledger = program.directory / "ledger"
        cpu = program.cpu_seconds()
        report = Load(program.address, ledger, payload=shape, connections=connections, seconds=seconds, variants=16).report()
        cpu = program.cpu_seconds() - cpu
        peak = program.memory_mib("VmHWM")
        missing, drain_s = drained(sink, ledger, 120)
        return report | {
            "name": name, "cpu_s_per_million": cpu / max(report["acked_spans"], 1) * 1e6, "peak_mib": peak,
            "missing": missing, "drain_s": drain_s, "duplicates": sink.compare(ledger)["duplicates"],
        }


def table(shape, medians):
    print(f"\n{shape}: medians")
    print(f"{'':22}" + "".join(f"{title:>22}" for _, title, _ in COLUMNS))
    ours = medians.get("spanferry")
    for name, row in medians.items():
        ratio = f"   ({ours['spans_per_s'] / row['spans_per_s']:.1f} x)" if ours and row is not ours and row["spans_per_s"] else ""
        print(f"{name:22}" + "".join(f"{form.format(row[key]):>22}" for key, _, form in COLUMNS) + ratio, flush=True)


def measure_throughput(names, seconds, rounds):
    runs = []
    for number in range(rounds):
        for shape, connections in SHAPES:
            for name in names:
                result = throughput(name, shape, connections, seconds)
                runs.append(result | {"round": number})
                print(f"round {number + 1} {shape:6} {name:20} {result['spans_per_s']:12,.0f} spans/s  p99 {result['p99_ms']:.1f} ms", flush=True)
    medians = {}
    for shape, _ in SHAPES:
        of_shape = {}
        for name in names:
            mine = [r for r in runs if r["payload"] == shape and r["name"] == name]
            of_shape[name] = {key: statistics.median(r[key] for r in mine) for key, _, _ in COLUMNS}
        medians[shape] = of_shape
        table(shape, of_shape)
    return {"runs": runs, "medians": medians}


def measure_idle():
    with Program("spanferry", None) as program:
        start_s = program.start()
        time.sleep(2)
        result = {"idle_mib": program.memory_mib("VmRSS"), "start_ms": start_s * 1e3}
    print(f"\nidle: {result['idle_mib']:.1f} MiB resident; start {result['start_ms']:.0f} ms (goal <= 30 MiB)", flush=True)
    return result


def first_accepted_ms(program, body):
    """From exec to the first 200 for a span."""
    began = time.monotonic()
    program.start()
    request = urllib.request.Request(f"http://{program.address}/v1/traces", data=body, headers={"Content-Type": "application/x-protobuf"})
    while True:
        try:
            with urllib.request.urlopen(request, timeout=5):
                return (time.monotonic() - began) * 1e3
        except OSError:
            time.sleep(0.001)


# A request with one span: resource_spans { scope_spans { spans { trace_id, span_id } } }.
ONE_SPAN = b"\x0a\x20\x12\x1e\x12\x1c\x0a\x10" + b"0123456789abcdef" + b"\x12\x08" + b"01234567"


def measure_restart(count=5):
    with Program("spanferry", "http://127.0.0.1:9") as program:
        program.start()
        report = Load(program.address, program.directory / "ledger", payload="genai", connections=16, seconds=0, requests=5200).report()
        times = []
        for _ in range(count):
            Load(program.address, program.directory / "more", payload="one", connections=16, seconds=0.5).report()
            program.kill()
            times.append(first_accepted_ms(program, ONE_SPAN))
        result = {
            "undelivered_mb": report["acked_requests"] * report["body_bytes"] / 1e6, "first_accepted_ms": times,
            "median_ms": statistics.median(times), "disk_mib": program.disk_mib(),
        }
    print(f"\nrestart after SIGKILL with {result['undelivered_mb']:,.0f} MB undelivered: first span accepted after "
          f"{result['median_ms']:.0f} ms, median of {count} ({', '.join(f'{t:.0f}' for t in times)}; goal <= 300 ms)", flush=True)
    return result


def measure_down():
    with Program("spanferry", "http://127.0.0.1:9") as program:
        program.start()
        report = Load(program.address, program.directory / "ledger", payload="batch", connections=16, seconds=0, requests=10_000).report()
        result = {"acked_spans": report["acked_spans"], "peak_mib": program.memory_mib("VmHWM"),
                  "after_mib": program.memory_mib("VmRSS"), "disk_mib": program.disk_mib()}
    print(f"\ndestination down, {result['acked_spans']:,} spans spooled: peak {result['peak_mib']:.0f} MiB "
          f"(goal <= 150 MiB), {result['disk_mib']:,.0f} MiB on disk", flush=True)
    return result


def where():
    revision = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    return {"revision": revision, "cpus": os.cpu_count(), "kernel": platform.release(),
            "time": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="throughput,idle,restart,down,outage,bad_input,searches,first_call,full_spool,traced_calls,rates")
    chosen = parser.parse_args()
    parts = chosen.only.split(",")
    if not (BUILD / "spanferry").exists():
        sys.exit("bench: build/release/spanferry is not there; make build")
    results = {"where": where()}
    if "throughput" in parts:
        names = ["spanferry"] + (["collector, durable", "collector, memory"] if build_peer() else [])
        results["throughput"] = measure_throughput(names, chosen.seconds, chosen.rounds)
    if "idle" in parts:
        results["idle"] = measure_idle()
    if "restart" in parts:
        results["restart"] = measure_restart()
    if "down" in parts:
        results["down"] = measure_down()
    if "outage" in parts:
        results["outage"] = measure_outage()
    if "bad_input" in parts:
        results["bad_input"] = measure_bad_input()
    if "searches" in parts:
        results["searches"] = measure_searches()
    if "first_call" in parts:
        results["first_call"] = measure_first_calls(chosen.rounds)
    if "full_spool" in parts:
        results["full_spool"] = measure_full()
    if "traced_calls" in parts:
        results["traced_calls"] = measure_calls()
    if "rates" in parts:
        results["rates"] = measure_rates(concurrency=64)
    file = ROOT / "bench" / "results" / f"{results['where']['time'].replace(':', '').replace('+0000', 'Z')}.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(results, indent=1))
    print(f"\n{file.relative_to(ROOT)}")
    verdict(results)


def verdict(results):
    """Loss is a failure; speed is a figure."""
    failed = []
    for shape, of_shape in results.get("throughput", {}).get("medians", {}).items():
        lost = max((r["missing"] for r in results["throughput"]["runs"] if r["name"] == "spanferry" and r["payload"] == shape), default=0)
        if lost:
            failed.append(f"{shape}: {lost} acknowledged spans never arrived")
        peer = of_shape.get("collector, durable")
        if peer and peer["spans_per_s"]:
            ratio = of_shape["spanferry"]["spans_per_s"] / peer["spans_per_s"]
            print(f"{shape}: {ratio:.1f} x the durable Collector (goal {GOAL_RATIO:g} x){'' if ratio >= GOAL_RATIO else ': NOT reached'}")
    for row in results.get("outage", []):
        if row["missing"]:
            failed.append(f"{row['outage']}: {row['missing']} acknowledged spans never arrived")
    for row in results.get("rates", []):
        if row["missing"]:
            failed.append(f"{row['name']}: {row['missing']} acknowledged spans never arrived")
    if failed:
        sys.exit("bench: " + "; ".join(failed))


if __name__ == "__main__":
    main()
