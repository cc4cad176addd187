#!/usr/bin/env python3
"""Bill of materials of one package, CycloneDX 1.6 as JSON, from `cargo metadata` and Cargo.lock.

sbom.py PACKAGE [METADATA]: what the package is linked with, tests and build scripts left out.
"""
import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def metadata(path):
    if path:
        return json.loads(pathlib.Path(path).read_text())
    command = ["cargo", "metadata", "--locked", "--offline", "--format-version", "1"]
    command += ["--filter-platform", "x86_64-unknown-linux-gnu"]
    return json.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout)


def checksums():
    lock = (ROOT / "Cargo.lock").read_text()
    form = r'name = "(.+)"\nversion = "(.+)"\nsource = ".+"\nchecksum = "(.+)"'
    return {(name, version): digest for name, version, digest in re.findall(form, lock)}


def linked(graph, root):
    """The ids that a build of `root` links: normal dependencies, all the way down."""
    nodes = {node["id"]: node for node in graph["resolve"]["nodes"]}
    seen, waiting = {}, [root]
    while waiting:
        one = waiting.pop()
        if one in seen:
            continue
        normal = [
            dep["pkg"]
            for dep in nodes[one]["deps"]
            if any(kind["kind"] is None for kind in dep["dep_kinds"])
        ]
        seen[one] = sorted(normal)
        waiting += normal
    return seen


def main():
    graph = metadata(sys.argv[2] if len(sys.argv) > 2 else None)
    packages = {package["id"]: package for package in graph["packages"]}
    root = next(id for id, package in packages.items() if package["name"] == sys.argv[1])
    digests, edges = checksums(), linked(graph, root)

    def reference(id):
        return f"pkg:cargo/{packages[id]['name']}@{packages[id]['version']}"

    def component(id, kind):
        package = packages[id]
        entry = {
            "type": kind,
            "bom-ref": reference(id),
            "name": package["name"],
            "version": package["version"],
            "purl": reference(id),
        }
        if package.get("license"):
            entry["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
        digest = digests.get((package["name"], package["version"]))
        if digest:
            entry["hashes"] = [{"alg": "SHA-256", "content": digest}]
        return entry

    others = sorted((id for id in edges if id != root), key=reference)
    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": component(root, "application")},
        "components": [component(id, "library") for id in others],
        "dependencies": [
            {"ref": reference(id), "dependsOn": [reference(dep) for dep in edges[id]]}
            for id in sorted(edges, key=reference)
        ],
    }
    json.dump(bill, sys.stdout, indent=1)
    print()


main()
