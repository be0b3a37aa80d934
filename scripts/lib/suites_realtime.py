"""The promises of the realtime functions, tested on the shipped library: tests/realtime."""

import platform
import re
from pathlib import Path

import compilers
from compilers import INCLUDES, LINK, STRICT
from project import HEADER, OUT, ROOT, tool
from runner import suite, tail
from suites_c import report

TESTS = ROOT / "tests" / "realtime"
HARNESS = ROOT / "tests" / "c"
INTO = OUT / "tests-realtime"

# The sources that all programs share.
SHARED = [TESTS / "peers.c", TESTS / "cast.c", TESTS / "driver.c", TESTS / "first.c",
          HARNESS / "check.c", HARNESS / "check_unix.c", HARNESS / "raw.c"]
# Lazy binding is the harder case for the jail. Page faults need immediate binding: a lazy look-up touches pages of the dynamic
# linker.
LAZY, NOW = "-Wl,-z,lazy", "-Wl,-z,now"

PROGRAM_SECONDS = 250

# Where bench/peers is built, also for the benchmarks.
PEERS = OUT / "peers"


def is_linux(run):
    if platform.system() == "Linux":
        return True
    run.skip("realtime", "seccomp, rusage of a thread and valgrind are Linux'")
    return False


def build(run, name, sources=(), options=(), compiler=None, into=INTO):
    """Compiles one program. Returns None, after a failed case, if that fails."""
    compiler = compiler or compilers.default().c
    into.mkdir(parents=True, exist_ok=True)
    program = into / name
    program.unlink(missing_ok=True)
    finished = run.command([
        compiler, "-std=c99", *STRICT, "-O1", "-g", *INCLUDES, "-o", program,
        TESTS / f"{name}.c", *sources, *SHARED, *options, *LINK])
    if finished.status != 0:
        run.fail(f"{compiler} {name}.c", tail(finished.output))
        return None
    return program


def run_program(run, program):
    if program:
        report(run, program.name, run.command([program], timeout=PROGRAM_SECONDS))


@suite("realtime", "no system call, allocation or page fault in a realtime function", budget=240,
       needs=["library"])
def realtime(run):
    if not is_linux(run):
        return
    jobs = [("test_syscalls", [TESTS / "jail.c"], [LAZY]),
            ("test_allocation", [TESTS / "allocation.c"], [NOW]),
            ("test_faults", [], [NOW])]
    programs = run.parallel(lambda job: build(run, *job), jobs)
    for program in programs:  # one after the other: each keeps a core busy
        run_program(run, program)


@suite("waitfree", "no realtime function waits for the network thread, at SCHED_FIFO on one CPU",
       budget=300, needs=["library"])
def waitfree(run):
    if not is_linux(run):
        return
    # ArrayQueue, the control, is built with the benchmarks.
    run.must(["cargo", "build", "--release", "--locked", "--target-dir", PEERS], cwd=ROOT / "bench" / "peers")
    libraries = PEERS / "release"
    run_program(run, build(run, "test_waitfree", [], [
        "-L", libraries, "-lmidisock_bench_peers", f"-Wl,-rpath,{libraries}"]))


@suite("rtsan", "RealtimeSanitizer sees no violation", budget=120, needs=["library"])
def rtsan(run):
    if not is_linux(run):
        return
    archive = sanitizer_runtime(run)
    if archive is None:
        run.skip("rtsan", "this Rust toolchain brings no librustc-*_rt.rtsan.a")
        return
    run_program(run, build(run, "test_sanitizer", [], [
        "-Wl,--whole-archive", archive, "-Wl,--no-whole-archive", "-Wl,--export-dynamic",
        "-ldl", "-lrt", "-lm"]))


def sanitizer_runtime(run):
    """The sanitizer runtime that comes with rustc, if there is one for this machine."""
    root = Path(run.must(["rustc", "--print", "sysroot"]).strip())
    host = re.search(r"^host: (\S+)", run.must(["rustc", "-vV"]), re.MULTILINE)[1]
    found = sorted((root / "lib" / "rustlib" / host / "lib").glob("librustc-*_rt.rtsan.a"))
    return found[0] if found else None


