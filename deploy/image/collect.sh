#!/bin/sh
# Lays out below DIRECTORY what the installed /usr/bin/spanferry needs to run, and nothing else: no shell, no package
# manager. usage: collect.sh DIRECTORY
set -eu
out=$1
user=65532
mkdir -p "$out/usr/bin" "$out/etc/ssl/certs" "$out/etc/spanferry" "$out/var/lib/dpkg/status.d" "$out/tmp"

cp /usr/bin/spanferry "$out/usr/bin/"
ldd /usr/bin/spanferry | grep -o '/[^ ]*' | sort -u | while read -r library; do
  cp -L --parents "$library" "$out"
  dpkg-query -S "$(readlink -f "$library")" "$library" 2>/dev/null | cut -d: -f1
done | sort -u >"$out/../packages"

# So that a scanner of images knows what is inside, and the licences stay with what they cover.
for package in $(cat "$out/../packages") ca-certificates spanferry; do
  dpkg-query -s "$package" >"$out/var/lib/dpkg/status.d/$package"
  if [ -e "/usr/share/doc/$package/copyright" ]; then cp -L --parents "/usr/share/doc/$package/copyright" "$out"; fi
done

cp -L /etc/ssl/certs/ca-certificates.crt "$out/etc/ssl/certs/"
printf 'root:x:0:0::/:/\nspanferry:x:%s:%s::/:/\n' $user $user >"$out/etc/passwd"
printf 'root:x:0:\nspanferry:x:%s:\n' $user >"$out/etc/group"
echo 'hosts: files dns' >"$out/etc/nsswitch.conf"
chmod 1777 "$out/tmp"
mkdir -m 700 "$out/var/lib/spanferry"
chown $user:$user "$out/var/lib/spanferry"
