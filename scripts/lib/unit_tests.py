"""How to build the two Rust test programs: the unit tests with the simulation, and loom's models.

Each has a target folder of its own, because cargo locks a profile's folder, and --cfg loom would make it build all else anew."""

import json

from ahead import Build
from project import TARGET

# Without the whole program's optimization a test program is built much sooner, and runs as fast.
QUICK = ["--config", 'profile.release.lto="off"', "--config", "profile.release.codegen-units=16"]
# Nobody debugs these programs. A panic names its line anyway.
LEAN = [*QUICK, "--config", "profile.release.opt-level=2", "--config", "profile.release.debug=false"]
PROGRAM = ["cargo", "test", "--locked", "--release", "--lib", "--no-run", "--message-format=json", *LEAN]
# Optimized, because the tests run much faster then, and with every check of a debug build.
CHECKED = Build([*PROGRAM, "--config", "profile.release.debug-assertions=true",
                 "--config", "profile.release.overflow-checks=true", "--target-dir", TARGET / "checked"])
MODELS = Build([*PROGRAM, "--target-dir", TARGET / "loom"], {"RUSTFLAGS": "--cfg loom"})


def program_of(messages):
    """The test program in cargo's messages."""
    for line in messages.splitlines():
        if line.startswith("{"):
            message = json.loads(line)
            if message.get("reason") == "compiler-artifact" and message.get("executable"):
                return message["executable"]
    raise RuntimeError("cargo built no test program")
