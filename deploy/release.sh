#!/bin/sh
# release.sh PROGRAM FOLDER
#
# The archive of a build that was judged, never of a fresh one: PROGRAM goes in as it is. FOLDER gets
#   exai-VERSION-SYSTEM.tar.gz   the program, its schema, the chart, host.sh, the licence's words
#   exai-VERSION.cdx.json        bill of materials, CycloneDX
#   verify-VERSION-SYSTEM.tar.gz and verify-VERSION.cdx.json, with HARNESS=DIR that holds verify,
#                                mock-provider and impostor: unpacked beside exai they judge it with
#                                no sources and no compiler
#   exai-VERSION.provenance.json which commit and dependencies they come from, in-toto with SLSA's words
#   exai-VERSION.intoto.json     the same, signed, with KEY=PEM: `verify attest check` reads it
#   SHA256SUMS                   of everything else here
# With RUN=DIR KEY=PEM also what a judged run says of this very program, signed by `verify attest
# sign`, into FOLDER/evidence. Without, the archive carries no claim. SBOM_FROM names stored `cargo
# metadata`, VERIFY the verify that signs, BUILDER the URI of who builds.
set -eu
program=$1
mkdir -p "$2"
folder=$(cd "$2" && pwd)
here=$(cd "$(dirname "$0")/.." && pwd)
verify=${VERIFY:-$here/target/release/verify}
version=$("$program" version | sed -n '1s/^exai \([^ ]*\) .*/\1/p')
system=$(uname -s | tr '[:upper:]' '[:lower:]')-$(uname -m)
name=exai-$version-$system
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

mkdir -p "$work/$name"
cp -L "$program" "$work/$name/exai"
chmod 755 "$work/$name/exai"
cp "$here/README.md" "$here/CHANGELOG.md" "$here/docs/config.schema.json" "$work/$name/"
cp "$here/server.json" "$here/deploy/host.sh" "$work/$name/"
cp -r "$here/deploy/helm" "$work/$name/"
# The same files make the same archive: no owner, no time, one order.
pack() {
  tar -C "$work" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf - "$1" |
    gzip -n "-${LEVEL:-9}" >"$folder/$1.tar.gz"
}
pack "$name"
"$here/deploy/sbom.py" exai-server ${SBOM_FROM:+"$SBOM_FROM"} >"$folder/exai-$version.cdx.json"

if [ -n "${HARNESS:-}" ]; then
  judge=verify-$version-$system
  mkdir -p "$work/$judge"
  for one in verify mock-provider impostor; do cp -L "$HARNESS/$one" "$work/$judge/$one"; done
  chmod 755 "$work/$judge"/*
  cp "$here/docs/guide/gate.md" "$work/$judge/GATE.md"
  pack "$judge"
  "$here/deploy/sbom.py" exai-scenarios ${SBOM_FROM:+"$SBOM_FROM"} >"$folder/verify-$version.cdx.json"
fi

set -- "$work/$name/exai"
if [ -n "${HARNESS:-}" ]; then
  for one in verify mock-provider impostor; do set -- "$@" "$work/$judge/$one"; done
fi
"$here/deploy/provenance.py" "$folder" "$@" >"$work/provenance.json"
mv "$work/provenance.json" "$folder/exai-$version.provenance.json"
if [ -n "${KEY:-}" ]; then
  "$verify" attest provenance "$folder/exai-$version.provenance.json" --signing-key "$KEY"
else
  echo "release.sh: no KEY was given, so nobody vouches for where these files come from" >&2
fi

if [ -n "${RUN:-}" ]; then
  "$verify" gate --claim merge-ready --run "$RUN" --server "$program"
  "$verify" attest sign "$RUN" --signing-key "${KEY:?the private key that signs}"
  mkdir -p "$folder/evidence"
  cp -r "$here/reports/signed/$(basename "$RUN")/." "$folder/evidence/"
else
  echo "release.sh: no RUN was given, so nothing here says that this build was judged" >&2
fi
cd "$folder"
find . -type f ! -name SHA256SUMS | sort | sed 's|^\./||' | xargs sha256sum >SHA256SUMS
echo "$folder/$name.tar.gz"
