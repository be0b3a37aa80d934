"""What the tests of plugins in hosts share: where the plugins are, peers on sockets, programs under a display and JACK."""

import ctypes
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
BUILD = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target").resolve() / "scripts" / "juce"
PYTHON_TESTS = ROOT / "tests" / "python"
sys.path[:0] = [str(PYTHON_TESTS), str(Path(__file__).parent)]

import midisock_ctypes as midisock

# JUCE takes display :0 where none is named: whoever has that, a test ends with it when it goes. There is none of this name.
os.environ["DISPLAY"] = ":9999"

# What must happen has to happen within this; far more than it takes, for loaded machines.
DEADLINE = 30.0
PR_SET_PDEATHSIG = 1  # linux/prctl.h


def artefact(project, pattern):
    found = sorted((BUILD / project).rglob(pattern))
    assert found, f"{project} has made no {pattern}: scripts/test juce builds it"
    return found[0]


def until(condition, what, timeout=DEADLINE):
    """Waits for the condition to give something true, and gives that back."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        assert time.monotonic() < deadline, f"within {timeout:.0f} s: no {what}"
        time.sleep(0.002)
    return value


def free_port():
    """A port that nobody has now; below those that systems give to outgoing connections, so that none takes it before
    the plugin does."""
    while True:
        number = random.randrange(15000, 32000)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", number))
                return number
            except OSError:
                continue


def name_of_server(client):
    """What the server of a midisock port with sender time calls itself."""
    name = ctypes.create_string_buffer(64)
    midisock.check(midisock.call("peer_name", client.handle, name, len(name)), "peer_name")
    return name.value.decode()


def asks_for_times(number, name):
    """A client of midisock with sender time and a name."""
    return midisock.Port.connect("127.0.0.1", number, name=name.encode(), timing=midisock.CONSTANTS["TIMING_SENDER"])


def waiting(local, remote):
    """Bytes between two ports of this machine that the local one's program has not read, or the remote one's system not
    sent: proc(5), /proc/net/tcp."""
    count = 0
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        ports = tuple(int(address.split(":")[1], 16) for address in fields[1:3])
        unsent, unread = (int(n, 16) for n in fields[4].split(":"))
        count += unread if ports == (local, remote) else unsent if ports == (remote, local) else 0
    return count


class Peer:
    """A raw socket: bytes as they are."""

    def __init__(self, connected):
        self.socket = connected
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.settimeout(DEADLINE)
        self.got = b""

    @classmethod
    def connect(cls, number):
        def attempt():
            try:
                return socket.create_connection(("127.0.0.1", number), timeout=DEADLINE)
            except ConnectionRefusedError:
                return None
        return cls(until(attempt, f"listener at port {number}"))

    def send(self, *data):
        self.socket.sendall(bytes(data))

    def receive(self, wanted):
        """Reads until these bytes are there; what came before them."""
        while wanted not in self.got:
            data = self.socket.recv(65536)
            assert data, f"closed before {wanted.hex(' ')}; got {self.got.hex(' ')}"
            self.got += data
        before, _, self.got = self.got.partition(wanted)
        return before

    def receive_all(self, *wanted):
        """Reads until all of these bytes are there, in any order, and takes everything."""
        while not all(each in self.got for each in wanted):
            data = self.socket.recv(65536)
            assert data, f"closed; got {self.got.hex(' ')}"
            self.got += data
        self.got = b""

    def has(self, wanted, take=True):
        """Whether these bytes are there already. They, and what came before them, are then taken, if that is wanted."""
        self.socket.setblocking(False)
        try:
            while data := self.socket.recv(65536):
                self.got += data
        except BlockingIOError:
            pass
        finally:
            self.socket.settimeout(DEADLINE)
        if wanted not in self.got:
            return False
        if take:
            self.got = self.got.partition(wanted)[2]
        return True

    def is_heard(self):
        """Waits until the plugin has taken all that was sent so far. It reads again only when it is done with what it read
        before: with the sign that is sent after that."""
        for sign in ((), (0xFE,)):
            self.send(*sign)
            until(lambda: not waiting(self.socket.getpeername()[1], self.socket.getsockname()[1]), "look at the socket")

    def ended(self):
        """Reads to the end; what was left."""
        rest = self.got
        while data := self.socket.recv(65536):
            rest += data
        return rest

    def close(self):
        self.socket.close()


@pytest.fixture
def connect():
    """Connects a raw socket to a port; all are closed with the test."""
    peers = []

    def make(number):
        peers.append(Peer.connect(number))
        return peers[-1]

    yield make
    for peer in peers:
        peer.close()


@pytest.fixture
def listen():
    """A raw listening socket: its number, and a function that accepts."""
    server = socket.create_server(("127.0.0.1", 0))
    server.settimeout(DEADLINE)
    accepted = []

    def accept():
        accepted.append(Peer(server.accept()[0]))
        return accepted[-1]

    yield server.getsockname()[1], accept
    for peer in accepted:
        peer.close()
    server.close()


def resources():
    """Threads and descriptors of this process."""
    return len(os.listdir("/proc/self/task")), len(os.listdir("/proc/self/fd"))


def ends_with_us():
    """In a program that a test starts, before it is one: whoever kills the test leaves no JACK server or display behind. Asked
    to end, as a JACK server that is killed stays in the system's list of them, which has room for eight."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Programs:
    """Programs with a home of their own, ended with the test in reverse order."""

    def __init__(self, folder):
        self.folder = folder
        self.running = []
        self.environment = {**os.environ, "HOME": str(folder), "XDG_CONFIG_HOME": str(folder / ".config"),
                            "XDG_RUNTIME_DIR": str(folder), "JACK_NO_AUDIO_RESERVATION": "1"}

    def start(self, *command, **keywords):
        name = Path(command[0]).name.replace(" ", "-")
        log = open(self.folder / f"{name}-{len(self.running)}.log", "w+")
        process = subprocess.Popen([str(c) for c in command], env=self.environment, stdin=subprocess.PIPE, stdout=log,
                                   stderr=subprocess.STDOUT, cwd=self.folder, preexec_fn=ends_with_us, **keywords)
        process.log = log
        self.running.append(process)
        return process

    def output(self, process):
        return Path(process.log.name).read_text(errors="replace")

    def run(self, *command, check=True):
        finished = subprocess.run([str(c) for c in command], env=self.environment, capture_output=True, text=True,
                                  timeout=DEADLINE, stdin=subprocess.DEVNULL)
        assert not check or finished.returncode == 0, f"{command}: {finished.stdout}{finished.stderr}"
        return finished.stdout

    def end(self, process, how=signal.SIGTERM):
        if process.poll() is None:
            process.send_signal(how)
            try:
                process.wait(DEADLINE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        return process.returncode

    def close(self):
        for process in reversed(self.running):
            self.end(process)
            process.stdin.close()
            process.log.close()


@pytest.fixture
def programs():
    # A short path: names of sockets are made from it.
    with tempfile.TemporaryDirectory(prefix="mj-") as folder:
        (Path(folder) / ".config").mkdir()
        started = Programs(Path(folder))
        yield started
        started.close()


@pytest.fixture
def jack(programs):
    """A JACK server of our own, without a sound card and without realtime rights. It does not wait for its clients (-S):
    it would wait for one that was killed, too, and hold up all others."""
    name = f"midisock-juce-{os.getpid()}"
    programs.environment["JACK_DEFAULT_SERVER"] = name
    server = programs.start("jackd", "--no-realtime", "-n", name, "-d", "dummy", "-r", "48000", "-p", "256")

    def up():
        assert server.poll() is None, programs.output(server)
        return "system:playback_1" in programs.run("jack_lsp", check=False)

    until(up, "JACK server")
    return programs
