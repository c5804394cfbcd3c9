#!/usr/bin/env bash
# Everything that must hold, cheapest first; stops at the first stage that fails and names it.
# usage: tests/run_tests.sh [STAGE...]     stages: lint build tidy unit asan tsan fuzz e2e (default: all, in this order)
# JOBS: parallel jobs. FUZZ_RUNS: executions of each fuzz target, FUZZ_SECONDS: at most.
# PYTHON: interpreter with tests/requirements.txt.
set -euo pipefail
cd "$(dirname "$0")/.."

jobs=${JOBS:-$(nproc)}
python=${PYTHON:-.venv/bin/python}
fuzz_runs=${FUZZ_RUNS:-100000}

configured() { [[ -f build/$1/build.ninja ]] || cmake --preset "$1" >/dev/null; }

cxx_files() { git ls-files '*.cpp' '*.hpp'; }

stage_lint() {
  "$python" tests/lint/check_includes.py
  "$python" tests/lint/check_tree.py
  "$python" tests/lint/check_security.py
  cxx_files | xargs clang-format-19 --dry-run --Werror
}

stage_build() {
  configured release
  ninja -C build/release -j "$jobs"
}

# Only what changed: against the main line where there is one, else what the last commit brought.
changed_sources() {
  local base
  base=$(git merge-base HEAD origin/main 2>/dev/null || true)
  if [[ -z $base || $base == $(git rev-parse HEAD) ]]; then base=$(git rev-parse -q --verify HEAD~1 || true); fi
  if [[ -n $base ]]; then git diff --name-only --diff-filter=d "$base" -- '*.cpp'; else git ls-files '*.cpp'; fi
}

stage_tidy() {
  configured release
  { changed_sources | grep -v '^tests/fuzz/' || true; } | xargs -r -n 4 -P "$jobs" clang-tidy-19 -p build/release --quiet
}

unit_tests() {
  configured "$1"
  ninja -C "build/$1" -j "$jobs" unit_tests
  ctest --test-dir "build/$1" -j "$jobs" --output-on-failure --timeout 300 | grep -vE '^ *[0-9]+/[0-9]+ Test|^ +Start' 
}

stage_unit() { unit_tests release; }

stage_asan() {
  ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1 UBSAN_OPTIONS=print_stacktrace=1 unit_tests asan
}

stage_tsan() {
  TSAN_OPTIONS="suppressions=$PWD/tests/tsan.supp:history_size=4" unit_tests tsan
}

stage_fuzz() {
  configured fuzz
  ninja -C build/fuzz -j "$jobs" fuzz_targets
  tests/fuzz/run.sh build/fuzz "$fuzz_runs" ${FUZZ_SEED:+"$FUZZ_SEED"}
}

stage_e2e() {
  local workers=()
  if "$python" -c 'import xdist' 2>/dev/null; then workers=(-n 2 --dist loadfile); fi
  "$python" -m pytest -q -p no:cacheprovider "${workers[@]}" tests/e2e tests/faults tests/deploy
}

stages=("$@")
if ((${#stages[@]} == 0)); then stages=(lint build tidy unit asan tsan fuzz e2e); fi

current=none
trap 'code=$?; if ((code)); then echo "make test: FAILED in stage \"$current\"" >&2; fi' EXIT
for current in "${stages[@]}"; do
  if ! declare -F "stage_$current" >/dev/null; then
    echo "tests/run_tests.sh: there is no stage \"$current\"" >&2
    exit 2
  fi
  echo "=== $current (at $SECONDS s)"
  "stage_$current"
done
