"""JACK for the tests: a server without a sound card, and tests/jack/probe, which records events."""

import os
import queue
import signal
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest

from conftest import until
from midisock_ctypes import DEADLINE, TARGET
from numbered import numbered
from tool import Tool

# Programs that scripts/lib/suites_jack.py compiled from tests/jack.
PROGRAMS = Path(os.environ.get("MIDISOCK_JACK_PROGRAMS") or TARGET / "scripts" / "tests-jack")

RATE, PERIOD = 48000, 256

# An event at an input of the probe; `frame` is the absolute one.
Event = namedtuple("Event", "frame offset period data")

# scripts/lib/suites_jack.py has made a separate /dev/shm for JACK servers.
ISOLATED = bool(os.environ.get("MIDISOCK_JACK_ISOLATED"))


class Server:
    """jackd with the dummy driver and its own server name, which is the default for programs that are started
    meanwhile."""

    def __init__(self, monkeypatch, log):
        # One name for all tests, because a killed server keeps one of eight places.
        self.name = f"midisock-{'test' if ISOLATED else os.getpid()}"
        self._log = open(log, "a")
        self._process = None
        monkeypatch.setenv("JACK_DEFAULT_SERVER", self.name)
        monkeypatch.setenv("JACK_NO_AUDIO_RESERVATION", "1")
        monkeypatch.setenv("JACK_NO_START_SERVER", "1")

    def start(self, priority=0):
        """With a realtime priority, its clients get one too."""
        scheduling = ["-R", "-P", str(priority)] if priority else ["-r"]
        # -S and -t: JACK waits for clients that a busy machine delays. Otherwise it would start the next cycle,
        # and they would lose the events of the missed one.
        self._process = subprocess.Popen(
            ["jackd", "-n", self.name, *scheduling, "-S", "-t", "10000", "-d", "dummy", "-r", str(RATE), "-p", str(PERIOD)],
            stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log)
        until(self.ports, "JACK server")

    def stop(self, number=signal.SIGTERM):
        assert self._process.poll() is None, "jackd ended"
        self._process.send_signal(number)
        self._process.wait(DEADLINE)
        self._process = None

    def end(self):
        if self._process is not None:
            self._process.kill() if ISOLATED else self._process.terminate()
            self._process.wait()
        self._log.close()

    def ports(self):
        """The ports, each with the ports that it is connected to. {} without a server."""
        assert self._process.poll() is None, "jackd ended"
        finished = subprocess.run(["jack_lsp", "-c"], stdin=subprocess.DEVNULL, capture_output=True, text=True)
        found, last = {}, None
        if finished.returncode == 0:
            for line in finished.stdout.splitlines():
                if line.startswith("   "):
                    found[last].add(line.strip())
                elif line:
                    last = line
                    found[last] = set()
        return found

    def connected(self, output, port):
        return port in self.ports().get(output, ())

    def connect(self, output, port):
        """Connects two ports, when both exist."""
        def both_are_there():
            ports = self.ports()
            return output in ports and port in ports
        def are_connected():
            # On a loaded machine jack_connect itself may fail to become a client.
            subprocess.run(["jack_connect", output, port], stdin=subprocess.DEVNULL, capture_output=True)
            return self.connected(output, port)
        until(both_are_there, f"ports {output} and {port}")
        until(are_connected, f"connection of {output} with {port}")

    def disconnect(self, output, port):
        subprocess.run(["jack_disconnect", output, port], stdin=subprocess.DEVNULL, capture_output=True)
        until(lambda: not self.connected(output, port), f"end of the connection of {output} with {port}")


@pytest.fixture
def server(monkeypatch, tmp_path):
    """A running JACK server."""
    one = Server(monkeypatch, tmp_path / "jackd.log")
    one.start()
    yield one
    one.end()


def may_be_realtime():
    """Whether this user may have realtime priorities. A child process asks, so that this one keeps its priority."""
    ask = "import os; os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(70))"
    return subprocess.run([sys.executable, "-c", ask], capture_output=True).returncode == 0


