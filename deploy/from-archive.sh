#!/bin/sh
# from-archive.sh PROFILE: releases the build in target/release, unpacks it into a new folder and
# judges it there as a machine without the sources or a Rust toolchain would: both are hidden from it.
# Checksums, bill of materials and provenance are checked with what the machine has (sha256sum, openssl)
# before anything is unpacked, and once more by the `verify` of the archive. Prints the seconds from the
# archives to the verdict, and ends with the run's exit code, or with 1 when unpacking and starting took
# a minute on top of the run. The folder stays when it was not 0.
set -eu
profile=$1
here=$(cd "$(dirname "$0")/.." && pwd)
root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
folder=$(mktemp -d)
chmod 755 "$folder"
# A key for this once: who checks trusts its public half alone.
"$here/target/release/verify" attest keygen "$folder/release.pem" >/dev/null
HARNESS=$here/target/release KEY=$folder/release.pem LEVEL=1 \
  "$here/deploy/release.sh" "$here/target/release/exai" "$folder/dist"
# The receiver's own: it comes with the key, not with the archives.
cp "$here/deploy/check-release.py" "$folder/"
code=0
# A name space of its own for mounts: nobody else sees what is hidden here.
root unshare --mount sh -euc '
  folder=$1 profile=$2
  shift 2
  for hidden in "$@"; do
    if [ -d "$hidden" ]; then mount -t tmpfs none "$hidden"; fi
  done
  cd "$folder/dist"
  begun=$(date +%s)
  sha256sum --check --quiet --strict SHA256SUMS
  "$folder/check-release.py" ./exai-*.intoto.json "$folder/release.pem.pub"
  mkdir -m 755 "$folder/job"
  for archive in ./*.tar.gz; do tar -xzf "$archive" -C "$folder/job" --strip-components=1; done
  cd "$folder/job"
  ./verify attest check "$folder"/dist/exai-*.intoto.json --key "$folder/release.pem.pub" \
    --server ./exai
  ready=$(date +%s)
  code=0
  ./verify run --profile "$profile" --store embedded || code=$?
  ended=$(date +%s)
  echo "from archives to a verdict: $((ended - begun)) s, $((ended - ready)) s of them the run"
  if [ $((ready - begun)) -gt 60 ]; then
    echo "from-archive.sh: more than 60 s before the run" >&2
    [ $code != 0 ] || code=1
  fi
  exit $code
' from-archive "$folder" "$profile" \
  "$here" "${CARGO_HOME:-$HOME/.cargo}" "${RUSTUP_HOME:-$HOME/.rustup}" || code=$?
if [ $code = 0 ]; then root rm -rf "$folder"; else echo "from-archive.sh: kept $folder" >&2; fi
exit $code
