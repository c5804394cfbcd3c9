"""Writes NAME_*.pb. usage: record.py vercel EMPTY_DIRECTORY | record.py traceloop_earlier EMPTY_DIRECTORY PYTHON"""
import pathlib
import sys

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE.parents[1] / "e2e"), str(HERE.parents[2] / "bench")]

import applications  # noqa: E402

run = {"vercel": applications.run_vercel, "traceloop_earlier": applications.run_earlier_traceloop}
name, *arguments = sys.argv[1:]
requests = run[name](*arguments)
for old in HERE.glob(f"{name}_*.pb"):
    old.unlink()
for number, body in enumerate(requests):
    (HERE / f"{name}_{number}.pb").write_bytes(body)
