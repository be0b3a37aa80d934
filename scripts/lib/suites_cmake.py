"""midisock as C and C++ projects meet it: tests/cmake/run, which has suites and a summary of its own; and the
guides, whose C is the examples' or compiles."""

import contextlib
import io
import re
import sys

import check_readme
from project import ROOT
from runner import suite, tail

CLOSING = re.compile(r"^(\d+) passed, (\d+) failed, (\d+) skipped", re.MULTILINE)
FAILED = re.compile(r"^  failed: (.*)$", re.MULTILINE)
SKIPPED = re.compile(r"^skipped\s+(.*)$", re.MULTILINE)


def consume(run, *options):
    finished = run.command([sys.executable, ROOT / "tests" / "cmake" / "run", *options], timeout=run.left())
    closing = CLOSING.search(finished.output)
    if not closing:
        run.fail("tests/cmake/run", tail(finished.output))
        return
    run.add("tests/cmake/run", int(closing[1]))
    for name in FAILED.findall(finished.output):
        run.fail(name, "see the log")
    for line in SKIPPED.findall(finished.output):
        run.skip(line, "see the log")


@suite("guides", "README.md and docs: C that is the examples' or compiles, links that lead somewhere", budget=60)
def guides(run):
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        status = check_readme.main()
    run.check("guides", status == 0, said.getvalue())


@suite("consumers", "CMake, pkg-config, packages, C++ header, ABI, unloading", budget=420, needs=["python", "library"])
def consumers(run):
    consume(run)


@suite("consumers-all", "the same with every compiler, sanitized hosts, installed packages", budget=900,
       needs=["python", "library"],
       packages=["clang", "clang-22", "valgrind", "abigail-tools", "dpkg-dev", "file", "doxygen", "graphviz",
                 "pkg-config", "ninja-build", "make"], extended=True)
def consumers_all(run):
    consume(run, "--all")
