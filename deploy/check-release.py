#!/usr/bin/env python3
"""Whether a release is what its maker signed, before anything of it is unpacked or started.

check-release.py ENVELOPE KEY: the envelope, exai-VERSION.intoto.json, stands beside the files that it
names; KEY is the maker's public half (Ed25519, PEM) and comes from elsewhere. `openssl` checks the
signature over the very bytes that are read here, then each file is hashed. Ends with 1 and a sentence
when nobody's signature holds, a file is missing or changed, or an archive or a bill of materials
stands there that is not named. Nothing of the release takes part.
"""
import base64
import hashlib
import json
import pathlib
import subprocess
import sys
import tempfile

ENDINGS = (".tar.gz", ".cdx.json")


def refuse(says):
    sys.exit(f"check-release.py: {says}")


def is_signed(signature, signed, key):
    """Whether openssl confirms an Ed25519 signature over these bytes."""
    with tempfile.TemporaryDirectory() as work:
        places = [pathlib.Path(work, name) for name in ("bytes", "signature")]
        for place, content in zip(places, (signed, signature)):
            place.write_bytes(content)
        command = ["openssl", "pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", key]
        command += ["-in", places[0], "-sigfile", places[1]]
        try:
            return subprocess.run(command, capture_output=True, check=False).returncode == 0
        except FileNotFoundError:
            return refuse("openssl is not here: apt-get install openssl")


def opened(envelope, key):
    """What the envelope holds, once the key's owner is known to have signed it (DSSE, version 1)."""
    kind, payload = envelope["payloadType"].encode(), base64.b64decode(envelope["payload"])
    signed = b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
    signatures = [base64.b64decode(one["sig"]) for one in envelope["signatures"]]
    if not any(is_signed(one, signed, key) for one in signatures):
        refuse("no signature here is by this key")
    return json.loads(payload)


def main():
    path, key = pathlib.Path(sys.argv[1]), sys.argv[2]
    statement = opened(json.loads(path.read_text()), key)
    if statement["predicateType"] != "https://slsa.dev/provenance/v1":
        refuse("this is signed and no provenance")
    named = {one["name"]: one["digest"]["sha256"] for one in statement["subject"]}
    for name, digest in named.items():
        if "/" in name or name.startswith("."):
            refuse(f"{name} is no file of a release")
        file = path.parent / name
        if not file.is_file():
            refuse(f"{name} is not here")
        if hashlib.sha256(file.read_bytes()).hexdigest() != digest:
            refuse(f"{name} is not as it was signed")
    for file in sorted(path.parent.iterdir()):
        if file.name.endswith(ENDINGS) and file.name not in named:
            refuse(f"{file.name} stands here and was not signed")
    print(f"{len(named)} files, each as it was signed")


main()
