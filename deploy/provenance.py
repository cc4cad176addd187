#!/usr/bin/env python3
"""Where the files of a release come from: an in-toto statement with SLSA's provenance, version 1.

provenance.py FOLDER PROGRAM [PROGRAM...]: FOLDER holds the files, the programs are those packed in
them; `exai` among them says its version and which commit it was built from. Named are the archives and
bills of that version for this system, `verify`'s where it is packed; one that is missing, and any other
in FOLDER, ends it with 1 and its name, for a signature vouches for all that is named. The statement vouches for what a release
by this recipe can know: which bytes, of which commit and locked dependencies, packed when and by whom
(BUILDER, a URI; nobody's machine is isolated here, so it is SLSA's first build level). `verify attest
provenance` signs it.
"""
import hashlib
import json
import os
import pathlib
import platform
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
ENDINGS = (".tar.gz", ".cdx.json")
SYSTEM = f"{platform.system().lower()}-{platform.machine()}"
# What has an archive and a bill of its own, by the program that is the first in it.
PACKED = ("exai", "verify")


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def locked(commit):
    """The digest of the commit's own Cargo.lock; none where git does not know the commit."""
    command = ["git", "-C", str(ROOT), "show", f"{commit}:Cargo.lock"]
    shown = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    return hashlib.sha256(shown.stdout).hexdigest() if shown.returncode == 0 else None


def names(folder, version, programs):
    """The files of this release, sorted; ends where one is missing or another stands there."""
    packed = [one for one in PACKED if one in programs]
    ends = (f"-{SYSTEM}.tar.gz", ".cdx.json")
    own = {f"{one}-{version}{end}" for one in packed for end in ends}
    found = {path.name for path in folder.iterdir() if path.name.endswith(ENDINGS)}
    for name in sorted(found - own):
        sys.exit(f"provenance.py: {name} is no file of exai {version} for {SYSTEM}: take it out of {folder}")
    for name in sorted(own - found):
        sys.exit(f"provenance.py: {name} is not in {folder}")
    return sorted(own)


def main():
    folder, programs = pathlib.Path(sys.argv[1]), [pathlib.Path(one) for one in sys.argv[2:]]
    exai = next(one for one in programs if one.name == "exai")
    said = subprocess.run([exai, "version", "--json"], check=True, stdout=subprocess.PIPE)
    build = json.loads(said.stdout)
    commit = build["commit"]
    own = names(folder, build["version"], [one.name for one in programs])
    sources = [{"uri": f"git+source@{commit}", "digest": {"gitCommit": commit}}]
    lock = locked(commit)
    if lock:
        sources.append({"uri": "Cargo.lock", "digest": {"sha256": lock}})
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [
            {"name": name, "digest": {"sha256": sha256(folder / name)}} for name in own
        ],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": "https://exai.dev/build/release/v1",
                "externalParameters": {
                    "commit": commit,
                    "changed_since": build["dirty"],
                    "version": build["version"],
                    "system": SYSTEM,
                    "programs": {one.name: sha256(one) for one in programs},
                },
                "resolvedDependencies": sources,
            },
            "runDetails": {
                "builder": {"id": os.environ.get("BUILDER") or "https://exai.dev/builder/by-hand"},
                "metadata": {
                    "invocationId": f"{commit[:12]}-{now}",
                    "finishedOn": now,
                },
            },
        },
    }
    json.dump(statement, sys.stdout, indent=1)
    print()


main()
