# Thin names over cargo and docker compose. `just` alone lists them.

_default:
    @just --list

# Boot the real server, break it, and judge it (quick profile).
verify *ARGS:
    cargo verify {{ARGS}}

# The saboteur table: every detector shown to work.
selftest *ARGS:
    cargo verify selftest {{ARGS}}

# Hours of load and faults on one server, with goose users: `just soak --duration 4h`; 30m alone.
soak *ARGS:
    cargo verify soak {{ARGS}}

# Break a seeded schedule of things beside traffic; what fails is shrunk.
chaos *ARGS:
    cargo verify chaos {{ARGS}}

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

# Mutants of the judge that its tests should kill: `just mutants --shard 1/300`; all take days here.
mutants *ARGS:
    cargo mutants -p exai-judge {{ARGS}}

bench *ARGS:
    cargo bench -p exai-benches {{ARGS}}

# A server on loopback that answers from the marked demo provider; no key needed.
demo:
    cargo run -p exai-server -- serve --demo

# The four containers of docker-compose.test.yml, with fresh secrets in .env where there are none.
up:
    deploy/topology.sh up

# Containers, volumes and network away.
down:
    deploy/topology.sh down

# From nothing: stop, wipe, images without cache, fresh database, first right answer (S.1-S.5).
rebuild:
    deploy/topology.sh rebuild

# Archive, checksums and bill of materials of the build that was judged; RUN=… KEY=… adds what it says.
release PROGRAM="target/shipped/exai" FOLDER="target/dist":
    deploy/release.sh {{PROGRAM}} {{FOLDER}}
