"""midisock-jack under a JACK server without a sound card: examples/c/jack, tests/jack."""

import compilers
import re
from compilers import INCLUDES, LINK, STRICT
from project import BIN, CORES, OUT, ROOT, tool
from runner import Failure, suite, tail
from suites_python import TESTS as PYTESTS, pytest

EXAMPLES = ROOT / "examples" / "c"
SOURCES = EXAMPLES / "jack"
TESTS = ROOT / "tests" / "jack"
INTO = OUT / "tests-jack"

PACKAGES = ("jackd2", "libjack-jackd2-dev")

# What midisock-jack takes of the other tools.
SHARED = ("address", "cli", "decode", "held", "message", "platform", "report")


def lacks_jack(run):
    if tool("jackd") and tool("jack_midiseq"):
        return False
    run.lacks("jack", " ".join(PACKAGES))
    return True


def compile_one(run, program, compiler, *arguments):
    """Compiles a program; whether that worked."""
    program.parent.mkdir(parents=True, exist_ok=True)
    program.unlink(missing_ok=True)
    finished = run.command([compiler.c, "-std=c99", *STRICT, "-O2", "-g", "-o", program, *arguments])
    if finished.status != 0:
        run.fail(f"{compiler.name} {program.name}", tail(finished.output))
    return finished.status == 0


def build_tool(run):
    shared = [EXAMPLES / f"{name}.c" for name in SHARED]
    for compiler in compilers.available(run):
        into = BIN if compiler is compilers.default() else OUT / "examples-clang"
        if compile_one(run, into / "midisock-jack", compiler, *INCLUDES, *sorted(SOURCES.glob("*.c")), *shared,
                       *LINK, "-ljack"):
            run.ok(f"{compiler.name} midisock-jack")


def build_tests(run):
    """The programs of tests/jack."""
    compiler = compilers.default()
    jobs = [("probe", TESTS / "probe.c", "-ljack"),
            ("libtrap.so", "-fPIC", "-shared", TESTS / "trap.c", ROOT / "tests" / "realtime" / "allocation.c", "-ldl")]
    built = run.parallel(lambda job: compile_one(run, INTO / job[0], compiler, *job[1:]), jobs)
    if not all(built):
        raise Failure("the programs of tests/jack do not compile")


def isolated(run):
    """A command prefix that gives JACK servers a /dev/shm of their own, where the system allows that: they
    share some of it with every other server of the same user, which the tests should not meet."""
    for unshare in (["unshare", "--mount"], ["unshare", "--user", "--map-root-user", "--mount"]):
        prefix = [*unshare, "sh", "-c", 'mount -t tmpfs tmpfs /dev/shm && exec "$@"', "sh"]
        if tool("unshare") and run.command([*prefix, "true"]).status == 0:
            return prefix
    return []


@suite("jack", "midisock-jack: with mido, JACK restarted, the network cut, placement, realtime", budget=420,
       needs=["library", "python"], packages=PACKAGES, extended=True)
def jack(run):
    if lacks_jack(run):
        return
    build_tool(run)
    build_tests(run)
    before = isolated(run)
    pytest(run, "jack", *sorted(PYTESTS.glob("test_jack*.py")), before=before,
           env={"MIDISOCK_JACK_PROGRAMS": str(INTO), "MIDISOCK_JACK_ISOLATED": "1" if before else ""})
