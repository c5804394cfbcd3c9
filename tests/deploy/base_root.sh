#!/usr/bin/env bash
# Makes a Debian root with systemd and the libraries of a .deb in DIRECTORY, once; a second call finds it there.
# usage: tests/deploy/base_root.sh DEB DIRECTORY
# Exits with 3 if no mirror answers.
set -euo pipefail
deb=$1 directory=$2

# Names alone: the release is our own, and so are its versions. A virtual package stands for what provides it here.
wanted=$(dpkg-deb --field "$deb" Depends | sed -E 's/\([^)]*\)//g; s/\|[^,]*//g; s/[, ]+/ /g')
libraries=$(dpkg-query -W -f '${db:Status-Status} ${Package} ${Provides}\n' | awk -v wanted="$wanted" '
  BEGIN { split(wanted, names, " "); for (i in names) want[names[i]] = 1 }
  $1 == "installed" { for (i = 2; i <= NF; ++i) { sub(/,$/, "", $i); if ($i in want) { print $2; next } } }
' | sort -u | paste -sd,)
include=systemd-sysv,dbus,init-system-helpers,$libraries
mkdir -p "$(dirname "$directory")"
exec 9>"$directory.lock"
flock 9
[[ $(cat "$directory.made" 2>/dev/null) == "$include" ]] && exit 0

rm -f "$directory.made"
# The mirror that this machine's own apt uses.
mirror=$(apt-get indextargets --format '$(REPO_URI) $(CODENAME)' 'Created-By: Packages' |
  sort -u | sed -n 's/^\(http[^ ]*\) bookworm$/\1/p' | head -1)
mirror=${mirror:-http://deb.debian.org/debian}
curl -sS --max-time 20 --retry 2 --retry-all-errors -o /dev/null "$mirror/dists/bookworm/InRelease" || exit 3
# A mirror may fail for a moment; a second try costs little.
for try in 1 2; do
  rm -rf "$directory"
  debootstrap --variant=minbase --include="$include" bookworm "$directory" "$mirror" >"$directory.log" 2>&1 && break
  if ((try == 2)); then
    tail -20 "$directory.log" >&2
    exit 1
  fi
done
rm -rf "$directory"/var/cache/apt/archives/*.deb "$directory"/var/lib/apt/lists/*
: >"$directory/etc/machine-id"
# This machine's apt, for images that install more.
cp -aT /etc/apt "$directory/etc/apt"
echo "$include" >"$directory.made"
