"""Every kind of message, byte for byte, in both directions, over every kind of connection."""

import mido
import pytest

import midisock_ctypes as midisock
from conftest import Link, until
from midisock_ctypes import Port

CHANNEL_MESSAGES = {
    "note off": (0x80, 2), "note on": (0x90, 2), "poly pressure": (0xA0, 2),
    "control change": (0xB0, 2), "program change": (0xC0, 1), "channel pressure": (0xD0, 1),
    "pitch bend": (0xE0, 2),
}
SYSTEM_MESSAGES = {
    "sysex, empty": bytes.fromhex("f0 f7"),
    "sysex, identity request": bytes.fromhex("f0 7e 7f 06 01 f7"),
    "sysex, every byte": bytes([0xF0, *range(128), 0xF7]),
    "quarter frame": bytes.fromhex("f1 73"),
    "song position": bytes.fromhex("f2 7f 7f"),
    "song select": bytes.fromhex("f3 05"),
    "tune request": bytes.fromhex("f6"),
    "clock": bytes.fromhex("f8"),
    "start": bytes.fromhex("fa"),
    "continue": bytes.fromhex("fb"),
    "stop": bytes.fromhex("fc"),
    "active sensing": bytes.fromhex("fe"),
    "system reset": bytes.fromhex("ff"),
}
# The lowest and highest values, a middle one, and two that differ.
VALUES = ((0, 0), (127, 127), (64, 64), (1, 126), (60, 100))


def channel_messages(kind):
    status, values = CHANNEL_MESSAGES[kind]
    return [bytes([status | channel, *pair[:values]])
            for channel in range(16) for pair in VALUES]


KINDS = {kind: channel_messages(kind) for kind in CHANNEL_MESSAGES}
KINDS.update({kind: [data] for kind, data in SYSTEM_MESSAGES.items()})
# The longest SysEx with the default configuration.
KINDS["sysex of 16 KB"] = [bytes([0xF0, *(at * 7 % 128 for at in range(16384 - 2)), 0xF7])]


@pytest.mark.parametrize("kind", KINDS)
def test_from_midisock_to_mido(link, kind):
    for data in KINDS[kind]:
        link.port.push(data)
    received = link.peer_receives(len(KINDS[kind]))
    assert [bytes(message.bytes()) for message in received] == KINDS[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_from_mido_to_midisock(link, kind):
    for data in KINDS[kind]:
        link.peer.send(mido.Message.from_bytes(data))
    assert link.port.receive_bytes(len(KINDS[kind])) == KINDS[kind]
    assert link.port.stats().invalid_bytes == 0


def test_all_kinds_in_one_stream_in_both_directions_at_once(link):
    stream = [data for kind in KINDS for data in KINDS[kind]]
    for data in stream:
        link.port.push(data)
        link.peer.send(mido.Message.from_bytes(data))
    assert link.port.receive_bytes(len(stream)) == stream
    assert [bytes(m.bytes()) for m in link.peer_receives(len(stream))] == stream


def test_reset_and_panic_of_mido_arrive(link):
    link.peer.reset()
    expected = [bytes([0xB0 | channel, control, 0])
                for channel in range(16) for control in (123, 121)]
    assert link.port.receive_bytes(32) == expected
    link.peer.panic()
    assert link.port.receive_bytes(16) == [bytes([0xB0 | c, 120, 0]) for c in range(16)]


def test_reset_and_panic_of_midisock_arrive(link):
    link.port.reset()
    received = sorted(bytes(m.bytes()) for m in link.peer_receives(32))
    assert received == sorted(bytes([0xB0 | channel, control, 0])
                              for channel in range(16) for control in (121, 123))
    link.port.flush()
    link.port.panic()
    received = sorted(bytes(m.bytes()) for m in link.peer_receives(16))
    assert received == [bytes([0xB0 | channel, 120, 0]) for channel in range(16)]


def test_a_merged_server_tells_its_clients_apart_and_reaches_one_or_all():
    with Port.listen() as server:
        peers = [mido.sockets.connect("127.0.0.1", server.number) for _ in range(3)]
        until(lambda: server.client_count == 3, "3 clients")
        for note, peer in enumerate(peers):
            peer.send(mido.Message("note_on", note=note))
        client_of = {}
        for _ in peers:
            message = server.receive()
            client_of[message.data[1]] = message.client
        assert sorted(client_of) == [0, 1, 2]
        assert len(set(client_of.values())) == 3 and 0 not in client_of.values()

        for note in range(3):
            server.push_to(client_of[note], bytes([0x91, note, 1]))
        server.push(b"\x92\x7f\x01")
        for note, peer in enumerate(peers):
            received = Link(server, peer).peer_receives(2)
            assert [bytes(m.bytes()) for m in received] == [bytes([0x91, note, 1]), b"\x92\x7f\x01"]

        for peer in peers:
            address = "{}:{}".format(*peer._socket.getsockname())
            assert address in {server.client_address(c) for c in client_of.values()}
            peer.close()


def test_mido_takes_what_was_pushed_before_close():
    with Port.listen(accept_mode=midisock.ACCEPT_MANUAL) as server:
        peer = mido.sockets.connect("127.0.0.1", server.number)
        with server.accept() as port:
            for number in range(1000):
                port.push(bytes([0xB0, number % 128, 1]))
        received = Link(None, peer).peer_receives(1000)
        assert [m.control for m in received] == [number % 128 for number in range(1000)]
        until(lambda: peer.poll() is None and peer.closed, "end of the connection at mido")
