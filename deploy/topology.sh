#!/bin/sh
# topology.sh up | down | restart | rebuild | images
#
# The containers of docker-compose.test.yml. With the compose plugin by compose; without it by
# without-compose.sh, which is drawn from the same file.
#
# EXAI_PROGRAM=PATH makes the images from this machine's programs (image/build.sh), for engines that
# can pull nothing; EXAI_COMMANDER=NODE_MODULES spares that a download of the page for Redis.
set -eu
cd "$(dirname "$0")/.."
compose="docker compose -f docker-compose.test.yml"
has_compose() { docker compose version >/dev/null 2>&1; }
. deploy/without-compose.sh

images() { # FLAG…
  if [ -n "${EXAI_PROGRAM:-}" ]; then
    deploy/image/build.sh exai "$EXAI_PROGRAM"
    deploy/image/build.sh redis
    deploy/image/build.sh commander "${EXAI_COMMANDER:-}"
  elif has_compose; then
    $compose build "$@"
  else
    docker build "$@" --tag exai:local .
    docker build "$@" --tag exai-redis:local --file deploy/image/redis.Dockerfile deploy/image
    docker build "$@" --tag exai-redis-commander:local \
      --file deploy/image/commander.Dockerfile deploy/image
  fi
}

healthy() { # SERVICE
  left=240
  until [ "$(docker inspect --format '{{.State.Health.Status}}' "$1")" = healthy ]; do
    left=$((left - 1))
    if [ $left -le 0 ]; then
      echo "$1 is not healthy; its last check said:" >&2
      docker inspect --format '{{json .State.Health}}' "$1" >&2
      return 1
    fi
    sleep 0.5
  done
}

up() {
  deploy/env.sh .env
  if has_compose; then
    $compose up --detach --no-build --wait
    return
  fi
  set -a
  . ./.env
  set +a
  prepare
  for service in $services; do
    start "$service"
    # What depends on Redis waits until it is healthy.
    [ "$service" != exai-redis ] || healthy "$service"
  done
  for service in $services; do healthy "$service"; done
}

stop() {
  if has_compose; then
    $compose stop
  else
    for service in $services; do docker stop "$service" >/dev/null 2>&1 || true; done
  fi
}

# The containers anew from the images as they are tagged now; volumes stay.
restart() {
  stop
  if has_compose; then
    up
    return
  fi
  for service in $services; do docker rm --force "$service" >/dev/null 2>&1 || true; done
  docker network rm exai-network >/dev/null 2>&1 || true
  up
}

wipe() {
  if has_compose; then
    $compose down --volumes --remove-orphans
  else
    for service in $services; do docker rm --force "$service" >/dev/null 2>&1 || true; done
    for volume in $volumes; do docker volume rm "$volume" >/dev/null 2>&1 || true; done
    docker network rm exai-network >/dev/null 2>&1 || true
  fi
}

# One question over MCP whose answer is known: the demo provider counts the words it was sent.
first_answer() {
  secret=$(sed -n 's/^EXAI_JWT_SECRET=//p' .env)
  token=$(docker run --rm --env "EXAI_JWT_SECRET=$secret" exai:local token --sub operator \
    --role user --ttl 300 --set auth.mode=jwt --set auth.jwt.issuer=https://exai.test \
    --set auth.jwt.audience=exai)
  count=$(($(date +%s) % 40 + 3))
  asked=$(seq -s ' ' "$count")
  answer=$(curl --silent --show-error --fail --max-time 30 http://127.0.0.1:3010/mcp \
    --header "authorization: Bearer $token" --header 'content-type: application/json' \
    --header 'accept: application/json, text/event-stream' \
    --header 'mcp-protocol-version: 2026-07-28' \
    --header 'mcp-method: tools/call' --header 'mcp-name: chat' --data @- <<EOF
{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "chat",
 "arguments": {"prompt": "$asked"}, "_meta": {
 "io.modelcontextprotocol/protocolVersion": "2026-07-28",
 "io.modelcontextprotocol/clientInfo": {"name": "rebuild", "version": "1"},
 "io.modelcontextprotocol/clientCapabilities": {}}}}
EOF
)
  case $answer in
  *" $count word(s)"*) echo "asked with $count words, and the answer counts $count" ;;
  *) echo "asked with $count words: $answer" >&2 && return 1 ;;
  esac
}

rebuild() {
  begun=$(date +%s)
  echo "S.1 stop"
  stop
  echo "S.2 wipe containers, volumes and network"
  wipe
  for volume in $volumes; do
    ! docker volume inspect "$volume" >/dev/null 2>&1 || { echo "$volume is left" >&2; exit 1; }
  done
  echo "S.3 images without cache"
  images --no-cache
  echo "S.4 and S.5 a fresh database, deployed"
  up
  # A server's own two keys are there as soon as it is.
  held=$(docker exec exai-redis redis-cli --scan | grep -vxE 'exai:(probe|schema_version)' || true)
  [ -z "$held" ] || { echo "the database still holds $held" >&2; exit 1; }
  first_answer
  echo "from nothing to a right answer in $(($(date +%s) - begun)) s"
}

case ${1:-} in
up) images && up ;;
down) stop && wipe ;;
rebuild) rebuild ;;
restart) restart ;;
images) images ;;
*) echo "topology.sh: say up, down, restart, rebuild or images" >&2 && exit 64 ;;
esac
