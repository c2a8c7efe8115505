#!/usr/bin/env bash
# Prints where nginx is: the one that is installed, or one of Debian's that is unpacked below target/, where
# packages can be had; nothing, if there is none. Nothing is installed.
set -euo pipefail
cd "$(dirname "$0")/.."

for program in "$(command -v nginx || true)" /usr/sbin/nginx "$PWD/target/nginx/usr/sbin/nginx"; do
  if [ -x "$program" ] && "$program" -v 2>/dev/null; then printf '%s' "$program"; exit 0; fi
done
command -v apt-get >/dev/null && command -v dpkg >/dev/null || exit 0
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
(cd "$folder" && timeout 60 apt-get download nginx) >/dev/null 2>&1 || exit 0
mkdir -p target/nginx
dpkg -x "$folder"/nginx_*.deb target/nginx
"$PWD/target/nginx/usr/sbin/nginx" -v 2>/dev/null && printf '%s' "$PWD/target/nginx/usr/sbin/nginx"
