# Redis by the recipe of the server's image: the two programs and their libraries, no shell.
FROM redis:7-bookworm AS from
COPY root.sh /root.sh
RUN /root.sh "$(command -v redis-server)" /image && /root.sh "$(command -v redis-cli)" /image \
 && install -d -o 65532 -g 65532 /image/data

FROM scratch
COPY --from=from /image /
ENV PATH=/usr/local/bin
USER 65532:65532
WORKDIR /data
