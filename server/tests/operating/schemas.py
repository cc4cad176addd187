"""Asks those who will read what operators are given: Helm's own engine, and the schemas of
Kubernetes' API. JSON on standard input, JSON on standard output.

    schemas.py draw CHART NAME    values -> {"objects": [...], "fault": text or null, "lint": [...]}
    schemas.py check VERSION      objects -> [[kind, fault], ...]
"""
import json
import sys

import helm_python
import kubernetes_validate
import yaml


def draw(chart, name):
    values = json.load(sys.stdin)
    loaded = helm_python.Chart.load(chart)
    told = {"objects": [], "fault": None, "lint": []}
    try:
        loaded.validate_schema(values)
        for text in loaded.render(values, name=name).values():
            told["objects"] += [one for one in yaml.safe_load_all(text) if one]
    except helm_python.HelmError as error:
        told["fault"] = str(error)
    lint = helm_python.lint(chart, values, strict=True)
    told["lint"] = [one for one in lint["messages"] if one["severity"] >= 2]
    return told


def check(version):
    faults = []
    for one in json.load(sys.stdin):
        try:
            kubernetes_validate.validate(one, version, strict=True)
        except kubernetes_validate.SchemaNotFoundError:
            faults.append([one["kind"], "no schema"])
        except kubernetes_validate.ValidationError as error:
            path = "/".join(str(part) for part in error.path)
            faults.append([one["kind"], f"{path}: {error.message}"])
    return faults


if __name__ == "__main__":
    mode = {"draw": draw, "check": check}[sys.argv[1]]
    json.dump(mode(*sys.argv[2:]), sys.stdout)
