#!/bin/sh
# build.sh exai PROGRAM | redis | commander [NODE_MODULES]
#
# Makes the image of one service of docker-compose.test.yml from programs of this machine, for
# engines that can pull nothing. The recipe is root.sh's, as in the Dockerfiles; the tags are those
# of the compose file.
set -eu
here=$(dirname "$0")
root=$(mktemp -d)
trap 'rm -rf "$root" "$root.exai" "$root.npm"' EXIT

import() { # TAG CHANGE…
  tag=$1
  shift
  tar -C "$root" --numeric-owner -cf - . | docker import --change 'USER 65532:65532' "$@" - "$tag"
}

case ${1:-} in
exai)
  cp -L "$2" "$root.exai"
  strip --strip-debug "$root.exai" 2>/dev/null || true
  "$here/root.sh" "$root.exai" "$root"
  mv "$root/usr/local/bin/$(basename "$root.exai")" "$root/usr/local/bin/exai"
  mkdir -p "$root/var/lib/exai"
  chown 65532:65532 "$root/var/lib/exai"
  import exai:local --change 'ENV EXAI_STATE_DIR=/var/lib/exai' \
    --change 'LABEL io.modelcontextprotocol.server.name="dev.exai/exai"' \
    --change 'ENTRYPOINT ["/usr/local/bin/exai"]'
  ;;
redis)
  "$here/root.sh" "$(command -v redis-server)" "$root"
  "$here/root.sh" "$(command -v redis-cli)" "$root"
  mkdir -p "$root/data"
  chown 65532:65532 "$root/data"
  import exai-redis:local --change 'WORKDIR /data' --change 'ENV PATH=/usr/local/bin'
  ;;
commander)
  if [ -z "${2:-}" ]; then
    npm install --silent --prefix "$root.npm" --omit=dev --no-fund --no-audit \
      redis-commander@0.9.0 node@22 >/dev/null
    set -- commander "$root.npm/node_modules"
  fi
  "$here/root.sh" "$2/node/bin/node" "$root"
  mkdir -p "$root/app/node_modules"
  tar -C "$2" --exclude=./node --exclude=./.bin -cf - . | tar -C "$root/app/node_modules" -xf -
  import exai-redis-commander:local --change 'ENV PATH=/usr/local/bin' \
    --change 'ENTRYPOINT ["node", "/app/node_modules/redis-commander/bin/redis-commander.js"]'
  ;;
*)
  echo "build.sh: say exai PROGRAM, redis, or commander [NODE_MODULES]" >&2
  exit 64
  ;;
esac
