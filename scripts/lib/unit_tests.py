"""Builds the program that has the library's Rust unit tests, the simulation and the models."""

import json

# Without the whole program's optimization a test program is built in a third of the time, and runs as fast.
QUICK = ["--config", 'profile.release.lto="off"', "--config", "profile.release.codegen-units=16"]
# Optimized, because the tests run 15 times as fast then, and with every check of a debug build.
CHECKED = ["cargo", "test", "--locked", "--release", "--lib", "--no-run", "--message-format=json", *QUICK,
           "--config", "profile.release.debug-assertions=true", "--config", "profile.release.overflow-checks=true"]
MODELS = ["cargo", "test", "--locked", "--release", "--lib", "--no-run", "--message-format=json", *QUICK]


def program_of(messages):
    """The test program in cargo's messages."""
    for line in messages.splitlines():
        if line.startswith("{"):
            message = json.loads(line)
            if message.get("reason") == "compiler-artifact" and message.get("executable"):
                return message["executable"]
    raise SystemExit("cargo built no test program")
