"""midisock-echo, and the simplest server and client."""

import re
import socket

import mido
import pytest

from conftest import Link, until
from midisock_ctypes import Port
from numbered import numbered
from tool import Tool, run

MODES = {"shared queue": [], "a queue for each": ["--per-client"]}


@pytest.fixture(params=MODES)
def echo(request):
    with Tool("midisock-echo", *MODES[request.param], "127.0.0.1:0") as tool:
        yield tool
        tool.interrupt()
        assert tool.status() == 0
        assert tool.errors == ""


def test_each_client_gets_its_own_back(echo):
    number = echo.port()
    peers = [mido.sockets.connect("127.0.0.1", number) for _ in range(4)]
    for round_trip in range(10):
        for channel, peer in enumerate(peers):
            peer.send(mido.Message("note_on", channel=channel, note=round_trip))
        for channel, peer in enumerate(peers):
            received, = Link(None, peer).peer_receives(1)
            assert (received.channel, received.note) == (channel, round_trip)
    for peer in peers:
        assert peer.poll() is None
        peer.close()


def test_nothing_is_lost_when_nobody_reads_for_a_while(echo):
    count = 100_000
    with Port.connect("127.0.0.1", echo.port(), release_on_close=0) as client:
        client.wait_connected()
        sent = received = 0
        # First as much as the buffers hold, then one out for each one in.
        while received < count:
            while sent < count and client.try_push(numbered(sent)) == 0:
                sent += 1
            assert client.receive().data == numbered(received)
            received += 1
        assert client.pop() is None


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def test_the_shortest_server_prints_what_the_shortest_client_sends():
    number = free_port()
    with Tool("simple-server", number) as server:
        # It prints nothing before a message arrives.
        until(lambda: run("simple-client", number).returncode == 0, "server")
        assert re.fullmatch(r"90 3c 64 from client \d+", server.line())
        assert server.process.poll() is None


def test_the_shortest_client_says_what_is_wrong():
    finished = run("simple-client", free_port())
    assert finished.returncode == 1
    assert finished.stderr.startswith("localhost:")
