"""Shared fixtures: a midisock port connected to a mido port, and mido in its own process."""

import json
import queue
import subprocess
import sys
import threading
import time
from pathlib import Path

import mido
import mido.sockets
import pytest

import midisock_ctypes as midisock
import tool
from midisock_ctypes import DEADLINE, Port

PEER = Path(__file__).with_name("mido_peer.py")


def pytest_collection_modifyitems(items):
    if tool.WINDOWS:
        for item in items:
            if item.get_closest_marker("unix"):
                item.add_marker(pytest.mark.skip(reason="of descriptors and signals that Windows does not have"))


def until(condition, what, timeout=DEADLINE):
    """Waits until the condition returns something true, and returns it."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        assert time.monotonic() < deadline, f"within {timeout:.0f} s: no {what}"
        time.sleep(0.001)
    return value


class Link:
    """A midisock port and a mido port that are connected."""

    def __init__(self, port, peer):
        self.port = port
        self.peer = peer

    def peer_receives(self, count):
        """The next messages that mido receives."""
        messages = []
        while len(messages) < count:
            messages.append(until(self.peer.poll, f"message {len(messages)} at mido"))
        return messages


def mido_server():
    """A mido server on a free port, and that port."""
    server = mido.sockets.PortServer("127.0.0.1", 0)
    return server, server._socket.getsockname()[1]


@pytest.fixture(params=["merged", "accepted", "connected"])
def link(request):
    """Every kind of connection with mido: a merged server's port, an accepted port, and a port connected to mido's
    server."""
    if request.param == "connected":
        server, number = mido_server()
        with Port.connect("127.0.0.1", number) as port:
            peer = until(lambda: server.accept(block=False), "connection at mido's server")
            port.wait_connected()
            yield Link(port, peer)
            peer.close()
        server.close()
        return
    manual = request.param == "accepted"
    mode = midisock.ACCEPT_MANUAL if manual else midisock.ACCEPT_MERGED
    with Port.listen(accept_mode=mode) as server:
        peer = mido.sockets.connect("127.0.0.1", server.number)
        if manual:
            with server.accept() as port:
                yield Link(port, peer)
        else:
            until(lambda: server.client_count == 1, "client")
            yield Link(server, peer)
        peer.close()


class Peer:
    """mido_peer.py in its own process. It prints one JSON object per line, and reads one command per line."""

    def __init__(self, *arguments):
        self.process = subprocess.Popen(
            [sys.executable, "-B", str(PEER), *map(str, arguments)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._lines = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            self._lines.put(json.loads(line))
        self._lines.put(None)

    def says(self, timeout=DEADLINE):
        """The next thing it prints."""
        said = self._lines.get(timeout=timeout)
        assert said is not None, "mido's process ended"
        return said

    def tell(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()

    def kill(self):
        self.process.kill()

    def end(self):
        self.process.kill()
        self.process.wait()
        self._reader.join()
        self.process.stdin.close()
        self.process.stdout.close()


@pytest.fixture
def start_peer():
    """Starts mido_peer.py with these arguments. All end with the test."""
    started = []

    def start(*arguments):
        started.append(Peer(*arguments))
        return started[-1]

    yield start
    for peer in started:
        peer.end()
