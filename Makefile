# What the README names. Each works from a fresh clone.

.PHONY: run console test check lint bench soak

# Starts the daemon; `make run ARGS="--port 4000"` passes arguments on.
run: console
	cargo run --release --bin roost -- $(ARGS)

# Builds the page where one sees the workspace live into the daemon, where Node.js is there.
console:
	bash web-fixtures/console/build.sh

# All tests, on every database and with every real client that can be had here; says which ran.
test:
	bash tests/run.sh

# What a change must pass: lints and tests.
check: lint test

lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --quiet

# Prints speed and memory, beside a plain Feathers daemon in the same run, and Roost in two ways beside itself.
bench:
	bash tests/bench.sh $(ARGS)

# The long runs: kill -9 a thousand times; chaos twenty times in a row on each database; 100,000 events past readers that stopped.
soak:
	ROOST_KILL_ROUNDS=1000 bash tests/postgres.sh cargo test --locked --test roost durability -- --nocapture
	cargo build --locked --workspace --bins --examples
	cd web-fixtures && npm ci --no-audit --no-fund --loglevel=error && \
	  ROOST_CHAOS_ROUNDS=20 ROOST_CHAOS_SECS=20 ROOST_STALL_EVENTS=100000 bash ../tests/postgres.sh \
	  node --test --test-concurrency=1 suites/chaos.test.mjs suites/slow-clients.test.mjs suites/storm.test.mjs
