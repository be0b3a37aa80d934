"""What the realtime functions promise, proven on the shipped library: tests/realtime."""

import platform
import re
from pathlib import Path

import compilers
from compilers import CLANG, INCLUDES, LINK, STRICT
from project import OUT, ROOT, TARGET, tool
from runner import Failure, suite, tail
from suites_c import report

TESTS = ROOT / "tests" / "realtime"
HARNESS = ROOT / "tests" / "c"
INTO = OUT / "tests-realtime"

# What the programs share; further sources and link flags of each one.
SHARED = [TESTS / "peers.c", TESTS / "cast.c", TESTS / "driver.c", TESTS / "first.c",
          HARNESS / "check.c", HARNESS / "raw.c"]
# Symbols looked up at the first call: the harder case for the jail. For page faults the other way:
# the look-up touches pages that are the dynamic linker's.
LAZY, NOW = "-Wl,-z,lazy", "-Wl,-z,now"

PROGRAM_SECONDS = 150


def is_linux(run):
    if platform.system() == "Linux":
        return True
    run.skip("realtime", "seccomp, rusage of a thread and valgrind are Linux'")
    return False


def build(run, name, sources=(), options=(), compiler=None):
    """Compiles one program; None where that failed, which is a failed case."""
    compiler = compiler or compilers.default()
    INTO.mkdir(parents=True, exist_ok=True)
    program = INTO / name
    program.unlink(missing_ok=True)
    finished = run.command([
        compiler.c, "-std=c99", *STRICT, "-O1", "-g", *INCLUDES, "-o", program,
        TESTS / f"{name}.c", *sources, *SHARED, *options, *LINK])
    if finished.status != 0:
        run.fail(f"{compiler.name} {name}.c", tail(finished.output))
        return None
    return program


def run_program(run, program):
    if program:
        report(run, program.name, run.command([program], timeout=PROGRAM_SECONDS))


@suite("realtime", "no system call, allocation or page fault in a realtime function", budget=180,
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
    """The runtime that comes with rustc, where there is one for this machine."""
    root = Path(run.must(["rustc", "--print", "sysroot"]).strip())
    host = re.search(r"^host: (\S+)", run.must(["rustc", "-vV"]), re.MULTILINE)[1]
    found = sorted((root / "lib" / "rustlib" / host / "lib").glob("librustc-*_rt.rtsan.a"))
    return found[0] if found else None


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


# Instructions a call may take at most; what was counted (x86-64, Rust 1.95) stands behind. A change that
# needs more has to say why. A push into a pair reads the clock.
BOUNDS = {
    "push": 80,        # 77
    "pop": 60,         # 55
    "push_pair": 220,  # 204
    "pop_pair": 130,   # 122
}
# How much the situation may matter. Its cost is the cached position that is renewed now and then.
SPREAD = 0.02
LARGE = 16384
SMALL = 8
# For a SysEx of 8 bytes, which does not take the shortest way.
SYSEX_BOUNDS = {"push": 280, "pop": 170, "push_pair": 310, "pop_pair": 245}
# For each byte of a large SysEx, beyond what a small one costs: looked through and copied on push;
# on pop neither.
BYTE_BOUNDS = {"push": 1.3, "pop": 0.0, "push_pair": 1.3, "pop_pair": 0.0}

# (bytes of a message, fullness in percent, clients, calls)
SITUATIONS = {
    "an empty queue": (3, 0, 1, 1000),
    "a queue half full": (3, 50, 1, 1000),
    "a queue almost full": (3, 95, 1, 1000),
    "100 clients": (3, 0, 100, 1000),
}


@suite("instructions", "instructions of push and pop: bounded, whatever the queue holds and however "
       "many clients there are", budget=180, needs=["library"], packages=["valgrind"])
def instructions(run):
    if not is_linux(run):
        return
    if not tool("valgrind"):
        run.lacks("instructions", "valgrind")
        return
    program = build(run, "count")
    if program is None:
        return

    def measure(job):
        function, situation = job
        return count(run, program, function, *situation)

    situations = [*SITUATIONS.values(), (SMALL, 0, 1, 1000), (LARGE, 0, 1, 40)]
    jobs = [(function, situation) for function in BOUNDS for situation in situations
            if not (function.endswith("pair") and situation[2] > 1)]
    counted = dict(zip(jobs, run.parallel(measure, jobs)))

    for function, bound in BOUNDS.items():
        short = {}
        for name, situation in SITUATIONS.items():
            if (function, situation) in counted:
                short[name] = counted[function, situation]
                run.check(f"{function}, {name}: {short[name]:.1f} instructions",
                          0 < short[name] <= bound, f"{short[name]:.1f}, more than {bound}")
        least, most = min(short.values()), max(short.values())
        run.check(f"{function} does not depend on fullness or clients: {least:.1f} to {most:.1f}",
                  most <= least * (1 + SPREAD), f"from {least:.1f} to {most:.1f}")
        small = counted[function, (SMALL, 0, 1, 1000)]
        run.check(f"{function}, {SMALL} bytes of SysEx: {small:.1f} instructions",
                  0 < small <= SYSEX_BOUNDS[function], f"{small:.1f}, more than {SYSEX_BOUNDS[function]}")
        large = counted[function, (LARGE, 0, 1, 40)]
        each = (large - small) / (LARGE - SMALL)
        # A queue's end, and a position renewed, come more often than with short ones.
        run.check(f"{function}, {LARGE} bytes: {large:.1f} instructions, {each:.3f} a byte",
                  each <= BYTE_BOUNDS[function] + 0.002, f"{each:.3f} a byte")

    # Control: what does depend on what the queue holds is seen.
    drained = [count(run, program, "drain", *SITUATIONS[name])
               for name in ("an empty queue", "a queue half full")]
    run.check(f"control: emptying a queue costs {drained[0]:.0f}, {drained[1]:.0f} instructions",
              drained[1] > 100 * drained[0], "it is not seen to depend on what is in it")


def count(run, program, function, size, percent, clients, calls):
    """Instructions a call, by callgrind: the same every time."""
    result = INTO / f"callgrind.{function}.{size}.{percent}.{clients}"
    result.unlink(missing_ok=True)
    name = function.split("_")[0]
    # Of the library's function alone, but for the control.
    entry = "counted_drain" if name == "drain" else f"midisock_{name}"
    output = run.must([
        "valgrind", "--tool=callgrind", f"--callgrind-out-file={result}",
        f"--toggle-collect={entry}", program, function, size, percent, clients, calls])
    made = int(re.search(r"^(\d+)$", output, re.MULTILINE)[1])
    total = int(re.search(r"^(?:summary|totals): (\d+)", result.read_text(), re.MULTILINE)[1])
    return total / made


@suite("loom", "the protocols between two threads, in all interleavings", budget=300)
def loom(run):
    # A directory of its own: --cfg loom would have cargo build everything anew each time.
    output = run.command([
        "cargo", "test", "--locked", "--release", "--config", 'profile.release.lto="off"',
        "--config", "profile.release.codegen-units=16", "--lib", "loom_models", "--",
        "--nocapture", "--test-threads=1"],
        env={"RUSTFLAGS": "--cfg loom", "CARGO_TARGET_DIR": str(TARGET / "loom")})
    explored = re.findall(r"^test loom_models::(\w+) \.\.\. .*?(\d+ executions)", output.output,
                          re.MULTILINE)
    for model, executions in explored:
        run.ok(f"{model}: {executions}")
    if output.status != 0 or not explored:
        raise Failure(tail(output.output))
