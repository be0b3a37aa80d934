"""The library for Windows: cross-compiled here by CMake and cargo, run under wine."""

import platform
import re
from pathlib import Path

import environment
from project import OUT, ROOT, TARGET, tool
from runner import suite, tail

TESTS = ROOT / "tests" / "windows"
TRIPLE = "x86_64-pc-windows-gnu"
# Debian's Rust has the sources of the standard library, which cargo builds for Windows.
CARGO, RUSTC, WINE = Path("/usr/bin/cargo"), Path("/usr/bin/rustc"), Path("/usr/lib/wine")
PACKAGES = ["rustc-web", "cargo-web", "rust-web-src", "gcc-mingw-w64-x86-64-posix", "wine64"]
PROGRAMS = ("exchange-shared", "exchange-static", "errors", "load")


@suite("windows", "the library for Windows under wine: exchange, errors, loading and unloading", budget=600,
       needs=["python"], packages=PACKAGES, extended=True)
def windows(run):
    if platform.machine() != "x86_64":
        run.skip("windows", "wine runs programs for x86-64 only there")
        return
    there = CARGO.exists() and RUSTC.exists() and (WINE / "wine64").exists()
    if not there or not tool("x86_64-w64-mingw32-gcc"):
        run.lacks("windows", " ".join(PACKAGES))
        return
    env = {"PATH": environment.path_with_tools(), "RUSTC": str(RUSTC), "RUSTC_BOOTSTRAP": "1",
           "CARGO_UNSTABLE_BUILD_STD": "std,panic_unwind", "WINEPREFIX": str(OUT / "wine"), "WINEDEBUG": "-all",
           "CMAKE_BUILD_PARALLEL_LEVEL": "2"}
    build = OUT / "windows"
    run.must(["cmake", "-S", TESTS, "-B", build, "-G", "Ninja", "--fresh", "-DCMAKE_BUILD_TYPE=Release",
              f"-DCMAKE_TOOLCHAIN_FILE={TESTS / 'mingw.cmake'}", f"-DMIDISOCK_CARGO={CARGO}",
              f"-DMIDISOCK_CARGO_TARGET={TRIPLE}", f"-DMIDISOCK_CARGO_TARGET_DIR={TARGET / 'windows'}"], env=env)
    run.must(["cmake", "--build", build], env=env)
    run.ok("cmake --build")
    try:
        output = run.command(["ctest", "--test-dir", build, "--output-on-failure"], env=env)
    finally:
        if (OUT / "wine").exists():  # the server that serves this prefix, and no other
            run.command([WINE / "wineserver64", "-k"], env=env, timeout=20)
    passed = set(re.findall(r"Test +#\d+: (\S+) .*Passed", output.output))
    for program in PROGRAMS:
        run.check(program, program in passed, tail(output.output))
