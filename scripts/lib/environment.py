"""The Python environment in .venv: mido, pytest and build tools, in pinned versions."""

import importlib.util
import os
import shutil
import sys

import packages
from project import ROOT, VENV
from runner import Failure

REQUIREMENTS = ROOT / "tests" / "python" / "requirements.txt"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "requirements.txt"
HOW_TO_GET = "Python's venv and pip modules are missing: apt-get install python3-venv"


def path_with_tools():
    """PATH with the environment's programs (cmake, ninja) in front."""
    return f"{VENV / 'bin'}{os.pathsep}{os.environ['PATH']}"


def ready():
    """Whether the environment is there and matches tests/python/requirements.txt."""
    return PYTHON.exists() and STAMP.exists() and STAMP.read_text() == REQUIREMENTS.read_text()


def missing():
    """How to get what the environment needs and this Python lacks, in a list: Debian's python3 has neither ensurepip nor pip."""
    if ready() or packages.can_install() or any(importlib.util.find_spec(name) for name in ("ensurepip", "pip")):
        return []
    return [HOW_TO_GET]


def prepare(run):
    """Makes the environment, unless it is ready."""
    if ready():
        return
    shutil.rmtree(VENV, ignore_errors=True)
    if run.command([sys.executable, "-m", "venv", VENV]).status == 0:
        install_with(run, [PYTHON, "-m", "pip"])
    elif packages.can_install():
        # Debian's python3 comes without ensurepip.
        packages.install(run, ["python3-venv"])
        run.must([sys.executable, "-m", "venv", "--clear", VENV])
        install_with(run, [PYTHON, "-m", "pip"])
    elif run.command([sys.executable, "-m", "pip", "--version"]).status == 0:
        run.must([sys.executable, "-m", "venv", "--clear", "--without-pip", VENV])
        site = run.must([PYTHON, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"])
        install_with(run, [sys.executable, "-m", "pip"], "--target", site.strip())
    else:
        raise Failure(HOW_TO_GET)
    STAMP.write_text(REQUIREMENTS.read_text())


def add(run, requirements):
    """Adds the requirements of some suites to the environment, unless they are there."""
    stamp = VENV / f"{requirements.parent.name}-requirements.txt"
    if stamp.exists() and stamp.read_text() == requirements.read_text():
        return
    if run.command([PYTHON, "-m", "pip", "--version"]).status == 0:
        install_with(run, [PYTHON, "-m", "pip"], requirements=requirements)
    else:
        site = run.must([PYTHON, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"])
        install_with(run, [sys.executable, "-m", "pip"], "--target", site.strip(), requirements=requirements)
    stamp.write_text(requirements.read_text())


def install_with(run, pip, *options, requirements=REQUIREMENTS):
    run.must([*pip, "install", "--quiet", "--disable-pip-version-check", *options,
              "-r", requirements])
