#!/usr/bin/env python3
"""Prints scenarios/advisories.toml: what RustSec's database says of the crates in Cargo.lock.

advisories.py FOLDER [SOURCE]: FOLDER is a checkout of rustsec/advisory-db, SOURCE says in words where
it is from when git does not. Facts alone are taken: ids, dates, kinds, scores and version ranges.
Each crate of the lock file that is not ours is looked up, and named whether anything is known or not.
V.6 holds Cargo.lock to the list (row X8, docs/decisions/0050):

  deploy/advisories.py FOLDER >list && mv list scenarios/advisories.toml
"""
import datetime
import json
import pathlib
import subprocess
import sys
import textwrap
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
HEAD = """\
# What RustSec's database says of the crates in Cargo.lock, facts alone; deploy/advisories.py writes
# it. A crate that is not in looked_up was asked about by nobody: the audit then says so, and passes
# nothing. Drafts without a number of their own (RUSTSEC-0000-…) are no advisories and left out.
"""
FACTS = ("informational", "withdrawn", "cvss")


def facts(path):
    """The head of an advisory: TOML in the first fenced block of its page."""
    head = path.read_text().split("```toml\n", 1)[1].split("\n```", 1)[0]
    return tomllib.loads(head)


def row(page):
    advisory, versions = page["advisory"], page["versions"]
    told = {"id": advisory["id"], "crate": advisory["package"], "date": str(advisory["date"])}
    told |= {name: str(advisory[name]) for name in FACTS if advisory.get(name)}
    told |= {name: versions[name] for name in ("patched", "unaffected") if versions.get(name)}
    return ", ".join(f"{name} = {json.dumps(value)}" for name, value in told.items())


def source(folder):
    command = ["git", "-C", folder, "rev-parse", "HEAD"]
    shown = subprocess.run(command, capture_output=True, text=True, check=False)
    if shown.returncode:
        sys.exit("advisories.py: git knows nothing of this folder; say where it is from")
    return f"rustsec/advisory-db, commit {shown.stdout.strip()}"


def main():
    crates = pathlib.Path(sys.argv[1], "crates")
    pages = [facts(path) for path in sorted(crates.glob("*/RUSTSEC-2*.md"))]
    if not pages:
        sys.exit(f"advisories.py: there is no advisory in {crates}")
    origin = sys.argv[2] if len(sys.argv) > 2 else source(sys.argv[1])
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())
    names = sorted({package["name"] for package in lock["package"] if "source" in package})
    ours = [page for page in pages if page["advisory"]["package"] in names]
    ours.sort(key=lambda page: (page["advisory"]["package"], page["advisory"]["id"]))
    listed = textwrap.fill(", ".join(map(json.dumps, names)), 98, break_on_hyphens=False)
    rows = "\n".join(f"  {{ {row(page)} }}," for page in ours)
    sys.stdout.write(
        f"{HEAD}source = {json.dumps(origin)}\n"
        f'read = "{datetime.date.today()}"\n'
        "# The highest number and the latest date in all of the source: it knows of nothing later.\n"
        f'newest = "{max(page["advisory"]["id"] for page in pages)}"\n'
        f'newest_date = "{max(str(page["advisory"]["date"]) for page in pages)}"\n'
        f"looked_up = [\n{textwrap.indent(listed, '  ')},\n]\n"
        f"advisories = [\n{rows}\n]\n"
    )


main()
