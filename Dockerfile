# Two stages: build with Rust, then an empty root with the binary, the libraries it needs and
# certificates (deploy/image/root.sh). No shell, not root, no writable root file system needed.
# By digest: several independent public recipes name this one for the tag, as an index of platforms.
FROM rust:1.95-bookworm@sha256:6258907abe69656e41cd992e0b705cdcfabcbbe3db374f92ed2d47121282d4a1 AS build
WORKDIR /src
COPY . .
RUN cargo build --profile shipped --locked -p exai-server --bin exai \
 && deploy/image/root.sh target/shipped/exai /image \
 && install -d -o 65532 -g 65532 /image/var/lib/exai

FROM scratch
COPY --from=build /image /
# By this the MCP registry knows whose image it is: the name in server.json.
LABEL io.modelcontextprotocol.server.name="dev.exai/exai"
ENV EXAI_STATE_DIR=/var/lib/exai
USER 65532:65532
EXPOSE 8079 8080
ENTRYPOINT ["/usr/local/bin/exai"]
