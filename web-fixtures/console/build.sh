#!/usr/bin/env bash
# Builds the console into dist/, which the daemon is compiled with, unless that is done; says so where it cannot.
set -euo pipefail
cd "$(dirname "$0")"

without() {
  printf '\nThe console is not built: %s. The daemon serves a plain page instead.\n\n' "$1" >&2
  exit 0
}
command -v node >/dev/null && command -v npm >/dev/null || without "Node.js 20 and npm are not here"
node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)' ||
  without "Node.js $(node --version) is too old, 20.19 or later is wanted"

sources=$(find src public index.html vite.config.ts tsconfig.json package-lock.json ../resume.js -type f | LC_ALL=C sort | xargs cat | cksum)
[ -f dist/index.html ] && [ "$(cat node_modules/.built 2>/dev/null)" = "$sources" ] && exit 0

lock=$(cksum <package-lock.json)
if [ "$(cat node_modules/.lock 2>/dev/null)" != "$lock" ]; then
  npm ci --no-audit --no-fund --loglevel=error || without "its packages cannot be had"
  printf '%s' "$lock" >node_modules/.lock
fi
npm run --silent build
printf '%s' "$sources" >node_modules/.built
# Cargo looks for what was built from now on.
touch ../../build.rs
