"""The library for Windows: cross-compiled here by CMake and cargo, run under wine."""

import contextlib
import os
import platform
import re
import signal
import subprocess
from pathlib import Path

import cross
from cross import RUST_PACKAGES, WINE
from project import BIN, OUT, ROOT, fresh
from runner import PROCESSES, expect, kill_group, suite, tail
from suites_platforms import EMULATED, build, run_programs
from suites_python import TESTS as PYTESTS, pytest

TESTS = ROOT / "tests" / "windows"
TOOLCHAIN = ROOT / "cmake" / "toolchains" / "windows-mingw.cmake"
COMPILER, CXX_COMPILER = "x86_64-w64-mingw32-gcc-posix", "x86_64-w64-mingw32-g++-posix"
PACKAGES = [*RUST_PACKAGES, "gcc-mingw-w64-x86-64-posix", "wine64"]
CXX_PACKAGES = [*PACKAGES, "g++-mingw-w64-x86-64-posix"]
PROGRAMS = ("exchange-shared", "exchange-static", "errors", "load")
PREFIX = OUT / "wine"

# Cases that meet a fault of wine's, with its name.
WINE_FAULTS = {
    "test_wake a_tick_below_a_millisecond_is_held": "waits of half a millisecond are often longer under wine",
}
# A program that takes longer hangs. One of its cases that does is ended before, and named.
WINE_SECONDS = 150
WINE_PATIENCE = {**EMULATED, "MIDISOCK_CASE_SECONDS": "100"}
# A service that wine starts meanwhile keeps the program's output open for ever: a file, unlike a pipe, has an end then.
BY_A_FILE = ["sh", "-c", f'out=$(mktemp); timeout --signal=KILL {WINE_SECONDS} "$@" > "$out" 2>&1; status=$?; cat "$out"; '
             'rm "$out"; exit "$status"', "sh"]
TOOL_FAULTS = {"test_tool_peers test_a_unix_socket_is_an_address": "wine 8 has no Unix sockets"}


def ready(run, packages, *programs):
    if platform.machine() != "x86_64":
        run.skip(run.outcome.suite.name, "wine runs programs for x86-64 only there")
        return False
    return not cross.lacks(run, packages, *programs, str(WINE / "wine64"))


def wine_environment():
    return {**cross.rust(), "WINEPREFIX": str(PREFIX), "WINEDEBUG": "-all"}


@contextlib.contextmanager
def wine(run):
    """Programs of the suite may run under wine inside. A cmd stays open meanwhile: without it each program starts wine's services
    anew, which takes seconds. At the end nothing is left of wine's processes for the suites."""
    run.must([WINE / "wine64", "cmd", "/c", "exit"])  # makes the prefix, once
    cmd = PROCESSES.start([WINE / "wine64", "cmd", "/k"], env={**os.environ, "WINEPREFIX": str(PREFIX), "WINEDEBUG": "-all"},
                          stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        # Meanwhile the other one comes: from here on there is one server.
        run.must([*BY_A_FILE, WINE / "wine64", "cmd", "/c", "exit"])
        yield
    finally:
        kill_group(cmd)
        cmd.communicate()
        PROCESSES.done(cmd)
        run.command([WINE / "wineserver64", "-k"], timeout=20)
        for process, _ in processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)


def processes():
    """Wine's processes for the suites, each with its name."""
    ours = f"WINEPREFIX={PREFIX}".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            if ours in (folder / "environ").read_bytes().split(b"\0"):
                yield int(folder.name), (folder / "comm").read_text()


def server():
    """The process of wine's server; None without one."""
    return next((process for process, name in processes() if name.startswith("wineserver")), None)


@suite("windows", "the library for Windows under wine: exchange, errors, loading and unloading", budget=600,
       needs=["python"], packages=PACKAGES, extended=True)
def windows(run):
    if not ready(run, PACKAGES, COMPILER):
        return
    run.env = wine_environment()
    into = OUT / "windows"
    run.must(["cmake", "-S", TESTS, "-B", into, "-G", "Ninja", "--fresh", "-DCMAKE_BUILD_TYPE=Release",
              f"-DCMAKE_TOOLCHAIN_FILE={TOOLCHAIN}", f"-DMIDISOCK_CARGO={cross.CARGO}",
              f"-DMIDISOCK_CARGO_TARGET_DIR={cross.CARGO_TARGET}"])
    run.must(["cmake", "--build", into])
    run.ok("cmake --build")
    with wine(run):
        output = run.command(["ctest", "--test-dir", into, "--output-on-failure"])
    passed = set(re.findall(r"Test +#\d+: (\S+) .*Passed", output.output))
    for program in PROGRAMS:
        run.check(program, program in passed, tail(output.output))


def build_all(run, name):
    """The library, the tools and the tests, with what the programs load beside them."""
    run.env = wine_environment()
    into = build(run, name, TOOLCHAIN, "-DCMAKE_EXE_LINKER_FLAGS=-static")
    (into / "midisock.dll").write_bytes((into / "lib" / "midisock.dll").read_bytes())
    run.must([COMPILER, "-shared", "-o", into / "bcryptprimitives.dll", TESTS / "bcryptprimitives.c", "-ladvapi32"])
    return into


def run_wine_programs(run, build):
    """Returns the names of the programs that ran again: see `run_programs`."""
    with wine(run):
        expect(server() is not None, "no server of wine's is seen")
        return run_programs(run, build, [*BY_A_FILE, WINE / "wine64"], WINE_FAULTS, env=WINE_PATIENCE, server=server)


@suite("windows-c", "the C and C++ tests for Windows, under wine", budget=900, needs=["python"],
       packages=CXX_PACKAGES, extended=True, turn=True)
def windows_c(run):
    if not ready(run, CXX_PACKAGES, COMPILER, CXX_COMPILER):
        return
    into = build_all(run, "windows-c")
    cross.record(run, run_wine_programs(run, into))


@suite("windows-tools", "the tools for Windows under wine, against mido and the library on Linux", budget=600,
       needs=["python", "library", "examples"], packages=CXX_PACKAGES, extended=True, turn=True)
def windows_tools(run):
    if not ready(run, CXX_PACKAGES, COMPILER, CXX_COMPILER):
        return
    into = build_all(run, "windows-tools")
    # Each tool under its usual name is a script that starts wine.
    scripts = fresh(into / "bin")
    for program in ("midisock-monitor", "midisock-send", "midisock-echo"):
        script = scripts / program
        script.write_text(f'#!/bin/sh\nexec {WINE}/wine64 "{into}/{program}.exe" "$@"\n')
        script.chmod(0o755)
    for example in ("simple-server", "simple-client"):
        (scripts / example).symlink_to(BIN / example)
    with wine(run):
        pytest(run, "windows-tools", *sorted(PYTESTS.glob("test_tool*.py")), "-m", "not long",
               env={"MIDISOCK_BIN": str(scripts), "MIDISOCK_WINDOWS": "1", "LC_ALL": "C.UTF-8"}, faults=TOOL_FAULTS)
    cross.record(run)
