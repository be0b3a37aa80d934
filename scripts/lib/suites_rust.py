"""The Rust sources: format, lints, unit tests (header drift and version are among them)."""

import re

import unit_tests
from ahead import Build
from runner import Failure, suite, tail

LINT = Build(["cargo", "clippy", "--locked", "--all-targets", "--", "-D", "warnings", "-D", "clippy::undocumented_unsafe_blocks"])
LINT_PARTS = Build(["cargo", "clippy", "--locked", "--all-targets", "--no-default-features", "--", "-D", "warnings"])


@suite("fmt", "Rust sources are formatted", budget=60)
def fmt(run):
    run.case("cargo fmt", ["cargo", "fmt", "--check"])


@suite("clippy", "no warning, every unsafe block says why it is sound", budget=300, begins_with=(LINT, LINT_PARTS))
def clippy(run):
    run.case("cargo clippy", LINT.command)
    run.case("cargo clippy, without discovery", LINT_PARTS.command)


@suite("rust", "Rust unit tests", budget=420, begins_with=(unit_tests.CHECKED,))
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
