# Thin names over cargo and docker compose. `just` alone lists them.

_default:
    @just --list

# Boot the real server, break it, and judge it (quick profile).
verify *ARGS:
    cargo verify {{ARGS}}

# The saboteur table: every detector shown to work.
selftest *ARGS:
    cargo verify selftest {{ARGS}}

# The official MCP conformance suite; it must be installed in target/clients/node (see README).
conformance *ARGS:
    cargo verify conformance {{ARGS}}

# Everything that can be tested without load.
test:
    cargo test --workspace

# The project's own check, as a new machine runs it.
ci:
    bash .ci/run

fmt:
    cargo fmt --all

lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings

bench *ARGS:
    cargo bench -p exai-benches {{ARGS}}

# A server on loopback that answers from the marked demo provider; no key needed.
demo:
    cargo run -p exai-server -- serve --demo

# The server and Redis in containers.
up:
    docker compose -f docker-compose.test.yml up --build --wait

down:
    docker compose -f docker-compose.test.yml down --volumes
