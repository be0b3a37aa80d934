"""Debian packages that some suites need."""

import os

from project import tool
from runner import Failure


def can_install():
    return os.geteuid() == 0 and tool("apt-get") is not None


def missing(run, packages):
    """The packages that are not installed."""
    if tool("dpkg-query") is None:
        return list(packages)
    return [p for p in packages
            if "ok installed" not in run.command(["dpkg-query", "-W", "-f=${Status}", p]).output]


def install(run, packages):
    """Installs the missing packages."""
    wanted = missing(run, packages)
    if not wanted:
        return
    if not can_install():
        raise Failure(f"not installed, and only root can: apt-get install {' '.join(wanted)}")
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    run.must(["apt-get", "update", "-q"], env=quiet)
    run.must(["apt-get", "install", "-q", "-y", "--no-install-recommends", *wanted], env=quiet)
