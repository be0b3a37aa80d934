"""Paths, the version, and programs that the scripts need."""

import os
import re
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target").resolve()

# The scripts' output, apart from cargo's.
OUT = TARGET / "scripts"
LOGS = OUT / "logs"
BIN = OUT / "bin"
LIB = OUT / "lib"

TESTS = ROOT / "tests"
INCLUDE = ROOT / "include"
HEADER = INCLUDE / "midisock" / "midisock.h"
VENV = ROOT / ".venv"
# The last green run of each suite that takes turns.
GREEN_RUNS = ROOT / "docs" / "platforms-runs.json"

CORES = os.cpu_count() or 2

# The oldest Rust that builds the library, as Cargo.toml has it, and the tests, for proptest.
RUST = (1, 85)
RUST_FOR_TESTS = (1, 88)

# The number in the SONAME, as build.rs has it.
SONAME = "libmidisock.so.1"


def tool(*names):
    """The first of these programs on PATH, or None."""
    return next((name for name in names if shutil.which(name)), None)


def fresh(path):
    """Makes the folder anew, empty, and returns it."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path


# Where packages of the programs below have another name.
OF_UBUNTU = "on Ubuntu 24.04 cargo-1.85 and rustc-1.85, with /usr/lib/rust-1.85/bin in PATH"
# How to get a program that a machine may lack. The packages are Debian's and Ubuntu's.
SOURCES = {
    "cargo": f"apt-get install cargo, if that has Rust 1.85 or later; {OF_UBUNTU}; or https://rustup.rs",
    "rustc": f"apt-get install rustc, if that has Rust 1.85 or later; {OF_UBUNTU}; or https://rustup.rs",
    "cargo-fmt": "rustup component add rustfmt, or apt-get install rustfmt",
    "cargo-clippy": "rustup component add clippy, or apt-get install rust-clippy",
    "gcc": "apt-get install gcc libc6-dev",
    "g++": "apt-get install g++",
    "clang": "apt-get install clang",
    "clang++": "apt-get install clang",
    "make": "apt-get install make",
    "pkg-config": "apt-get install pkg-config",
    "readelf": "apt-get install binutils",
    "nm": "apt-get install binutils",
    "bash": "apt-get install bash",
}


def how_to_get(program):
    """A sentence that says that the program is missing, and how to get it."""
    source = SOURCES.get(str(program))
    return f"{program} is not installed" + (f": {source}" if source else "")


# What a build prints where something is missing that is no program, and how to get it.
SIGNS = {
    "cannot find Scrt1.o": "the C library's headers are not installed: apt-get install libc6-dev",
    "Problem with the SSL CA cert": "certificates are not installed, without which cargo downloads nothing: "
                                    "apt-get install ca-certificates",
}


def what_lacks(output):
    """Sentences as how_to_get's for what this output of a failed build shows to be missing, in a list."""
    return [how for sign, how in SIGNS.items() if sign in output]


def missing(*groups):
    """For each group without a program on PATH: how to get its first one."""
    return [how_to_get(group[0]) for group in groups if not tool(*group)]


def too_old(least):
    """What to say where rustc is older than this version, in a list; cargo's own words name a crate."""
    if not tool("rustc"):
        return []
    said = subprocess.run(["rustc", "-V"], capture_output=True, text=True, check=False).stdout
    found = re.match(r"rustc (\d+)\.(\d+)", said)
    if not found or (int(found[1]), int(found[2])) >= least:
        return []
    return [f"rustc is version {found[1]}.{found[2]}, and this needs {least[0]}.{least[1]} or later: https://rustup.rs has it"]


def version():
    """The version in Cargo.toml: the first `version =` of its [package] table."""
    package = (ROOT / "Cargo.toml").read_text().split("[package]", 1)[1].split("\n[", 1)[0]
    return re.search(r'^version\s*=\s*"([^"]+)"', package, re.MULTILINE)[1]


def declared_functions():
    """The names of the functions that the header declares."""
    text = re.sub(r"/\*.*?\*/", "", HEADER.read_text(), flags=re.DOTALL)
    return set(re.findall(r"\b(midisock_[a-z0-9_]+)\s*\(", text))
