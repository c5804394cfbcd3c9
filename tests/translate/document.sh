#!/usr/bin/env bash
# Puts the table of what is mapped into docs/conventions.md, between its two marks. usage: document.sh PROGRAM
set -euo pipefail
document=$(dirname "$0")/../../docs/conventions.md
table=$(mktemp)
trap 'rm -f "$table"' EXIT
"$1" --table >"$table"
sed -i -e '/^<!-- table -->$/,/^<!-- end of table -->$/{//!d}' "$document"
sed -i -e "/^<!-- table -->\$/r $table" "$document"
