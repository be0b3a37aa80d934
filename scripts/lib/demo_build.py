"""Builds the library, the tools and the Python environment for the demo."""

import demo_screen as screen
import environment
import runner
import suites  # noqa: F401  registers them
from project import RUST, missing, too_old, version


def build():
    """Builds the library and the tools. The result is whether that succeeded."""
    screen.title(f"midisock {version()}: MIDI between programs over TCP")
    print()
    lacking = missing(("cargo",), ("gcc", "clang")) + too_old(RUST)
    for how in lacking:
        screen.failed(how)
    if lacking:
        return False
    before = {}
    for name, text in (("library", "building the library"), ("programs", "compiling the tools")):
        if not prepare(name, text, before):
            for case, why in before[name].failures:
                screen.failed(f"{case}: {why}")
            return False
    return True


def python_with_mido():
    """The Python of the environment with mido, or None, with a note that says why, where mido cannot be installed."""
    before = {}
    if prepare("python", "getting mido for Python", before):
        return environment.PYTHON
    screen.note(before["python"].failures[0][1].splitlines()[0])
    screen.note("Going on without mido.")
    return None


def prepare(name, text, before):
    """Runs the suite of this name. The result is whether it passed."""
    screen.progress(text)
    outcome = runner.run_one(runner.SUITES[name], False, before)
    before[name] = outcome
    screen.done("failed" if outcome.failures else f"{outcome.seconds:5.1f} s")
    return not outcome.failures
