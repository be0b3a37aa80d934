"""What several threads do to each other: loom's models, and ThreadSanitizer over the whole library."""

import os
import re
from pathlib import Path

import compilers
from project import CORES, OUT, ROOT, SONAME, TARGET, tool
from runner import Failure, suite, tail
from suites_c import TESTS, build_programs, report, run_tests

# Debian's compiler brings the source of its own std, which has to be instrumented too; rustup's toolchains do not.
DEBIAN_RUSTC, DEBIAN_CARGO = Path("/usr/bin/rustc"), Path("/usr/bin/cargo")
PACKAGES = ["rustc-web", "cargo-web", "rust-web-src", "clang-22", "libclang-rt-22-dev"]
TRIPLE = "x86_64-unknown-linux-gnu"
INSTRUMENTED = TARGET / "tsan" / TRIPLE / "release"
RACE = 66  # the exit status of a program that ThreadSanitizer has ended

# Not built with optimisation across the whole program: quicker, and of no use here.
QUICK = ["--config", 'profile.release.lto="off"', "--config", "profile.release.codegen-units=16"]


@suite("loom", "the protocols between two threads, in all interleavings", budget=400)
def loom(run):
    # A directory of its own: --cfg loom would have cargo build everything anew each time.
    output = run.command([
        "cargo", "test", "--locked", "--release", *QUICK, "--lib", "loom_models", "--",
        "--nocapture", "--test-threads=1"],
        env={"RUSTFLAGS": "--cfg loom", "CARGO_TARGET_DIR": str(TARGET / "loom")})
    explored = re.findall(r"^test (?:\w+::)*loom_models::(\w+) \.\.\. .*?(\d+ executions)",
                          output.output, re.MULTILINE)
    for model, executions in explored:
        run.ok(f"{model}: {executions}")
    if output.status != 0 or not explored:
        raise Failure(tail(output.output))


@suite("tsan", "ThreadSanitizer over the library, its std and all C tests", budget=900,
       packages=PACKAGES, extended=True)
def tsan(run):
    if os.uname().machine != "x86_64":
        run.skip("tsan", "the recipe is for x86-64")
        return
    clang = tool("clang-22")
    if clang is None or not DEBIAN_RUSTC.exists() or not DEBIAN_CARGO.exists():
        run.lacks("tsan", " ".join(PACKAGES))
        return
    run.must([
        DEBIAN_CARGO, "rustc", "--release", "--locked", "--lib", "--crate-type", "cdylib", *QUICK,
        "-Zbuild-std", "--target", TRIPLE, "--target-dir", TARGET / "tsan"],
        env={"RUSTC_BOOTSTRAP": "1", "RUSTC": str(DEBIAN_RUSTC),
             "RUSTFLAGS": f"-Zsanitizer=thread -Zexternal-clangrt -Clinker={clang} "
                          "-Clink-arg=-fsanitize=thread"})
    library = INSTRUMENTED / "libmidisock.so"
    name = INSTRUMENTED / SONAME
    name.unlink(missing_ok=True)
    name.symlink_to(library.name)
    watched = run.must(["nm", "-D", "--undefined-only", library])
    run.check("the library is instrumented", "__tsan_read8" in watched and "__tsan_atomic64_load" in watched,
              "it does not call ThreadSanitizer")

    compiler = compilers.Compiler("clang-22", clang, "clang++-22")
    link = ["-L", INSTRUMENTED, "-lmidisock", f"-Wl,-rpath,{INSTRUMENTED}", "-lpthread"]
    options = ["-O1", "-g", "-fsanitize=thread"]
    programs = build_programs(run, compiler, TESTS, OUT / "tests-tsan", options, link)
    control = OUT / "tests-tsan" / "race"
    run.must([clang, "-std=c99", *compilers.STRICT, *options, *compilers.INCLUDES, "-o", control,
              ROOT / "tests" / "tsan" / "race.c", TESTS / "check.c", TESTS / "raw.c", *link])

    env = {"TSAN_OPTIONS": f"halt_on_error=1:exitcode={RACE}"}
    run_tests(run, programs, env=env, jobs=CORES)
    # The control: a caller that breaks the contract makes a race inside the library.
    finished = run.command([control, "two_threads_push"], env=env, timeout=60)
    run.check("control: two threads that push at once are seen",
              finished.status != 0 and "ThreadSanitizer: data race" in finished.output
              and "libmidisock.so" in finished.output, tail(finished.output))
    report(run, "race", run.command([control, "a_message_hands_over"], env=env, timeout=60))


@suite("panics", "a panic inside the library is contained, in every function and in the network thread",
       budget=300)
def panics(run):
    into = TARGET / "defect"
    run.must(["cargo", "build", "--locked", "--lib", "--target-dir", into],
             env={"RUSTFLAGS": "--cfg midisock_defect"})
    library = into / "debug"
    name = library / SONAME
    name.unlink(missing_ok=True)
    name.symlink_to("libmidisock.so")
    program = OUT / "test_panics"
    run.must([compilers.default().c, "-std=c99", *compilers.STRICT, "-O1", "-g", *compilers.INCLUDES,
              "-o", program, ROOT / "tests" / "defect" / "test_panics.c", TESTS / "check.c", TESTS / "raw.c",
              "-L", library, "-lmidisock", f"-Wl,-rpath,{library}", "-lpthread"])
    report(run, program.name, run.command([program], timeout=120))
