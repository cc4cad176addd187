#!/bin/sh
# What a page's `exai`, `verify` and `cargo` are while a test tries its commands: the programs of
# this build. A server is ended as soon as it listens, a bridge is asked one thing, and reports are
# the test's own.
set -eu
program=${0##*/}
case "$program ${1:-} ${2:-} ${3:-} ${4:-}" in
"cargo metadata "*) exec "$CARGO" "$@" ;;
"cargo verify "*)
  shift
  exec verify "$@"
  ;;
"cargo run -p exai-server --")
  shift 4
  exec exai "$@"
  ;;
"exai serve "*)
  shift
  log=$(mktemp)
  "$BUILT/exai" serve "$@" --listen 127.0.0.1:0 --admin 127.0.0.1:0 \
    --set "server.state_dir=$HOME/served" >"$log" 2>&1 &
  pid=$!
  until grep '"listening"' "$log"; do
    kill -0 $pid 2>/dev/null || break
    sleep 0.1
  done
  kill $pid 2>/dev/null || cat "$log"
  wait $pid
  ;;
"exai bridge "*)
  echo '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25",'\
'"capabilities":{},"clientInfo":{"name":"reader","version":"1"}}}' | "$BUILT/exai" "$@"
  ;;
# Whatever listens on this machine is not what the page is about.
"exai doctor "*) exec "$BUILT/exai" "$@" --set server.listen=127.0.0.1:0 --set server.admin=127.0.0.1:0 ;;
"exai "*) exec "$BUILT/exai" "$@" </dev/null ;;
"verify gate "* | "verify ledger "* | "verify decide "* | "verify claims "* | "verify attest sign "* | \
  "verify attest check "*)
  case " $* " in
  *" target-merge-ready "*) exec "$BUILT/verify" "$@" ;;
  *) exec "$BUILT/verify" "$@" --reports "$PWD/reports" ;;
  esac
  ;;
"verify "*) exec "$BUILT/verify" "$@" </dev/null ;;
"my-kms-sign "*)
  openssl pkeyutl -sign -rawin -inkey "$HOME/kms.pem" -in "$1"
  ;;
*)
  echo "$program: nothing stands in for $*" >&2
  exit 127
  ;;
esac
