"""The Rust unit tests (header drift and version are among them)."""

import re

import unit_tests
from runner import Failure, suite, tail


@suite("rust", "Rust unit tests", budget=420, begins_with=unit_tests.CHECKED)
def rust(run):
    finished = run.command([unit_tests.program_of(run.build(unit_tests.CHECKED))])
    for case, verdict in re.findall(r"^test (\S+)(?: - should panic)? \.\.\. (\w+)",
                                    finished.output, re.MULTILINE):
        if verdict == "ok":
            run.ok(case)
        elif verdict == "ignored":
            run.skip(case, "#[ignore]")
        else:
            run.fail(case, failure_text(finished.output, case))
    if finished.status != 0 and not run.outcome.failures:
        raise Failure(tail(finished.output))
    if not run.outcome.passed:
        raise Failure("no test was run")


def failure_text(output, case):
    """The panic's message, then the end of the test's output."""
    found = re.search(rf"^---- {re.escape(case)} stdout ----\n(.*?)(?=^---- |^failures:)", output,
                      re.MULTILINE | re.DOTALL)
    if not found:
        return "failed"
    panic = re.search(r"panicked at (.*:\d+):\d+:\n(.*)", found[1])
    return (f"{panic[2]} ({panic[1]})\n" if panic else "") + tail(found[1])
