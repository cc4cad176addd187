#!/bin/sh
# Drawn from docker-compose.test.yml by EXAI_WRITE_DOCS=1 cargo test -p exai-server --test operating
# what_runs_without_compose: the same containers for an engine without the compose plugin.
# Sourced by topology.sh, which builds the images first and brings the variables.

services="exai-redis exai-mcp-server exai-mcp-stdio exai-redis-commander"
volumes="exai-redis-data exai-server-state exai-stdio-state"

prepare() {
  docker network create --subnet 10.238.79.0/24 --gateway 10.238.79.1 exai-network >/dev/null
  docker build --quiet --tag exai-redis:checked - >/dev/null <<'IMAGE'
FROM exai-redis:local
HEALTHCHECK --interval=10s --timeout=3s --retries=3 CMD ["redis-cli","-e","ping"]
IMAGE
  docker build --quiet --tag exai-mcp-server:checked - >/dev/null <<'IMAGE'
FROM exai:local
HEALTHCHECK --interval=10s --timeout=5s --retries=3 --start-period=30s CMD ["/usr/local/bin/exai","probe","ready"]
IMAGE
  docker build --quiet --tag exai-mcp-stdio:checked - >/dev/null <<'IMAGE'
FROM exai:local
HEALTHCHECK --interval=10s --timeout=5s --retries=3 --start-period=30s CMD ["/usr/local/bin/exai","probe","tools"]
IMAGE
  docker build --quiet --tag exai-redis-commander:checked - >/dev/null <<'IMAGE'
FROM exai-redis-commander:local
HEALTHCHECK --interval=10s --timeout=5s --retries=3 CMD ["node","-e","fetch('http://127.0.0.1:8081/', {headers: {authorization: 'Basic ' + btoa('admin:' + process.env.EXAI_PAGE_PASSWORD)}}).then(r => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
IMAGE
}

start() {
  case $1 in
  exai-redis)
  docker run --detach \
    --name \
    exai-redis \
    --network \
    exai-network \
    --restart \
    unless-stopped \
    --user \
    65532:65532 \
    --cap-drop \
    ALL \
    --security-opt \
    no-new-privileges:true \
    --volume \
    exai-redis-data:/data \
    --env \
    "REDISCLI_AUTH=${EXAI_REDIS_PASSWORD:?just up writes it}" \
    --ulimit \
    nofile=4096:8192 \
    --log-driver \
    json-file \
    --log-opt \
    max-size=10m \
    --log-opt \
    max-file=3 \
    --cpus \
    1 \
    --memory \
    4G \
    --memory-reservation \
    512M \
    --read-only \
    exai-redis:checked \
    redis-server \
    --requirepass \
    "${EXAI_REDIS_PASSWORD:?just up writes it}" \
    --appendonly \
    yes \
    --appendfsync \
    always \
    --no-appendfsync-on-rewrite \
    no \
    --maxmemory \
    3gb \
    --maxmemory-policy \
    noeviction \
    --tcp-backlog \
    511 \
    --slowlog-log-slower-than \
    10000 \
    --slowlog-max-len \
    128 \
    --dir \
    /data
    ;;
  exai-mcp-server)
  docker run --detach \
    --name \
    exai-mcp-server \
    --network \
    exai-network \
    --restart \
    unless-stopped \
    --user \
    65532:65532 \
    --cap-drop \
    ALL \
    --security-opt \
    no-new-privileges:true \
    --publish \
    127.0.0.1:3010:8079 \
    --publish \
    127.0.0.1:3001:8080 \
    --publish \
    127.0.0.1:3002:8080 \
    --publish \
    127.0.0.1:3003:8080 \
    --volume \
    exai-server-state:/var/lib/exai \
    --tmpfs \
    /tmp \
    --env \
    EXAI_SERVER__LISTEN=0.0.0.0:8079 \
    --env \
    EXAI_SERVER__ADMIN=0.0.0.0:8080 \
    --env \
    EXAI_SERVER__TRUSTED_PROXIES=10.238.79.1 \
    --env \
    EXAI_AUTH__MODE=jwt \
    --env \
    EXAI_AUTH__JWT__ISSUER=https://exai.test \
    --env \
    EXAI_AUTH__JWT__AUDIENCE=exai \
    --env \
    "EXAI_JWT_SECRET=${EXAI_JWT_SECRET:?just up writes it}" \
    --env \
    "EXAI_METRICS_TOKEN=${EXAI_METRICS_TOKEN:?just up writes it}" \
    --env \
    EXAI_STORE__KIND=redis \
    --env \
    "EXAI_STORE__URL=redis://:${EXAI_REDIS_PASSWORD:?just up writes it}@exai-redis:6379" \
    --ulimit \
    nofile=4096:8192 \
    --log-driver \
    json-file \
    --log-opt \
    max-size=10m \
    --log-opt \
    max-file=3 \
    --cpus \
    2 \
    --memory \
    2G \
    --memory-reservation \
    512M \
    --stop-timeout \
    35 \
    --read-only \
    exai-mcp-server:checked \
    serve \
    --demo
    ;;
  exai-mcp-stdio)
  docker run --detach \
    --name \
    exai-mcp-stdio \
    --network \
    exai-network \
    --restart \
    unless-stopped \
    --user \
    65532:65532 \
    --cap-drop \
    ALL \
    --security-opt \
    no-new-privileges:true \
    --volume \
    exai-stdio-state:/var/lib/exai \
    --tmpfs \
    /tmp \
    --env \
    EXAI_STORE__KIND=redis \
    --env \
    "EXAI_STORE__URL=redis://:${EXAI_REDIS_PASSWORD:?just up writes it}@exai-redis:6379" \
    --ulimit \
    nofile=4096:8192 \
    --log-driver \
    json-file \
    --log-opt \
    max-size=10m \
    --log-opt \
    max-file=3 \
    --cpus \
    1 \
    --memory \
    1G \
    --memory-reservation \
    256M \
    --read-only \
    --interactive \
    --tty \
    exai-mcp-stdio:checked \
    stdio \
    --demo
    ;;
  exai-redis-commander)
  docker run --detach \
    --name \
    exai-redis-commander \
    --network \
    exai-network \
    --restart \
    unless-stopped \
    --user \
    65532:65532 \
    --cap-drop \
    ALL \
    --security-opt \
    no-new-privileges:true \
    --publish \
    127.0.0.1:8081:8081 \
    --tmpfs \
    /tmp \
    --env \
    HOME=/tmp \
    --env \
    "EXAI_PAGE_PASSWORD=${EXAI_PAGE_PASSWORD:?just up writes it}" \
    --ulimit \
    nofile=4096:8192 \
    --log-driver \
    json-file \
    --log-opt \
    max-size=5m \
    --log-opt \
    max-file=2 \
    --cpus \
    0.5 \
    --memory \
    256M \
    --memory-reservation \
    64M \
    --read-only \
    exai-redis-commander:checked \
    --nosave \
    --redis-host \
    exai-redis \
    --redis-password \
    "${EXAI_REDIS_PASSWORD:?just up writes it}" \
    --http-auth-username \
    admin \
    --http-auth-password \
    "${EXAI_PAGE_PASSWORD:?just up writes it}"
    ;;
  esac >/dev/null
}
