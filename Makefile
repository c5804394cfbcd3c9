# What a developer or CI asks for. `make test` is all that CI runs.
PYTHON ?= .venv/bin/python
JOBS ?= $(shell nproc)
export PYTHON

.PHONY: build test lint bench soak demo install clean

build: build/release/build.ninja
	ninja -C build/release -j $(JOBS)

build/%/build.ninja:
	cmake --preset $*

# Stages can be chosen: make test STAGES="lint unit"
test: install
	tests/run_tests.sh $(STAGES)

lint: install build/release/build.ninja
	tests/run_tests.sh lint tidy

bench: install build
	$(PYTHON) bench/run.py

soak: install build
	$(PYTHON) -m pytest -p no:cacheprovider tests/e2e tests/faults --soak

demo:
	tests/demo/demo.sh

install:
	.ci/install

clean:
	rm -rf build
