"""The oldest Rust that the library supports: Debian 13's own packages build it and the C tests run against the result."""

import platform
import re

import compilers
import debian_rust
from compilers import INCLUDES
from project import OUT, RUST, TARGET, declared_functions, fresh, tool
from runner import Failure, suite
from suites_c import TESTS, build_programs, run_tests

BUILD = TARGET / "debian-rust"
# Every kind of port, and the parser.
PROGRAMS = ("test_accept", "test_merged", "test_pair", "test_parser", "test_push_pop", "test_wait_handle")


@suite("old-rust", "Debian 13's Rust builds the library, and C tests run against it", budget=300, extended=True)
def old_rust(run):
    if platform.machine() != "x86_64" or not tool("apt-get") or not tool("dpkg-deb"):
        run.skip("Debian 13's Rust", "needs apt-get, dpkg-deb and x86-64")
        return
    rustc, cargo = debian_rust.get(run)
    stated = ".".join(map(str, RUST))
    have = run.must([rustc, "-V"])
    run.check("it is the version that Cargo.toml states", f"rustc {stated}." in have, f"it states {stated}, and this is {have}")
    said = run.must([cargo, "build", "--lib", "--release", "--locked", "--target-dir", BUILD],
                    env={"RUSTC": str(rustc), "RUSTFLAGS": None})
    run.check("cargo build --release, without a warning", "warning" not in said, said)
    folder = fresh(OUT / "old-rust")
    library = folder / "libmidisock.so.1"
    library.symlink_to(BUILD / "release" / "libmidisock.so")
    exported = set(re.findall(r" (midisock_\w+)$", run.must(["nm", "-D", "--defined-only", library]), re.MULTILINE))
    run.check("exports the header's functions", exported == declared_functions(),
              f"only one of both has {sorted(exported ^ declared_functions())}")
    others = [path.stem for path in TESTS.glob("test_*.c") if path.stem not in PROGRAMS]
    programs = build_programs(run, compilers.default(), TESTS, folder / "tests", ["-O1", *INCLUDES],
                              [library, f"-Wl,-rpath,{folder}", "-lpthread"], leave=others)
    if len(programs) != len(PROGRAMS):
        raise Failure(f"only {[program.name for program in programs]} were built")
    run_tests(run, programs)
