#!/bin/sh
# root.sh PROGRAM FOLDER
#
# Makes FOLDER an empty root that holds PROGRAM, the libraries that ldd lists for it, the
# certificates that https needs, one user who is not root, and nothing else: no shell, no package
# manager. The Dockerfiles and build.sh use it alike, so that an image made where nothing can be
# pulled equals one made where everything can.
set -eu
program=$1
folder=$2
put() { # a file at the same place under the new root
  mkdir -p "$folder$(dirname "$1")"
  cp -L "$1" "$folder$1"
}
mkdir -p "$folder/usr/local/bin" "$folder/tmp" "$folder/etc"
chmod 1777 "$folder/tmp"
cp -L "$program" "$folder/usr/local/bin/$(basename "$program")"
ldd "$program" | sed -n 's/.*=> \(\/[^ ]*\).*/\1/p; s/^[[:space:]]*\(\/[^ ]*\) (.*/\1/p' |
  sort -u | while read -r library; do put "$library"; done
if [ -f /etc/ssl/certs/ca-certificates.crt ]; then put /etc/ssl/certs/ca-certificates.crt; fi
printf 'root:x:0:0:root:/:/none\nexai:x:65532:65532:exai:/:/none\n' >"$folder/etc/passwd"
printf 'root:x:0:\nexai:x:65532:\n' >"$folder/etc/group"
