# Redis by the recipe of the server's image: the two programs and their libraries, no shell.
FROM redis:7-bookworm@sha256:595cc6f2bb3af6e03347b90deb6123c6aa2c81dea05ce08128de8a174b6ac67b AS from
COPY root.sh /root.sh
RUN /root.sh "$(command -v redis-server)" /image && /root.sh "$(command -v redis-cli)" /image \
 && install -d -o 65532 -g 65532 /image/data

FROM scratch
COPY --from=from /image /
ENV PATH=/usr/local/bin
USER 65532:65532
WORKDIR /data
