"""Builds what is measured: the release library, midisock-echo, the benchmark programs, the peers."""

import os
import subprocess
import sys

import compilers
import environment
import runner
import suites  # noqa: F401  registers them
from project import BIN, LIB, OUT, ROOT

BENCH = ROOT / "bench"
PROGRAMS = OUT / "bench"
PEERS = OUT / "peers"
SOURCES = ("stream", "roundtrip", "bare_echo", "queue", "idle")
ECHO = BIN / "midisock-echo"


def build():
    """Builds everything; whether that succeeded. mido may be missing: see `python_with_mido`."""
    before = {}
    for name in ("library", "examples"):
        say(f"building: {name}")
        before[name] = runner.run_one(runner.SUITES[name], False, before)
        if before[name].failures:
            for case, why in before[name].failures:
                say(f"{case}: {why}")
            return False
    say("building: benchmark programs")
    command(["cargo", "build", "--release", "--locked", "--quiet", "--target-dir", PEERS], cwd=BENCH / "peers")
    PROGRAMS.mkdir(parents=True, exist_ok=True)
    peers = PEERS / "release"
    for name in SOURCES:
        linked = ["-L", peers, "-lmidisock_bench_peers", f"-Wl,-rpath,{peers}"] if name == "queue" else []
        # RUNPATH, which LD_LIBRARY_PATH overrides: see --against.
        command([compilers.default().c, "-std=c99", "-O2", *compilers.STRICT, *compilers.INCLUDES,
                 BENCH / f"{name}.c", BENCH / "bench.c", "-o", PROGRAMS / name, *compilers.LINK, *linked,
                 "-Wl,--enable-new-dtags"])
    return True


def python_with_mido():
    """The Python that has mido; None where it cannot be had."""
    outcome = runner.run_one(runner.SUITES["python"], False, {})
    return None if outcome.failures else environment.PYTHON


def library_environment(directory):
    """For running a program with the library in that directory."""
    return {**os.environ, "LD_LIBRARY_PATH": str(directory or LIB)}


def command(arguments, cwd=ROOT):
    subprocess.run([str(a) for a in arguments], cwd=cwd, check=True)


def say(text):
    """Progress, not the result."""
    print(text, file=sys.stderr, flush=True)
