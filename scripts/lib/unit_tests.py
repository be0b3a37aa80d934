"""Builds the programs that have the library's Rust unit tests, with the simulation, and loom's models.

Each has a target folder of its own: cargo builds one thing at a time in a folder, and with --cfg loom it builds all else
anew."""

import json

from ahead import Build
from project import TARGET

# Without the whole program's optimization a test program is built in a third of the time, and runs as fast.
QUICK = ["--config", 'profile.release.lto="off"', "--config", "profile.release.codegen-units=16"]
# Optimized, because the tests run 15 times as fast then, and with every check of a debug build.
CHECKED = Build(["cargo", "test", "--locked", "--release", "--lib", "--no-run", "--message-format=json", *QUICK,
                 "--config", "profile.release.debug-assertions=true", "--config", "profile.release.overflow-checks=true",
                 "--target-dir", TARGET / "checked"])
MODELS = Build(["cargo", "test", "--locked", "--release", "--lib", "--no-run", "--message-format=json", *QUICK,
                "--target-dir", TARGET / "loom"], {"RUSTFLAGS": "--cfg loom"})


def program_of(messages):
    """The test program in cargo's messages."""
    for line in messages.splitlines():
        if line.startswith("{"):
            message = json.loads(line)
            if message.get("reason") == "compiler-artifact" and message.get("executable"):
                return message["executable"]
    raise SystemExit("cargo built no test program")
