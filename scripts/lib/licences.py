"""Checks the linked crates against deny.toml, offline, from `cargo metadata`.

The same rules as cargo-deny's licenses, bans and sources; not its advisories, which need a
database from the network. Prints what passed and what failed as one line of JSON.
"""

import json
import re
import subprocess
import sys

sys.dont_write_bytecode = True

try:
    import tomllib
except ImportError:  # Python before 3.11
    import tomli as tomllib

from project import ROOT

REGISTRY = "registry+https://github.com/rust-lang/crates.io-index"


def satisfied(expression, allowed):
    """Whether these licences satisfy an SPDX expression. A/B is the old form of A OR B."""
    tokens = re.findall(r"[()]|[^\s()/]+|/", expression.replace("/", " OR "))
    position = 0

    def peek():
        return tokens[position] if position < len(tokens) else None

    def take():
        nonlocal position
        position += 1
        return tokens[position - 1]

    def term():
        if peek() == "(":
            take()
            value = alternatives()
            if take() != ")":
                raise ValueError(expression)
            return value
        name = take()
        if peek() == "WITH":
            take()
            name += " WITH " + take()
        return name in allowed

    def conjunction():
        value = term()
        while peek() == "AND":
            take()
            value &= term()
        return value

    def alternatives():
        value = conjunction()
        while peek() == "OR":
            take()
            value |= conjunction()
        return value

    value = alternatives()
    if peek() is not None:
        raise ValueError(expression)
    return value


def shipped(metadata):
    """The package ids reached from the project's own package without development dependencies."""
    edges = {node["id"]: node["deps"] for node in metadata["resolve"]["nodes"]}
    reached, waiting = set(), [metadata["resolve"]["root"]]
    while waiting:
        package = waiting.pop()
        if package not in reached:
            reached.add(package)
            waiting += [d["pkg"] for d in edges[package]
                        if any(kind["kind"] != "dev" for kind in d["dep_kinds"])]
    return reached


def check(metadata, rules):
    """(passed, failed) for every package."""
    passed, failed = [], []
    allowed = set(rules["licenses"]["allow"])
    exceptions = {e["crate"]: set(e["allow"]) for e in rules["licenses"].get("exceptions", [])}
    denied = {d["crate"]: d.get("reason", "") for d in rules["bans"]["deny"]}
    skipped = {s["crate"].split("@")[0] for s in rules["bans"]["skip"]}
    used = shipped(metadata)
    versions = {}
    for package in metadata["packages"]:
        name, label = package["name"], f"{package['name']} {package['version']}"
        problems = []
        licence = package["license"]
        if not licence:
            problems.append("no licence given")
        elif not satisfied(licence, allowed | exceptions.get(name, set())):
            problems.append(f"licence {licence} is not in deny.toml")
        if name in denied:
            problems.append(f"denied: {denied[name]}")
        if package["source"] not in (None, REGISTRY):
            problems.append(f"comes from {package['source']}")
        if package["source"] is None:
            problems += [f"any version of {d['name']} would do" for d in package["dependencies"]
                         if d["req"] == "*"]
        if package["id"] in used:
            versions.setdefault(name, set()).add(package["version"])
            if len(versions[name]) > 1 and name not in skipped:
                problems.append(f"built in twice: {', '.join(sorted(versions[name]))}")
        if problems:
            failed.append([label, "; ".join(problems)])
        else:
            passed.append(label)
    return passed, failed


def main():
    metadata = json.loads(subprocess.run(
        ["cargo", "metadata", "--format-version", "1", "--locked", "--all-features"],
        cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout)
    rules = tomllib.loads((ROOT / "deny.toml").read_text())
    passed, failed = check(metadata, rules)
    print(json.dumps({"passed": passed, "failed": failed}))


if __name__ == "__main__":
    main()
