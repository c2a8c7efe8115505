#!/usr/bin/env bash
# Runs every test there is, sets up what it needs, and says at the end which legs ran.
set -euo pipefail
cd "$(dirname "$0")/.."

legs=()
finish() {
  printf '\nLegs:\n'
  printf '  %s\n' "${legs[@]}"
}

if [ -z "${ROOST_TEST_SET_UP:-}" ]; then
  # Everything below runs with TEST_POSTGRES_URL set, where there is a server.
  ROOST_TEST_SET_UP=1 exec bash tests/postgres.sh bash tests/run.sh
fi

bash web-fixtures/console/build.sh

# Without a server its tests are left out: they must not count as passed.
without=()
[ -n "${TEST_POSTGRES_URL:-}" ] || without=(--skip postgres)
cargo test --workspace --locked -- "${without[@]}"
legs+=("Rust, SQLite: ran")
if [ -n "${TEST_POSTGRES_URL:-}" ]; then
  legs+=("Rust, PostgreSQL: ran")
else
  legs+=("Rust, PostgreSQL: SKIPPED (no server; set TEST_POSTGRES_URL)")
fi

if command -v node >/dev/null && command -v npm >/dev/null; then
  NGINX=$(bash tests/nginx.sh || true)
  CHROMIUM=$(bash tests/chromium.sh || true)
  GORILLA=$(bash tests/go.sh || true)
  export NGINX CHROMIUM
  (cd web-fixtures/mcp-conformance && npm ci --no-audit --no-fund --loglevel=error)
  (cd web-fixtures && npm ci --no-audit --no-fund --loglevel=error && npm test)
  legs+=("JavaScript clients, SQLite: ran")
  if [ -n "${TEST_POSTGRES_URL:-}" ]; then
    legs+=("JavaScript clients, PostgreSQL: ran")
  else
    legs+=("JavaScript clients, PostgreSQL: SKIPPED (no server)")
  fi
  if [ -n "$NGINX" ]; then
    legs+=("nginx in front: ran")
  else
    legs+=("nginx in front: SKIPPED (it is not here, and Debian's package cannot be had)")
  fi
  if [ -n "$CHROMIUM" ]; then
    legs+=("A real browser, Chromium: ran")
  else
    legs+=("A real browser, Chromium: SKIPPED (it is not here, and Debian's package cannot be installed)")
  fi
  if [ -n "$GORILLA" ]; then
    legs+=("Go with gorilla: ran")
  else
    legs+=("Go with gorilla: SKIPPED (it is not here, and Debian's packages cannot be installed)")
  fi
else
  legs+=("JavaScript clients: SKIPPED (Node.js 20 and npm are not here)")
fi
finish
