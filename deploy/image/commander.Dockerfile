# The page that shows Redis' keys: node, the package, no shell.
FROM node:22-bookworm-slim@sha256:43ac6c60b8f89723f746e8a92ce91abd5017e627ce1ddfe4238355d3a30b772c AS from
RUN npm install --prefix /app --omit=dev --no-fund --no-audit redis-commander@0.9.0
COPY root.sh /root.sh
RUN /root.sh "$(command -v node)" /image && cp -r /app /image/app

FROM scratch
COPY --from=from /image /
ENV PATH=/usr/local/bin
USER 65532:65532
ENTRYPOINT ["node", "/app/node_modules/redis-commander/bin/redis-commander.js"]
