#!/bin/sh
# from-archive.sh PROFILE: releases the build in target/release, unpacks it into a new folder and
# judges it there as a machine without sources, version control or compiler would: the workspace and
# the toolchain are hidden from it. Prints the seconds to the verdict. Ends with the run's exit code.
set -eu
profile=$1
here=$(cd "$(dirname "$0")/.." && pwd)
folder=$(mktemp -d)
chmod 755 "$folder"
trap 'rm -rf "$folder"' EXIT
HARNESS=$here/target/release LEVEL=1 "$here/deploy/release.sh" "$here/target/release/exai" "$folder/dist"
toolchain=${CARGO_HOME:-$HOME/.cargo}
root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
# A name space of its own for mounts: nobody else sees what is hidden here.
root unshare --mount sh -euc '
  mount -t tmpfs none "$1"
  if [ -d "$2" ]; then mount -t tmpfs none "$2"; fi
  cd "$3/dist"
  begun=$(date +%s)
  sha256sum --check --quiet --strict SHA256SUMS
  mkdir "$3/job"
  for archive in ./*.tar.gz; do tar -xzf "$archive" -C "$3/job" --strip-components=1; done
  cd "$3/job"
  code=0
  ./verify run --profile "$4" --store embedded || code=$?
  echo "from archives to a verdict: $(($(date +%s) - begun)) s"
  exit $code
' from-archive "$here" "$toolchain" "$folder" "$profile"
