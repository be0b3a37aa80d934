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
LOWER = 10
# That of the suites.
OWN = os.getpriority(os.PRIO_PROCESS, 0)


@dataclass(frozen=True)
class Build:
    command: list
    environment: dict = field(default_factory=dict)


class Builder:
    """Makes each distinct build once, one after the other, in a thread, until its context ends. `processes`: nobody else's."""

    def __init__(self, builds, processes):
        self._processes = processes
        self._lock = threading.Lock()
        self._waiting = [build for index, build in enumerate(builds) if build not in builds[:index]]
        self._running = None  # a build and its process
        self._thread = threading.Thread(target=self._make, daemon=True)
        self._thread.start()

    def leave(self, builds):
        """A suite begins with these builds: it makes those that have not begun, and waits for the one that runs. Only root can
        raise that one's priority; for others it is ended, and the suite makes it."""
        with self._lock:
            self._waiting = [build for build in self._waiting if build not in builds]
            if self._running is None or self._running[0] not in builds:
                return
            try:
                set_priority(self._running[1], 0)
            except PermissionError:
                self._processes.kill_all()
            except OSError:  # it has ended
                pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with self._lock:
            self._waiting = []
        while self._thread.is_alive():
            self._processes.kill_all()
            self._thread.join(0.1)

    def _make(self):
        while True:
            with self._lock:
                if not self._waiting:
                    return
                build = self._waiting.pop(0)
                try:
                    process = self._processes.start(
                        list(map(str, build.command)), cwd=ROOT, env={**os.environ, **build.environment},
                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                except OSError:
                    return
                with contextlib.suppress(OSError):
                    set_priority(process, LOWER)
                self._running = build, process
            process.wait()
            with self._lock:
                self._running = None
            self._processes.done(process)


def set_priority(process, lower):
    """Of a process that leads a session, and of those that it starts: so much lower than the suites'."""
    os.setpriority(os.PRIO_PGRP, process.pid, min(OWN + lower, 19))
    # Linux may schedule a session as a group, and then nice counts only within it.
    autogroup = Path(f"/proc/{process.pid}/autogroup")
    if autogroup.exists():
        autogroup.write_text(str(lower))