@suite("rtsan-clang", "the same by clang's own RealtimeSanitizer", budget=180, needs=["library"],
       packages=["clang-22", "libclang-rt-22-dev"], extended=True)
def rtsan_clang(run):
    clang = tool("clang-22", "clang-21", "clang-20")
    if clang is None:
        run.lacks("rtsan-clang", "clang-22 libclang-rt-22-dev")
        return
    run_program(run, build(run, "test_sanitizer", [], ["-fsanitize=realtime"], clang, OUT / "tests-rtsan-clang"))


@suite("effects", "clang finds at compile time what blocks in a nonblocking callback", budget=60,
       packages=["clang-22"], extended=True)
def effects(run):
    clang = tool("clang++-22", "clang++-21", "clang++-20")
    if clang is None:
        run.lacks("effects", "clang-22 (it is in bookworm-security; 20 is the least)")
        return
    command = [clang, "-std=c++20", *STRICT, "-Wfunction-effects", *INCLUDES, "-fsyntax-only"]
    source = TESTS / "nonblocking.cpp"
    run.case("every realtime function may be called", [*command, source])
    finished = run.command([*command, "-DVIOLATE", source])
    refused = "non-'nonblocking' function 'midisock_flush'" in finished.output
    run.check("control: midisock_flush is refused", finished.status != 0 and refused,
              tail(finished.output))


def realtime_functions():
    """The functions that the header declares with MIDISOCK_REALTIME, without midisock_."""
    text = re.sub(r"/\*.*?\*/", "", HEADER.read_text(), flags=re.DOTALL)
    return set(re.findall(r"\bmidisock_(\w+)\s*\([^;{}]*\)\s*MIDISOCK_REALTIME\s*;", text))


@suite("rows", "every realtime function of the header is in every table of the realtime tests", budget=30)
def rows(run):
    declared = realtime_functions()
    run.check("the header declares some", len(declared) >= 17, f"only {len(declared)}: {sorted(declared)}")
    for table, found in tables().items():
        lacking = sorted(declared - found)
        run.check(table, not lacking, f"no row for {', '.join(lacking)}")
    stale = sorted(tables()["functions.h"] - declared)
    run.check("functions.h has no others", not stale, f"the header does not declare {', '.join(stale)}")
    # Control: a function that is in no table is reported.
    lacking = [table for table, found in tables().items() if "no_such_function" not in found]
    run.check("control: a function without a row is seen", len(lacking) == len(tables()), str(lacking))


def tables():
    """For each table, the functions that have a row in it."""
    def text(name):
        return (TESTS / name).read_text()

    names = dict(re.findall(r"X\((\w+), (\w+)\)", text("functions.h")))

    def lower(uppers):
        return {names.get(upper, upper) for upper in uppers}

    def beginning_with(rows):
        """`push_frame` for "push_frame_late" and "push_frame beyond the block", and not `push`."""
        found = set()
        for row in rows:
            fitting = [n for n in names.values() if re.match(rf"{n}(?:[_ ,]|$)", row)]
            found |= {max(fitting, key=len)} if fitting else set()
        return found

    # The program that runs while the network thread is starved.
    starved = re.search(r"static uint64_t call_all\(.*?\n}\n", text("test_waitfree.c"), re.DOTALL)[0]
    first = re.search(r"#define FIRST_CALLS\(X\)(.*?)\n\n", text("first.h"), re.DOTALL)[1]
    return {
        "functions.h": set(names.values()),
        "driver.c CALLS": set(re.findall(r"^ONE\((\w+)\)", text("driver.c"), re.MULTILINE)),
        "driver.c WANTED": lower(re.findall(r"^    \{([A-Z_]+), [A-Z_]+, MIDISOCK_", text("driver.c"), re.MULTILINE)),
        "test_waitfree.c call_all": set(re.findall(r"midisock_(\w+)\(", starved)),
        "first.h": beginning_with(re.findall(r"X\((\w+)\)", first)),
        "count.c": beginning_with(re.findall(r'(?:count|push_message_row)\("([^"]+)"', text("count.c"))),
        "nonblocking.cpp": set(re.findall(r"midisock_(\w+)\(", text("nonblocking.cpp"))),
    }
