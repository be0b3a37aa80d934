"""README.md's quick start on a newcomer's machine: a minimal Debian or Ubuntu, an ordinary user, a path with spaces, no git."""

import os
from pathlib import Path

import cross
import debian_rust
import minimal_root
import packages
from project import RUST_FOR_TESTS, SOURCES
from runner import expect, suite, tail

PACKAGES = ("mmdebstrap", "debian-archive-keyring", "iproute2")
UNPACK = f'mkdir -p "{minimal_root.UNPACKED}" && tar -xzf midisock.tar.gz -C "{minimal_root.UNPACKED}"'
# The suite `changelog` takes no time, and what the script names comes before any suite.
TEST = "scripts/test changelog"
REMOVE = "dpkg --remove --force-depends"
# The package with Python's version in its name has the files.
REMOVE_VENV = f"{REMOVE} $(dpkg-query --show --showformat='${{Package}} ' 'python3*-venv')"
SUGGESTION = "apt-get install python3-venv"


def newcomer(run, system):
    if not ready(run):
        return
    demo, tests = minimal_root.named_by_readme()
    system.make(run, system.packages(demo))
    system.make_home(run)
    steps = (
        ("an ordinary user without git unpacks the archive", unpack, ()),
        ("the demo names cargo and gcc where they are missing", demo_names, ()),
        ("the demo names the C library's package where that is missing", demo_names_libc, ()),
        ("without python3-venv the demo passes, and says how to get mido", demo_alone, ()),
        ("the tests name all that they lack", tests_name, (tests,)),
        ("the tests say how to get what they fail without", tests_fail, ()),
        ("with what README.md names the demo shows mido too", demo_with_mido, ()),
    )
    for name, function, more in steps:
        run.step(name, function, run, system, *more)
    cross.record(run)


for one in minimal_root.SYSTEMS:
    suite(one.suite, f"the quick start in a minimal {one.name}: an ordinary user, no git, a path with spaces", budget=400,
          needs=["python"], packages=PACKAGES, extended=True, turn=True)(lambda run, system=one: newcomer(run, system))


def ready(run):
    """Whether this machine can have the root; else the suite is skipped, or fails."""
    name = run.outcome.suite.name
    if os.geteuid() != 0:
        run.skip(name, "only root can make a root of its own")
        return False
    if run.everything and packages.can_install():
        packages.install(run, PACKAGES)
    if not run.needs(name, "mmdebstrap", "ip", "unshare", package=" ".join(PACKAGES)):
        return False
    if not Path(debian_rust.KEYRING).exists():
        run.lacks(name, " ".join(PACKAGES))
        return False
    if run.command(minimal_root.namespaces("--mount", "--pid", "--net") + ["sh", "-c", minimal_root.TRY]).status != 0:
        run.skip(name, "no namespaces or no overlay to be had here")
        return False
    return True


def in_project(run, system, command, before=":", passes=True):
    """What the user's command prints, in the project's folder. It must pass, or else report failure, without a traceback."""
    finished = system.visit(run, f'cd "{minimal_root.UNPACKED}" && {command}', before)
    expect("Traceback" not in finished.output, f"{command} printed:\n{tail(finished.output)}")
    expect((finished.status == 0) == passes and finished.status >= 0,
           f"{command}: exit status {finished.status}; it printed:\n{tail(finished.output)}")
    return finished.output


def says(output, *texts):
    for text in texts:
        expect(text in output, f"no '{text}' in:\n{tail(output)}")


def unpack(run, system):
    finished = system.visit(run, f"cd; {UNPACK}; id -u; command -v git || echo no git")
    expect(finished.output.split() == [str(minimal_root.USER), "no", "git"], f"it printed:\n{tail(finished.output)}")


def demo_names(run, system):
    [cargo] = system.packages(["cargo"])
    said = in_project(run, system, "scripts/demo", f"{REMOVE} {cargo} gcc", passes=False)
    says(said, f"cargo is not installed: {SOURCES['cargo']}", "gcc is not installed: apt-get install gcc libc6-dev")


def demo_names_libc(run, system):
    """A compiler is there, but links nothing."""
    says(in_project(run, system, "scripts/demo", f"{REMOVE} libc6-dev", passes=False), "apt-get install libc6-dev")


def demo_alone(run, system):
    says(in_project(run, system, "scripts/demo", REMOVE_VENV), SUGGESTION, "Going on without mido.", "2 scenes, ")


def tests_name(run, system, tests):
    said = in_project(run, system, TEST, REMOVE_VENV)
    least = ".".join(map(str, RUST_FOR_TESTS))
    says(said, f"this needs {least} or later: https://rustup.rs", SUGGESTION,
         "cargo-fmt is not installed: ", "cargo-clippy is not installed: ",
         *(f"{name} is not installed: apt-get install {name}" for name in tests))


def tests_fail(run, system):
    said = in_project(run, system, "scripts/test python", REMOVE_VENV, passes=False)
    says(said, f"python: Python's venv and pip modules are missing: {SUGGESTION}")


def demo_with_mido(run, system):
    says(in_project(run, system, "scripts/demo"), "5 scenes, ")
