"""Building for other systems: the Rust that has the sources of its standard library, and who can run what it builds."""

import json
import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import environment
import packages
from project import GREEN_RUNS, OUT, ROOT, TARGET, tool

# Debian's Rust has the sources of the standard library, which cargo builds for another system.
CARGO, RUSTC = Path("/usr/bin/cargo"), Path("/usr/bin/rustc")
RUST_PACKAGES = ("rustc-web", "cargo-web", "rust-web-src")
# All platforms share one target folder of cargo's: it has a folder for each, and one for what runs here.
CARGO_TARGET = TARGET / "cross"

WINE = Path("/usr/lib/wine")


@dataclass(frozen=True)
class Linux:
    """A Linux that CMake builds for with a file in cmake/toolchains."""

    name: str
    about: str
    gnu: str  # the prefix of the GNU tools
    package: str  # the compiler's
    emulator: str = ""  # of qemu-user-static; none: the machine runs it itself

    @property
    def packages(self):
        return (*RUST_PACKAGES, self.package, *(["qemu-user-static"] if self.emulator else []))

    def runner(self):
        """What stands before a program on the command line."""
        root = f"/usr/{self.gnu}"
        if self.emulator:
            return [self.emulator, "-L", root]
        return [f"{root}/lib/ld-linux.so.2", "--library-path", f"{root}/lib"]


LINUXES = (
    Linux("aarch64", "64-bit ARM, under qemu", "aarch64-linux-gnu", "g++-aarch64-linux-gnu", "qemu-aarch64-static"),
    Linux("armhf", "32-bit ARM, under qemu", "arm-linux-gnueabihf", "g++-arm-linux-gnueabihf", "qemu-arm-static"),
    Linux("riscv64", "64-bit RISC-V, under qemu", "riscv64-linux-gnu", "g++-riscv64-linux-gnu", "qemu-riscv64-static"),
    Linux("i686", "32-bit x86, run by this machine", "i686-linux-gnu", "g++-i686-linux-gnu"),
)


def rust():
    """The environment of a cargo that builds the standard library too. Without optimisation at link time, which takes most
    of a build and is the same for every system."""
    return {"PATH": environment.path_with_tools(), "RUSTC": str(RUSTC), "RUSTC_BOOTSTRAP": "1",
            "CARGO_UNSTABLE_BUILD_STD": "std,panic_unwind", "RUSTFLAGS": None, "CMAKE_BUILD_PARALLEL_LEVEL": "2",
            "CARGO_PROFILE_RELEASE_LTO": "off", "CARGO_PROFILE_RELEASE_CODEGEN_UNITS": "16",
            "CARGO_PROFILE_RELEASE_DEBUG": "none"}


def lacks(run, names, *programs):
    """Whether something is missing; then the suite is skipped, or fails. With --all it is installed first: suite `packages`
    leaves out what only suites need that take turns."""
    if run.everything and packages.can_install():
        packages.install(run, names)
    if CARGO.exists() and RUSTC.exists() and all(tool(program) for program in programs):
        return False
    run.lacks(run.outcome.suite.name, " ".join(names))
    return True


def configure(build, toolchain, *options):
    """CMake's command to configure this project for another system."""
    return ["cmake", "-S", ROOT, "-B", build, "-G", "Ninja", "--fresh", "-DCMAKE_BUILD_TYPE=Release",
            # The programs are many and small: their optimisation would take longer than they run.
            "-DCMAKE_C_FLAGS_RELEASE=-O0", "-DCMAKE_CXX_FLAGS_RELEASE=-O0",
            f"-DCMAKE_TOOLCHAIN_FILE={toolchain}", f"-DMIDISOCK_CARGO={CARGO}", "-DMIDISOCK_BUILD_JACK=OFF",
            f"-DMIDISOCK_CARGO_TARGET_DIR={CARGO_TARGET}", "-DMIDISOCK_WERROR=ON", *options]


def folder(name):
    return OUT / "platforms" / name


def record(run, again=()):
    """Notes a green run in docs/platforms-runs.json, with the programs that ran `again` because the emulator crashed. CI's clone is
    thrown away, so it notes nothing."""
    outcome = run.outcome
    if outcome.failures or not outcome.passed or os.environ.get("CI"):
        return
    runs = json.loads(GREEN_RUNS.read_text()) if GREEN_RUNS.exists() else {}
    commit = subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    before = runs.get(outcome.suite.name, {})
    noted = runs[outcome.suite.name] = {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "commit": commit.stdout.strip(),
        "passed": outcome.passed,
        "left out": {case: why for case, why in sorted(outcome.skips)},
    }
    if again:
        noted["ran again"] = sorted(again)
    if "waits" in before:
        # A developer takes this out, once the suite is steady.
        noted["waits"] = before["waits"]
    GREEN_RUNS.write_text(json.dumps(runs, indent=2, sort_keys=True) + "\n")
