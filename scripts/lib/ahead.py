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
LOW = 10
NORMAL = 0


@dataclass(frozen=True)
class Build:
    command: list
    environment: dict = field(default_factory=dict)


class Builder:
    """Makes builds one after the other in a thread. `processes`: nobody else's."""

    def __init__(self, builds, processes):
        self._builds = [build for index, build in enumerate(builds) if build not in builds[:index]]
        self._processes = processes
        self._running = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._make, daemon=True)
        self._thread.start()

    def hurry(self):
        """A suite is about to wait for what is built now. Only root can undo a low priority. For others the suite builds it."""
        running = self._running
        try:
            if running is not None:
                set_priority(running, NORMAL)
        except PermissionError:
            self._processes.kill_all()
        except OSError:  # it has ended
            pass

    def end(self):
        self._over.set()
        while self._thread.is_alive():
            self._processes.kill_all()
            self._thread.join(0.1)

    def _make(self):
        for build in self._builds:
            if self._over.is_set():
                return
            try:
                process = self._processes.start(
                    list(map(str, build.command)), cwd=ROOT, env={**os.environ, **build.environment},
                    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            except OSError:
                return
            with contextlib.suppress(OSError):
                set_priority(process, LOW)
            self._running = process
            process.wait()
            self._running = None
            self._processes.done(process)


def set_priority(process, nice):
    """Of a process that leads a session, and of those that it starts."""
    os.setpriority(os.PRIO_PGRP, process.pid, nice)
    # Linux may schedule a session as a group, and then nice counts only within it.
    autogroup = Path(f"/proc/{process.pid}/autogroup")
    if autogroup.exists():
        autogroup.write_text(str(nice))


@contextlib.contextmanager
def making(builds, processes):
    """Runs each distinct build once, one after the other, while the body runs. The body has the builder."""
    builder = Builder(builds, processes)
    try:
        yield builder
    finally:
        builder.end()