def network_priority(tool):
    """The realtime priority of the library's network thread in that program; 0: none."""
    for task in Path(f"/proc/{tool.process.pid}/task").iterdir():
        if (task / "comm").read_text() == "midisock\n":
            return int((task / "stat").read_text().rsplit(") ", 1)[1].split()[40 - 3])
    return None


class Probe(Tool):
    """tests/jack/probe: records what comes into its inputs, plays at `NAME:out`."""

    def __init__(self, name, *inputs):
        super().__init__(PROGRAMS / "probe", name, *inputs)
        self.name = name
        self.events = {one: [] for one in inputs}
        self.gone = False
        self._done = 0
        line = self.line()
        assert line and line.startswith("ready "), (line, self.errors)

    def __exit__(self, *details):
        # In good order, because the server waits for a killed client as long as for a late one.
        self.process.stdin.close()
        try:
            self.process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            pass
        super().__exit__(*details)

    def _take(self, line):
        if line is None:
            assert self.gone, f"the probe ended: {self.errors}"
            return
        words = line.split()
        if words[0] == "event":
            cycle, offset, period = map(int, words[2:5])
            self.events[words[1]].append(Event(cycle + offset, offset, period, bytes.fromhex(words[5])))
        elif words[0] == "done":
            self._done += 1
        else:
            assert words[0] == "gone"
            self.gone = True

    def look(self):
        """Reads its output so far."""
        try:
            while not self.gone:
                self._take(self._lines.get_nowait())
        except queue.Empty:
            pass
        return self

    def _command(self, text):
        self._done = 0
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()
        until(lambda: self.look()._done or self.gone, f"answer to {text[:40]}")

    def play(self, *messages, offset=0):
        """Plays messages in one cycle."""
        self._command(f"send {offset} " + " ".join(bytes(m).hex() for m in messages))

    def freewheel(self, on):
        self._command(f"freewheel {int(on)}")

    def heard(self, one):
        """The messages that arrived at that input."""
        return [event.data for event in self.look().events[one]]

    def hears(self, one, *messages):
        """Waits until exactly these messages have arrived at that input, in this order."""
        wanted = [bytes(m) for m in messages]
        until(lambda: len(self.heard(one)) >= len(wanted), f"{len(wanted)} messages at {self.name}:{one}")
        heard = self.heard(one)
        assert heard == wanted, first_difference(heard, wanted)

    def forget(self):
        self.look()
        for events in self.events.values():
            events.clear()


def first_difference(heard, wanted):
    for at, (one, other) in enumerate(zip(heard, wanted)):
        if one != other:
            return f"message {at} is {one[:40].hex(' ')}, not {other[:40].hex(' ')}"
    return f"{len(heard)} messages, not {len(wanted)}; then {[m[:9].hex(' ') for m in (heard + wanted)[-4:]]}"


def pass_both_ways(probe, port):
    """Short and long messages from the port to the probe and back, for some callbacks in each of 30 turns."""
    long = bytes((0xF0, 0x7D, *([5] * 8000), 0xF7))
    for turn in range(30):
        probe.forget()
        last = bytes((0x90, turn, 100))
        messages = [*(numbered(n) for n in range(20)), long, last]
        for message in messages:
            port.push(message)
        probe.play(*messages)
        until(lambda: last in probe.heard("end"), "the last message")


def held(messages):
    """The notes that are on, and pedals that are down, after these messages."""
    on = {}
    for data in messages:
        kind, channel = data[0] & 0xF0, data[0] & 0x0F
        if kind == 0x90 and data[2] > 0:
            on[channel, data[1]] = on.get((channel, data[1]), 0) + 1
        elif kind in (0x80, 0x90):
            left = on.pop((channel, data[1]), 1) - 1
            if left > 0:
                on[channel, data[1]] = left
        elif kind == 0xB0 and data[1] in (64, 66, 68):
            if data[2] >= 64:
                on[channel, "pedal", data[1]] = 1
            else:
                on.pop((channel, "pedal", data[1]), None)
    return on
