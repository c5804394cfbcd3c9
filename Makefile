# What a developer or CI asks for. `make test` is all that CI runs.
PYTHON ?= .venv/bin/python
JOBS ?= $(shell nproc)
PREFIX ?= /usr/local
BUILDER ?= docker build
export PYTHON

.PHONY: build test lint bench soak demo prepare install deb image clean

build: build/release/build.ninja
	ninja -C build/release -j $(JOBS)

build/%/build.ninja:
	cmake --preset $*

# Stages can be chosen: make test STAGES="lint unit"
test: prepare
	tests/run_tests.sh $(STAGES)

lint: prepare build/release/build.ninja
	tests/run_tests.sh lint tidy

bench: prepare build
	$(PYTHON) bench/run.py

soak: prepare build
	$(PYTHON) -m pytest -p no:cacheprovider tests/e2e tests/faults tests/deploy --soak

demo:
	tests/demo/demo.sh

prepare:
	.ci/install

# The binary, the systemd units, the man page, and a configuration where there is none. DESTDIR and PREFIX as usual.
install: build
	cmake --install build/release --prefix $(PREFIX) --strip

deb: build
	deploy/deb/build.sh

# Needs docker, or another builder that takes the same arguments: make image BUILDER="buildah bud"
image:
	$(BUILDER) -t spanferry:$(shell cat VERSION) .

clean:
	rm -rf build
