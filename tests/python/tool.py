"""The tools and the programs of examples/c, run and watched."""

import json
import os
import queue
import signal
import subprocess
import threading
import time
from pathlib import Path

from midisock_ctypes import DEADLINE, TARGET

BIN = Path(os.environ.get("MIDISOCK_BIN") or TARGET / "scripts" / "bin")
# The tools in BIN are programs for Windows.
WINDOWS = os.environ.get("MIDISOCK_WINDOWS") == "1"


def run(name, *arguments, text=None, timeout=DEADLINE):
    """Runs a tool to its end. Returns a CompletedProcess with text."""
    return subprocess.run([BIN / name, *map(str, arguments)], input=text, capture_output=True,
                          text=True, timeout=timeout)


class Tool:
    """A running tool, or a program with an absolute path. Leaving `with` ends it."""

    def __init__(self, name, *arguments, env=None):
        self.process = subprocess.Popen(
            [BIN / name, *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, env={**os.environ, **(env or {})})
        self._lines = queue.Queue()
        self._errors = []
        self._readers = [threading.Thread(target=read, daemon=True)
                         for read in (self._read, self._read_errors)]
        for reader in self._readers:
            reader.start()

    def _read(self):
        for line in self.process.stdout:
            self._lines.put(line.rstrip("\n"))
        self._lines.put(None)

    def _read_errors(self):
        for line in self.process.stderr:
            self._errors.append(line)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for reader in self._readers:
            reader.join()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            stream.close()

    @property
    def errors(self):
        """Standard error, complete when the tool has ended."""
        self._readers[1].join()
        return "".join(self._errors)

    def told(self):
        """What is on its standard error so far."""
        return "".join(self._errors)

    def complains(self, text):
        """Waits until the text is on its standard error, while it runs or at its end."""
        deadline = time.monotonic() + DEADLINE
        while text not in self.told():
            assert time.monotonic() < deadline, f"no {text!r} in {self._errors}"
            time.sleep(0.001)

    def line(self, timeout=DEADLINE):
        """The next line of its output, or None at the end."""
        return self._lines.get(timeout=timeout)

    def line_with(self, text):
        """The next line that contains the text. Earlier lines are dropped."""
        deadline = time.monotonic() + DEADLINE
        dropped = []
        while (line := self.line()) is not None and time.monotonic() < deadline:
            if text in line:
                return line
            dropped.append(line)
        raise AssertionError(f"{self.process.args[0].name} did not print {text!r}, but {dropped}")

    def port(self):
        """The port of a server, from its first line."""
        line = self.line()
        assert line is not None, self.errors
        if line.startswith("{"):
            event = json.loads(line)
            assert event["event"] == "listening"
            return event["port"]
        assert line.startswith("listening on "), line
        return int(line.rsplit(":", 1)[1])

    def event(self, name):
        """The next JSON object with this event. Earlier ones are dropped."""
        while (line := self.line()) is not None:
            event = json.loads(line)
            if event["event"] == name:
                return event
        raise AssertionError(f"no event {name}; {self.errors}")

    def interrupt(self, number=signal.SIGINT):
        self.process.send_signal(number)

    def status(self, timeout=DEADLINE):
        """The exit status, when it ends by itself."""
        return self.process.wait(timeout)
