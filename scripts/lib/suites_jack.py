"""midisock-jack and the LV2 plugin under a JACK server without a sound card: tools/jack, examples/lv2,
tests/jack."""

import shutil

import compilers
import suites_tools
from compilers import INCLUDES, LINK, STRICT
from project import OUT, ROOT, tool
from runner import Failure, suite, tail
from suites_python import TESTS as PYTESTS, pytest

TESTS = ROOT / "tests" / "jack"
INTO = OUT / "tests-jack"

PACKAGES = ("jackd2", "libjack-jackd2-dev")

LV2 = ROOT / "examples" / "lv2"
LV2_INTO = OUT / "tests-lv2"
LV2_PACKAGES = ("lv2-dev", "lilv-utils", "sordi", "jalv")
LV2_URI = "urn:midisock:link"


def lacks(run, case, programs, packages):
    if all(tool(program) for program in programs):
        return False
    run.lacks(case, " ".join(packages))
    return True


def lacks_jack(run, case):
    return lacks(run, case, ("jackd", "jack_midiseq"), PACKAGES)


def compile_one(run, program, compiler, *arguments):
    """Compiles a program; whether that worked."""
    program.parent.mkdir(parents=True, exist_ok=True)
    program.unlink(missing_ok=True)
    finished = run.command([compiler.c, "-std=c99", *STRICT, "-O2", "-g", "-o", program, *arguments])
    if finished.status != 0:
        run.fail(f"{compiler.name} {program.name}", tail(finished.output))
    return finished.status == 0


def build_tool(run):
    for compiler in compilers.available(run, cxx=False):
        suites_tools.build(run, compiler, "jack", "-ljack")


def build_tests(run):
    """The programs of tests/jack."""
    compiler = compilers.default()
    jobs = [("probe", TESTS / "probe.c", "-ljack"),
            ("libclock.so", "-fPIC", "-shared", TESTS / "clock.c", "-ldl"),
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


def run_under_jack(run, name, tests, **env):
    before = isolated(run)
    pytest(run, name, *tests, before=before, env={
        "MIDISOCK_JACK_PROGRAMS": str(INTO), "MIDISOCK_JACK_ISOLATED": "1" if before else "", **env})


@suite("jack", "midisock-jack: with mido, JACK restarted, the network cut, placement, realtime", budget=420,
       needs=["library", "python"], packages=PACKAGES, extended=True)
def jack(run):
    if lacks_jack(run, "jack"):
        return
    build_tool(run)
    build_tests(run)
    figures = OUT / "jack-figures.txt"
    figures.unlink(missing_ok=True)
    run_under_jack(run, "jack", sorted(PYTESTS.glob("test_jack*.py")), MIDISOCK_JACK_FIGURES=str(figures))
    if figures.exists():
        for line in figures.read_text().splitlines():
            run.figure(line)


@suite("lv2", "the LV2 plugin: lv2_validate, lv2bench, and in jalv under JACK", budget=180,
       needs=["library", "python"], packages=(*PACKAGES, *LV2_PACKAGES), extended=True)
def lv2(run):
    if lacks_jack(run, "lv2") or lacks(run, "lv2", ("jalv", "lv2_validate", "lv2bench", "sord_validate"), LV2_PACKAGES):
        return
    build_tests(run)
    bundle = LV2_INTO / "midisock.lv2"
    shutil.rmtree(bundle, ignore_errors=True)
    for compiler in compilers.available(run):
        into = bundle if compiler is compilers.default() else OUT / "examples-clang"
        if compile_one(run, into / "midisock.so", compiler, *INCLUDES, "-fPIC", "-shared", "-fvisibility=hidden",
                       LV2 / "midisock.c", *LINK):
            run.ok(f"{compiler.name} midisock.lv2")
    turtle = sorted(LV2.glob("*.ttl"))
    for file in turtle:
        shutil.copy(file, bundle)
    validated = run.case("lv2_validate", ["lv2_validate", *turtle])
    run.check("lv2_validate finds nothing", "Found 0 errors" in validated.output, tail(validated.output))
    env = {"LV2_PATH": f"{LV2_INTO}:/usr/lib/lv2:/usr/local/lib/lv2"}
    bench = run.case("lv2bench", ["lv2bench", LV2_URI], env=env)
    run.check("lv2bench has run it", LV2_URI in bench.output, tail(bench.output))
    run_under_jack(run, "lv2", [PYTESTS / "test_lv2.py"], **env)
