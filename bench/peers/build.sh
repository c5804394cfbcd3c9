#!/usr/bin/env bash
# Builds the Collector of builder.yaml with its own builder; needs Go. usage: build.sh OUTPUT_BINARY
set -euo pipefail
out=$(realpath -m "${1:?usage: build.sh OUTPUT_BINARY}")
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
GOBIN=$work go install go.opentelemetry.io/collector/cmd/builder@v0.165.0
cp "$here/builder.yaml" "$work/"
cd "$work"
CGO_ENABLED=0 ./builder --config builder.yaml
install -D out/otelcol-peer "$out"
