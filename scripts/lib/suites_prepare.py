"""Preparations for other suites."""

import environment
import packages
import runner
from runner import suite


@suite("packages", "Debian packages for the suites of --all", budget=600, extended=True)
def debian_packages(run):
    # A suite that takes turns installs its own when its turn comes.
    wanted = sorted({p for one in runner.SUITES.values() if not one.turn for p in one.packages})
    if not packages.missing(run, wanted):
        run.ok("already installed")
    elif packages.can_install():
        packages.install(run, wanted)
        run.ok("installed")
    else:
        names = " ".join(packages.missing(run, wanted))
        run.skip("install", f"only root can, and only here: apt-get install {names}")


@suite("python", "mido, pytest, cmake and ninja in .venv", budget=300)
def python_environment(run):
    environment.prepare(run)
    run.must([environment.PYTHON, "-c", "import mido.sockets, pytest"])
    run.ok("environment")
