"""Speed and pauses: back pressure loses nothing, and acknowledgements are not delayed."""

import statistics

import mido
import pytest

import midisock_ctypes as midisock
from midisock_ctypes import DEADLINE, Port
from numbered import numbered

# mido takes 30 to 50 thousand messages a second, less on a busy machine.
SLOWEST_MIDO = 8000


def push_to_a_pausing_mido(start_peer, count, pause):
    peer = start_peer("drain", count)
    with Port.connect("127.0.0.1", peer.says()["port"], release_on_close=0) as port:
        port.wait_connected()
        port.push(numbered(0))
        # In a loop of its own, because mido's receive() reads as long as there is data.
        assert peer.says() == {"paused": True}
        paused = True
        for number in range(1, count):
            while (result := port.try_push(numbered(number))) == midisock.ERR_FULL:
                if paused and port.wait(midisock.WAIT_ROOM, pause) == midisock.ERR_TIMEOUT:
                    # All buffers are full, and stay full as long as the peer does not read.
                    peer.tell("go on")
                    paused = False
                midisock.check(port.wait(midisock.WAIT_ROOM), "wait for room")
            midisock.check(result, f"push {number}")
        assert not paused, "there was no back pressure: the test shows nothing"
        said = peer.says(timeout=DEADLINE + count / SLOWEST_MIDO)
        assert said == {"received": count, "wrong": 0, "more": False}
        stats = port.stats()
        assert (stats.messages_out, stats.dropped_out) == (count, 0)


def test_a_mido_that_pauses_gets_everything_in_order(start_peer):
    push_to_a_pausing_mido(start_peer, count=200_000, pause=1)


@pytest.mark.long
def test_two_million_messages_to_a_mido_that_pauses_five_seconds(start_peer):
    push_to_a_pausing_mido(start_peer, count=2_000_000, pause=5)


def test_a_port_that_pauses_gets_everything_from_mido_in_order(start_peer):
    count = 100_000
    with Port.listen(accept_mode=midisock.ACCEPT_MANUAL, in_queue_bytes=4096) as server:
        peer = start_peer("flood", server.number, count)
        with server.accept() as port:
            # More messages than fit into the queue are under way when the first one is taken.
            midisock.check(port.wait(midisock.WAIT_MESSAGE), "wait for a message")
            for number in range(count):
                assert port.receive().data == numbered(number), f"message {number}"
            assert peer.says() == {"sent": count}
            stats = port.stats()
            assert (stats.messages_in, stats.dropped_in) == (count, 0)


@pytest.mark.parametrize("mode", ["merged", "accepted"])
def test_a_chord_from_mido_is_not_spread_by_delayed_acknowledgements(mode):
    """mido leaves Nagle's algorithm on: the second note of a chord waits for the acknowledgement of the first. A peer that
    also sends would delay that by 40 ms, unless it asks for quick acknowledgements."""
    manual = mode == "accepted"
    with Port.listen(accept_mode=midisock.ACCEPT_MANUAL if manual else midisock.ACCEPT_MERGED,
                     wake=midisock.WAKE_SIGNAL) as server:
        peer = mido.sockets.connect("127.0.0.1", server.number)
        port = server.accept() if manual else server
        spreads = []
        for chord in range(20):
            for note in (60, 64, 67, 72):
                peer.send(mido.Message("note_on", note=note, velocity=chord + 1))
            notes = [port.receive() for _ in range(4)]
            spreads.append((notes[-1].time_ns - notes[0].time_ns) / 1e6)
            # Not earlier, because an answer to the first note would carry the acknowledgement.
            for note in notes:
                port.push(note.data)
            assert [peer.receive().note for _ in range(4)] == [60, 64, 67, 72]
        peer.close()
        if manual:
            port.close()
    # Without delay they arrive within 1 ms; with it they take 40.
    assert statistics.median(spreads) < 20, f"ms from first to last note: {spreads}"
