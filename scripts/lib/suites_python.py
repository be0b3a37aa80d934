"""The pytest tests of the library with real mido."""

import xml.etree.ElementTree as ElementTree

import environment
from project import BIN, LIB, OUT, ROOT
from runner import Failure, suite, tail

TESTS = ROOT / "tests" / "python"


@suite("mido", "the library with real mido, both ways", budget=180, needs=["library", "python"])
def mido(run):
    pytest(run, "mido", TESTS / "test_binding.py", *sorted(TESTS.glob("test_mido*.py")),
           "-m", "not long")


@suite("mido-long", "2 million messages to a mido that pauses", budget=400,
       needs=["library", "python"], extended=True)
def mido_long(run):
    pytest(run, "mido-long", TESTS, "-m", "long")


def pytest(run, name, *arguments, before=(), env=None, faults=None):
    """`faults`: why some cases may fail, for a fault of what they run on; they count as skipped then."""
    report = OUT / f"{name}.xml"
    report.unlink(missing_ok=True)
    finished = run.command(
        [*before, environment.PYTHON, "-B", "-m", "pytest", "-q", "--tb=short", "-p", "no:cacheprovider",
         f"--junit-xml={report}", f"--rootdir={TESTS}", *arguments],
        env={"MIDISOCK_LIBRARY": str(LIB / "libmidisock.so"), "MIDISOCK_BIN": str(BIN),
             "PATH": environment.path_with_tools(), **(env or {})})
    if not report.exists():
        raise Failure(f"pytest: exit status {finished.status}\n{tail(finished.output)}")
    excused = False
    for case in ElementTree.parse(report).iter("testcase"):
        label = f"{case.get('classname').split('.')[-1]} {case.get('name')}"
        problem = case.find("failure")
        if problem is None:
            problem = case.find("error")
        skipped = case.find("skipped")
        if problem is not None and label in (faults or {}):
            excused = True
            run.skip(label, faults[label])
        elif problem is not None:
            summary = (problem.get("message") or "failed").splitlines()[0]
            run.fail(label, f"{summary}\n{tail(problem.text or '')}")
        elif skipped is not None:
            run.skip(label, skipped.get("message") or "")
        else:
            run.ok(label)
    told = finished.status == 1 and (run.outcome.failures or excused)
    if finished.status != 0 and not told:
        raise Failure(f"pytest: exit status {finished.status}\n{tail(finished.output)}")
