#!/usr/bin/env bash
# The whole pipeline on this machine: builds spanferry, starts it with nothing configured, sends GenAI traces in three
# ways, prints where each of them is. Runs until Ctrl-C; with CHECK=1 it ends by itself, non-zero if a trace is missing.
set -euo pipefail
cd "$(dirname "$0")/../.."
check=${CHECK:-}
if [[ $check == 0 ]]; then check=; fi

install_what_is_missing() {
  local missing answer
  missing=$(.ci/install --list)
  if [[ -n $missing ]]; then
    echo "demo: these Debian packages are missing:" $missing
    if [[ -z $check && -t 0 && -t 1 ]]; then
      read -r -p "demo: install them now? [Y/n] " answer
      if [[ $answer == [nN]* ]]; then exit 1; fi
    fi
  fi
  .ci/install
}

install_what_is_missing
python=${PYTHON:-.venv/bin/python}
[[ -f build/release/build.ninja ]] || cmake --preset release >/dev/null
echo "demo: building"
ninja -C build/release spanferry

spanferry() { env -i PATH="$PATH" HOME="$HOME" build/release/spanferry "$@"; }

work=$(mktemp -d)
daemon=
finish() {
  if [[ -n $daemon ]] && kill -INT "$daemon" 2>/dev/null; then wait "$daemon" || true; fi
  rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

: >"$work/log"
# Nothing of the caller's environment configures it: that is the point.
env -i PATH="$PATH" HOME="$HOME" TMPDIR="$work" build/release/spanferry demo >"$work/log" 2>&1 &
daemon=$!
for ((i = 0; i < 200; ++i)); do
  address=$(sed -n 's/^http //p' "$work/log")
  if [[ -n $address ]] && spanferry status --ready --address "$address" >/dev/null 2>&1; then break; fi
  if ! kill -0 "$daemon" 2>/dev/null; then
    cat "$work/log" >&2
    exit 1
  fi
  sleep 0.05
done
udp=$(sed -n 's/^udp //p' "$work/log")

# --- three ways in

hex() { od -An -N"$1" -tx1 /dev/urandom | tr -d ' \n'; }
now_ns=$(date +%s%N)
later() { echo $((now_ns + $1 * 1000000)); }

chat=$(hex 16) chat_root=$(hex 8)
text() { printf '{"key":"%s","value":{"stringValue":"%s"}}' "$1" "$2"; }
number() { printf '{"key":"%s","value":{"intValue":"%s"}}' "$1" "$2"; }
span() { # NAME PARENT ID START_MS END_MS ATTRIBUTES
  printf '{"traceId":"%s","spanId":"%s","parentSpanId":"%s","name":"%s","kind":1,"startTimeUnixNano":"%s","endTimeUnixNano":"%s","attributes":[%s],"status":{"code":1}}' \
    "$chat" "$3" "$2" "$1" "$(later "$4")" "$(later "$5")" "$6"
}
echo "demo: a chat with retrieval, OTLP/JSON by curl"
cat >"$work/chat.json" <<JSON
{"resourceSpans":[{"resource":{"attributes":[$(text service.name docs-chat),$(text deployment.environment.name production)]},
 "scopeSpans":[{"scope":{"name":"demo"},"spans":[
 $(span answer_question "" "$chat_root" 0 1430 "$(text session.id session-42),$(text user.id jane)"),
 $(span search_documents "$chat_root" "$(hex 8)" 12 220 "$(text gen_ai.operation.name retrieval),$(text mlflow.spanType RETRIEVER)"),
 $(span "chat gpt-4o" "$chat_root" "$(hex 8)" 224 1425 "$(text gen_ai.operation.name chat),$(text gen_ai.request.model gpt-4o),$(number gen_ai.usage.input_tokens 1204),$(number gen_ai.usage.output_tokens 188)")
 ]}]}]}
JSON
curl --silent --show-error --fail --output /dev/null -H 'Content-Type: application/json' \
  --data-binary "@$work/chat.json" "http://$address/v1/traces"

echo "demo: a tool call and an error, OTLP protobuf by the OpenTelemetry SDK for Python"
sdk=$("$python" tests/demo/send_with_sdk.py "http://$address")

echo "demo: one span by UDP, from the shell"
one_liner=$(hex 16)
printf '{"traceId":"%s","spanId":"%s","name":"nightly report"}' "$one_liner" "$(hex 8)" >"/dev/udp/127.0.0.1/${udp##*:}"

# --- where they are

missing=0
for id in "$chat" $sdk "$one_liner"; do
  found=
  for ((i = 0; i < 100; ++i)); do
    if spanferry trace "$id" --address "$address" >"$work/trace" 2>&1; then
      found=yes
      break
    fi
    sleep 0.05
  done
  echo
  cat "$work/trace"
  if [[ -z $found ]]; then
    echo "demo: trace $id is missing" >&2
    missing=1
  fi
done
echo
spanferry status --address "$address"
echo
echo "demo: spanferry listens on http://$address (OTLP/HTTP) and udp $udp"
if [[ -n $check ]]; then
  kill -INT "$daemon"
  wait "$daemon"
  daemon=
  if ((missing)); then exit 1; fi
  echo "demo: all traces arrived"
  exit 0
fi
echo "demo: send it more; Ctrl-C ends it and removes what it stored"
wait "$daemon"
daemon=
