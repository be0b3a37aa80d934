"""Runs long cargo builds in the background while other suites run.

A suite runs the same command again. Cargo waits until the build is done, or finds that it is. If a build failed, it fails in the
suite once more, which tells why."""

import contextlib
import os
import subprocess
import threading
from dataclasses import dataclass, field
from pathlib import Path

from project import ROOT

# The suites have the processors first, but other programs on the machine do not stop a build.
NICE = "10"


@dataclass(frozen=True)
class Build:
    command: list
    environment: dict = field(default_factory=dict)


@contextlib.contextmanager
def making(builds, processes):
    """Runs each distinct build once, one after the other, while the body runs. `processes`: nobody else's."""
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
                ["nice", "-n", NICE, *map(str, build.command)], cwd=ROOT, env={**os.environ, **build.environment},
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        except OSError:
            return
        # Linux may schedule a session as a group, and then nice counts only within it.
        with contextlib.suppress(OSError):
            Path(f"/proc/{process.pid}/autogroup").write_text(NICE)
        process.wait()
        processes.done(process)
