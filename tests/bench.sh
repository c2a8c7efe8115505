#!/usr/bin/env bash
# Builds release, installs the Feathers daemon that Roost is measured against, and measures both, and
# Roost alone where the other has nothing to compare.
set -euo pipefail
cd "$(dirname "$0")/.."

peer=web-fixtures/bench-peer
cargo build --release --locked --bin roost
cargo build --release --locked --example bench --example bench_phoenix --example conformance
if [ ! "$peer/node_modules/.installed" -nt "$peer/package-lock.json" ] && command -v npm >/dev/null; then
  # better-sqlite3 is built here; without nodedir its build would fetch Node's headers.
  node=$(readlink -f "$(command -v node)")
  (cd "$peer" && npm_config_nodedir=$(dirname "$(dirname "$node")") npm ci --no-audit --no-fund --loglevel=error && touch node_modules/.installed) ||
    echo "bench: the Feathers daemon could not be installed; measuring Roost alone" >&2
fi
target/release/examples/bench "$@"
# The Phoenix endpoint beside a bare broadcast server; with arguments, the first bench alone is meant.
[ "$#" -gt 0 ] || target/release/examples/bench_phoenix
