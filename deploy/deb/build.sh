#!/usr/bin/env bash
# Makes build/deb/spanferry_VERSION_ARCH.deb from build/release and prints its path.
# usage: deploy/deb/build.sh [--version VERSION] [--out DIRECTORY]
set -euo pipefail
cd "$(dirname "$0")/../.."

version=$(<VERSION)
out=build/deb
while (($#)); do
  case $1 in
    --version) version=$2 ;;
    --out) out=$2 ;;
    *)
      echo "usage: deploy/deb/build.sh [--version VERSION] [--out DIRECTORY]" >&2
      exit 2
      ;;
  esac
  shift 2
done

stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
chmod 755 "$stage"
umask 022
root=$stage/root
DESTDIR=$root cmake --install build/release --prefix /usr --strip >/dev/null
gzip -9n "$root/usr/share/man/man1/spanferry.1"

# The libraries' packages and versions, as Debian's own tool finds them.
mkdir -p "$stage/debian"
printf 'Source: spanferry\n\nPackage: spanferry\nArchitecture: any\n' >"$stage/debian/control"
libraries=$(cd "$stage" && dpkg-shlibdeps -O "root/usr/bin/spanferry" 2>/dev/null)

mkdir "$root/DEBIAN"
sed -e "s|@VERSION@|$version|" -e "s|@ARCHITECTURE@|$(dpkg --print-architecture)|" \
  -e "s|@SIZE@|$(du -sk --exclude=DEBIAN "$root" | cut -f1)|" \
  -e "s|@LIBRARIES@|${libraries#shlibs:Depends=}|" deploy/deb/control.in >"$root/DEBIAN/control"
install -m 755 deploy/deb/{postinst,prerm,postrm} "$root/DEBIAN"
install -m 644 deploy/deb/{templates,conffiles} "$root/DEBIAN"
mkdir -p "$out"
dpkg-deb --root-owner-group --build "$root" "$out/spanferry_${version}_$(dpkg --print-architecture).deb" >/dev/null
echo "$out/spanferry_${version}_$(dpkg --print-architecture).deb"
