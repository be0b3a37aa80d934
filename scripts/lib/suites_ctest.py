"""The C and C++ tests through ctest, as CMake users run them: every program is a test with a time-out, and a test that fails
or hangs fails ctest."""

import json
import re
import xml.etree.ElementTree as ElementTree

import compilers
from project import CORES, ROOT, TESTS, fresh
from runner import expect, suite, tail
from suites_c import JOBS
from suites_installed import OUT, SHARED_CARGO, set_environment

BUILD = OUT / "ctest"

# Without --all only these run here: the suite c runs all cases of all C programs.
QUICK = "^(test_(pair|parser|push_pop|version_errors|ports-.*|messages-.*)|tools-.*)$"

FAILING = """
#include "check.h"
static void holds(void) { CHECK(1); }
static void does_not_hold(void) { CHECK(0); }
int main(int argc, char **argv)
{
    static const check_case cases[] = {CASE(holds), CASE(does_not_hold)};
    return check_main(argc, argv, CASES(cases));
}
"""
HANGING = "#!/bin/sh\nexec sleep 300\n"


@suite("ctest", "the C and C++ tests through ctest, with time-outs", budget=400, needs=["python", "library"])
def ctest(run):
    set_environment(run)
    if not run.step("configure and build", build, run):
        return
    run.step("every program is a test with a time-out", every_program, run)
    run.step("the tests run and pass", run_tests, run)
    run.step("a failing test fails ctest", failing, run)
    run.step("a hanging test fails ctest", hanging, run)


def configure(run, *options):
    run.must(["cmake", "-S", ROOT, "-B", BUILD, "-DCMAKE_BUILD_TYPE=Release", "-DMIDISOCK_BUILD_TESTS=ON",
              "-DMIDISOCK_BUILD_TOOLS=OFF", "-DMIDISOCK_WERROR=ON", SHARED_CARGO, *options])


def build(run):
    fresh(BUILD)
    configure(run)
    run.must(["cmake", "--build", BUILD, "--parallel", CORES])


def listed(run):
    """The tests that ctest knows, with their time-outs in seconds."""
    tests = json.loads(run.must(["ctest", "--test-dir", BUILD, "--show-only=json-v1"]))["tests"]
    return {test["name"]: next((p["value"] for p in test["properties"] if p["name"] == "TIMEOUT"), None) for test in tests}


def every_program(run):
    wanted = {source.stem for source in (TESTS / "c").glob("test_*.c")}
    wanted |= {f"{source.stem}-cxx{standard}" for source in (TESTS / "cpp").glob("test_*.cpp") for standard in (17, 20)}
    wanted |= {f"tools-{source.stem}" for source in (TESTS / "tools").glob("*.c")}
    found = listed(run)
    expect(len(wanted) > 20, f"only {len(wanted)} programs in tests")
    expect(set(found) == wanted, f"missing: {sorted(wanted - set(found))}, unknown: {sorted(set(found) - wanted)}")
    unlimited = [name for name, seconds in found.items() if not seconds or seconds > 600]
    expect(not unlimited, f"no time-out within 600 s: {unlimited}")


def run_tests(run):
    report = BUILD / "report.xml"
    selected = [] if run.everything else ["-R", QUICK]
    run.must(["ctest", "--test-dir", BUILD, "--output-on-failure", "-j", JOBS, "--output-junit", report,
              "--test-output-size-passed", "100000", *selected])
    cases = list(ElementTree.parse(report).iter("testcase"))
    expected = [name for name in listed(run) if run.everything or re.search(QUICK, name)]
    expect(len(cases) == len(expected) >= 8, f"{len(cases)} tests ran, not {len(expected)}")
    # A C program prints "ok NAME" for each of its cases, a C++ program "ok".
    silent = [case.get("name") for case in cases
              if case.get("status") != "run" or not re.search("^ok", case.findtext("system-out") or "", re.MULTILINE)]
    expect(not silent, f"no case was reported by {silent}")


def failing(run):
    source, program = BUILD / "failing.c", BUILD / "midisock-test_pair"
    source.write_text(FAILING)
    program.unlink()
    run.must([compilers.default().c, "-std=c99", *compilers.INCLUDES, "-I", TESTS / "c", source,
              TESTS / "c" / "check.c", TESTS / "c" / "check_unix.c", "-o", program, *compilers.LINK])
    output = run.must_fail(["ctest", "--test-dir", BUILD, "--output-on-failure", "-R", "^test_(pair|parser)$"])
    expect("not ok does_not_hold" in output and "50% tests passed, 1 tests failed out of 2" in output,
           f"ctest printed:\n{tail(output)}")


def hanging(run):
    program = BUILD / "midisock-test_pair"
    program.unlink()
    program.write_text(HANGING)
    program.chmod(0o755)
    configure(run, "-DMIDISOCK_TEST_TIMEOUT=2")
    output = run.must_fail(["ctest", "--test-dir", BUILD, "-R", "^test_pair$"], timeout=60)
    expect("***Timeout" in output, f"ctest printed:\n{tail(output)}")
