#!/bin/sh
# The man page, with the commands as the binary itself tells them. usage: make.sh BINARY
set -eu
here=$(dirname "$0")
"$1" --help | awk '
  /^Subcommands:/ { on = 1; next }
  on && NF > 1 { name = $1; $1 = ""; sub(/^ /, ""); gsub(/\\/, "\\e"); printf ".TP\n.B %s\n%s.\n", name, $0 }
' | awk -v version="$("$1" version | awk '{ print $NF }')" '
  FILENAME == "-" { commands = commands $0 "\n"; next }
  /^@COMMANDS@$/ { printf "%s", commands; next }
  { gsub(/@VERSION@/, version); print }
' - "$here/spanferry.1.in"
