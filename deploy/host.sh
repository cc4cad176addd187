#!/bin/sh
# host.sh COMMAND: exai on one host, every step with its way back (docs/guide/rollback.md).
#
#   install NAME PROGRAM   keeps a build as releases/NAME
#   use NAME               copies the state, switches to a build, restarts
#   configure FILE         has the build in use check a configuration, switches to it, restarts
#   back build|config      to the one that was in use before
#   restore NAME           the state as it was before NAME was used
#   start | stop | status
#
# `use` and `configure` go back by themselves, and say so with exit code 1, when the server is not
# ready within READY_WITHIN seconds (30).
#
# BASE (/opt/exai) holds releases/, configs/, backups/, state/ and log. UNIT=NAME has systemd start
# and stop it; without, this script does. SERVE_ARGS are further words for `exai serve`.
set -eu
base=${BASE:-/opt/exai}
mkdir -p "$base/releases" "$base/configs" "$base/backups" "$base/state"

say() { echo "host.sh: $*"; }
refuse() {
  say "$*" >&2
  exit 64
}

is_running() { [ -f "$base/pid" ] && kill -0 "$(cat "$base/pid")" 2>/dev/null; }

start() {
  if [ -n "${UNIT:-}" ]; then
    systemctl start "$UNIT"
    return
  fi
  # shellcheck disable=SC2086
  setsid "$base/current/exai" serve --config "$base/exai.toml" ${SERVE_ARGS:-} \
    >>"$base/log" 2>&1 </dev/null &
  echo $! >"$base/pid"
}

stop() {
  if [ -n "${UNIT:-}" ]; then
    systemctl stop "$UNIT"
    return
  fi
  is_running || return 0
  pid=$(cat "$base/pid")
  kill -TERM "$pid"
  left=350
  while kill -0 "$pid" 2>/dev/null; do
    left=$((left - 1))
    [ $left -gt 0 ] || kill -KILL "$pid"
    sleep 0.1
  done
  rm -f "$base/pid"
}

is_ready() { # [PROGRAM that asks; the build in use]
  asking=${1:-$base/current/exai}
  until="$(($(date +%s) + ${READY_WITHIN:-30}))"
  while [ "$(date +%s)" -lt "$until" ]; do
    if "$asking" probe ready --config "$base/exai.toml" >/dev/null 2>&1; then
      return 0
    fi
    [ -n "${UNIT:-}" ] || is_running || return 1
    sleep 0.1
  done
  return 1
}

# point LINK TARGET: switches a link and remembers where it pointed.
point() {
  if [ -L "$base/$1" ]; then ln -sfn "$(readlink "$base/$1")" "$base/$1.previous"; fi
  ln -sfn "$2" "$base/$1"
}

back() { # LINK
  [ -L "$base/$1.previous" ] || refuse "there is nothing before $1"
  before=$(readlink "$base/$1.previous")
  stop
  point "$1" "$before"
  start
  is_ready || { say "not ready with $before either; see $base/log" >&2; exit 1; }
  say "back to $(basename "$before")"
}

restore() { # NAME
  [ -d "$base/backups/$1" ] || refuse "there is no copy from before $1"
  stop
  rm -rf "$base/state.spoiled"
  mv "$base/state" "$base/state.spoiled"
  cp -a "$base/backups/$1" "$base/state"
}

use() { # NAME
  [ -x "$base/releases/$1/exai" ] || refuse "there is no build $1; install it first"
  stop
  rm -rf "$base/backups/$1"
  cp -a "$base/state" "$base/backups/$1"
  point current "$base/releases/$1"
  start
  # The build before it asks: a bad one would say anything of itself.
  if is_ready "$(readlink "$base/current.previous" || readlink "$base/current")/exai"; then
    say "$1 is in use"
    return
  fi
  say "$1 is not ready; going back" >&2
  if [ -L "$base/current.previous" ]; then
    restore "$1"
    back current
  fi
  exit 1
}

configure() { # FILE
  "$base/current/exai" check --config "$1" >/dev/null || exit 1
  kept="$base/configs/$(date -u +%Y%m%dT%H%M%S)-$$.toml"
  cp "$1" "$kept"
  stop
  point exai.toml "$kept"
  start
  if is_ready; then
    say "$1 is in use"
    return
  fi
  say "not ready with $1; going back" >&2
  back exai.toml
  exit 1
}

case "${1:-} ${2:-}" in
"install "?*)
  mkdir -p "$base/releases/$2"
  cp "$3" "$base/releases/$2/exai"
  chmod +x "$base/releases/$2/exai"
  ;;
"use "?*) use "$2" ;;
"configure "?*) configure "$2" ;;
"back build") back current ;;
"back config") back exai.toml ;;
"restore "?*)
  restore "$2"
  start
  is_ready || { say "not ready; see $base/log" >&2; exit 1; }
  say "the state is the one from before $2"
  ;;
"start ") start && is_ready ;;
"stop ") stop ;;
"status ")
  say "build $(basename "$(readlink "$base/current")")"
  say "configuration $(basename "$(readlink "$base/exai.toml")")"
  if is_running; then say "running as $(cat "$base/pid")"; else say "not running"; fi
  ;;
*) refuse "say install, use, configure, back, restore, start, stop or status" ;;
esac
