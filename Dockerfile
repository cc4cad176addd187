# Two stages: build with Rust, run from an image that holds the binary, its C library and nothing
# else. The process is not root and needs no writable root file system.
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked -p exai-server --bin exai

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /src/target/release/exai /usr/local/bin/exai
USER nonroot
EXPOSE 8079 8080
ENTRYPOINT ["/usr/local/bin/exai"]
