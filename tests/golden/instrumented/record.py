"""Writes vercel_*.pb. usage: record.py EMPTY_DIRECTORY (see README.md)"""
import pathlib
import sys

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "e2e"))

import applications  # noqa: E402

for old in HERE.glob("vercel_*.pb"):
    old.unlink()
for number, body in enumerate(applications.run_vercel(sys.argv[1])):
    (HERE / f"vercel_{number}.pb").write_bytes(body)
