#!/usr/bin/env bash
# Runs a command with TEST_POSTGRES_URL set: the server that it names already, a private one, or,
# where none can be had, none (and says so). Usage: tests/postgres.sh COMMAND [ARGUMENT...]
set -euo pipefail

say() { printf 'postgres: %s\n' "$*" >&2; }

if [ -n "${TEST_POSTGRES_URL:-}" ]; then
  say "using TEST_POSTGRES_URL"
  exec "$@"
fi

# The folder that holds initdb, if there is one.
programs() {
  local folder
  for folder in /usr/lib/postgresql/*/bin "$(pg_config --bindir 2>/dev/null || true)" /usr/local/pgsql/bin /opt/homebrew/opt/postgresql*/bin; do
    if [ -x "$folder/initdb" ] && [ -x "$folder/postgres" ]; then printf '%s' "$folder"; return 0; fi
  done
  folder=$(command -v initdb 2>/dev/null) && printf '%s' "$(dirname "$folder")"
}

bin=$(programs || true)
if [ -z "$bin" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  say "installing"
  (apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends postgresql) >/dev/null 2>&1 || true
  bin=$(programs || true)
fi
if [ -z "$bin" ]; then
  say "SKIPPED: no PostgreSQL here, and none could be installed; set TEST_POSTGRES_URL to test on it"
  exec "$@"
fi

folder=$(mktemp -d)
# PostgreSQL refuses to run as root.
as() { "$@"; }
if [ "$(id -u)" = 0 ]; then
  id postgres >/dev/null 2>&1 || useradd --system postgres
  chown postgres "$folder"
  as() { runuser -u postgres -- "$@"; }
fi
stop() {
  as "$bin/pg_ctl" -D "$folder/data" -m immediate stop >/dev/null 2>&1 || true
  rm -rf "$folder"
}
trap stop EXIT

cd "$folder"
as "$bin/initdb" -D "$folder/data" -U roost -A trust --locale=C -E UTF8 >/dev/null
for _ in 1 2 3 4 5; do
  port=$((20000 + RANDOM % 20000))
  if as "$bin/pg_ctl" -D "$folder/data" -w -l "$folder/log" -o "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off -c max_connections=300" start >/dev/null; then
    started=yes
    break
  fi
done
if [ -z "${started:-}" ]; then
  cat "$folder/log" >&2
  exit 1
fi
cd - >/dev/null
say "private server on port $port ($("$bin/postgres" --version))"
export TEST_POSTGRES_URL="postgres://roost@127.0.0.1:$port/postgres"
"$@"
