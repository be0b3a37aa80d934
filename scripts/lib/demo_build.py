"""Builds what the demo shows."""

import demo_screen as screen
import environment
import runner
import suites  # noqa: F401  registers them
from project import version


def build():
    """Builds library and tools; whether that succeeded."""
    screen.title(f"midisock {version()}: MIDI between programs over TCP")
    print()
    before = {}
    for name, text in (("library", "building the library"), ("programs", "compiling the tools")):
        if not prepare(name, text, before):
            for case, why in before[name].failures:
                screen.failed(f"{case}: {why}")
            return False
    return True


def python_with_mido():
    """The Python of the environment with mido; None where there can be none, and says so."""
    before = {}
    if prepare("python", "getting mido for Python", before):
        return environment.PYTHON
    screen.note(before["python"].failures[0][1].splitlines()[0])
    screen.note("Going on without mido.")
    return None


def prepare(name, text, before):
    """Runs the suite that makes it."""
    screen.progress(text)
    outcome = runner.run_one(runner.SUITES[name], False, before)
    before[name] = outcome
    screen.done("failed" if outcome.failures else f"{outcome.seconds:5.1f} s")
    return not outcome.failures
