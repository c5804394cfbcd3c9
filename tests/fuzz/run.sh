#!/usr/bin/env bash
# Runs every fuzz target that is built; exits non-zero on a finding, which it leaves in BUILD_DIR/found/TARGET.
# usage: tests/fuzz/run.sh BUILD_DIR [RUNS [SEED]]      RUNS: executions a target (100000); SEED: random if absent
# FUZZ_SECONDS: a target ends after so long (55) with fewer executions, as fuzz_mlflow_api does: each of its
# executions starts threads. 0 is no such bound.
set -euo pipefail

build_dir=${1:?usage: tests/fuzz/run.sh BUILD_DIR [RUNS [SEED]]}
runs=${2:-100000}
seed=${3:-$((RANDOM * 32768 + RANDOM + 1))}
seconds=${FUZZ_SECONDS:-55}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

status=0
targets=0
for target in "$build_dir"/tests/fuzz/fuzz_*; do
  [[ -f $target && -x $target ]] || continue
  targets=$((targets + 1))
  name=$(basename "$target")
  corpus=$scratch/$name
  found=$build_dir/found/$name
  mkdir -p "$corpus" "$found"
  for seeds in "$here/corpus/$name" "$build_dir/tests/fuzz/corpus/$name"; do
    if [[ -d $seeds ]]; then cp -r "$seeds/." "$corpus/"; fi
  done
  echo "$name: $runs executions, $seconds s at most, seed $seed"
  if "$target" -runs="$runs" -max_total_time="$seconds" -seed="$seed" -max_len=4096 -timeout=10 \
    -rss_limit_mb=2048 -print_final_stats=1 -artifact_prefix="$found/" "$corpus" >"$scratch/$name.log" 2>&1; then
    grep -E 'stat::number_of_executed_units|DONE' "$scratch/$name.log" || true
  else
    status=1
    echo "$name: a finding, kept in $found"
    tail -n 60 "$scratch/$name.log"
  fi
done
if ((targets == 0)); then
  echo "no fuzz targets in $build_dir/tests/fuzz: build fuzz_targets with the preset fuzz" >&2
  exit 2
fi
exit "$status"
