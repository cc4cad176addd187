#!/bin/sh
# env.sh [FILE]: writes fresh secrets for docker-compose.test.yml where there are none.
set -eu
file=${1:-.env}
[ -e "$file" ] && exit 0
umask 077
for name in EXAI_REDIS_PASSWORD EXAI_JWT_SECRET EXAI_METRICS_TOKEN EXAI_PAGE_PASSWORD; do
  echo "$name=$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')"
done >"$file"
