"""Builds that suites begin with, made while other suites wait for something, with what those leave of the processors.

The suite runs the same command again: cargo finds that all is done, or waits until it is. So a build that fails here fails there
too, which tells why."""

import contextlib
import os
import subprocess
import threading
from dataclasses import dataclass, field

from project import ROOT


@dataclass(frozen=True)
class Build:
    command: list
    environment: dict = field(default_factory=dict)


@contextlib.contextmanager
def making(builds, processes):
    """Meanwhile they are made, one after the other, each once."""
    each = [build for index, build in enumerate(builds) if build not in builds[:index]]
    over = threading.Event()
    thread = threading.Thread(target=make, args=(each, processes, over), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        while thread.is_alive():
            processes.kill_all()
            thread.join(0.1)


def make(builds, processes, over):
    for build in builds:
        if over.is_set():
            return
        try:
            process = processes.start(
                ["nice", "-n", "19", *map(str, build.command)], cwd=ROOT, env={**os.environ, **build.environment},
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        except OSError:
            return
        process.wait()
        processes.done(process)
