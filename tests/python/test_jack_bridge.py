"""midisock-jack between a real JACK server and midisock, mido and itself."""

import os
import re
import signal
import socket
import subprocess
import time

import mido
import pytest

import midisock_ctypes as midisock
from conftest import Link, mido_server, until
from jack_rig import PERIOD, RATE, Probe, Server, held, may_be_realtime, network_priority, server  # noqa: F401  a fixture
from midisock_ctypes import DEADLINE, Port
from numbered import numbered
from relay import Relay
from tool import BIN, Tool, run

ON, OFF = (bytes((0x90, 60, 100)), bytes((0x80, 60, 64)))
PEDAL, NO_PEDAL = (bytes((0xB0, 64, 127)), bytes((0xB0, 64, 0)))
# One of each kind. Notes end at once, so that none is held.
EVERY_KIND = [mido.Message.from_hex(text) for text in (
    "90 3C 64", "A0 3C 20", "80 3C 40", "B1 07 7F", "C2 05", "D3 40", "E4 00 60", "F0 7D 01 02 F7",
    "F1 35", "F2 10 20", "F3 07", "F6", "F8", "FA", "FB", "FC", "FE")]


def bridge(name, *arguments):
    return Tool("midisock-jack", "--name", name, "--verbose", *arguments)


def strict_bridge(name, *arguments):
    """A port that drops nothing, however late a busy machine is."""
    return bridge(name, "--wait", *arguments)


def receive_some(peer):
    peer.settimeout(DEADLINE)
    data = peer.recv(1 << 16)
    assert data, "the connection ended"
    return data


def receive(peer, size):
    data = b""
    while len(data) < size:
        data += receive_some(peer)
    return data


def client_is_there(server, name):
    until(lambda: f"{name}:out" in server.ports() or f"{name}:in" in server.ports(), f"client {name}")


def wired(server, name, probe):
    """Connects the probe with the bridge's two ports."""
    server.connect("probe:out", f"{name}:in")
    server.connect(f"{name}:out", f"probe:{probe}")


def knows_its_wires(tool, probe):
    tool.line_with("port 'in' is connected from probe:out")
    tool.line_with(f"port 'out' is connected to probe:{probe}")


def ends_well(tool, number=signal.SIGINT):
    tool.interrupt(number)
    assert tool.status() == 0, tool.errors


# -- the command line


def test_help_and_version_are_a_tools():
    finished = run("midisock-jack", "--help")
    assert finished.returncode == 0 and finished.stderr == ""
    assert finished.stdout.startswith("midisock-jack - ")
    for word in ("Usage:", "JACK:", "Network:", "--help", "Exit status", "Examples:"):
        assert word in finished.stdout
    assert max(map(len, finished.stdout.splitlines())) <= 80
    version = midisock.call("version_string").decode()
    assert run("midisock-jack", "-V").stdout == f"midisock-jack {version} (libmidisock {version})\n"


@pytest.mark.parametrize("arguments", [
    ["--no-such-option"], ["--in"], ["--in", ""], ["--in", "a:b"], ["--in", "a=16"], ["--in", "a=3-1"],
    ["--in", "a="], ["--in", "a=1,"], ["--in", "a=system,no-system"], ["--in", "a", "--out", "a"],
    ["--in", "a", "--to", "x:y"], ["--out", "a", "--from", "x:y"], ["--latency", "soon"], ["--latency", "-1"],
    ["--latency", ""], ["--priority", "100"], ["--connect", "host:0"], ["one:9080", "two:9080"],
    [word for n in range(17) for word in ("--in", f"port-{n}")],
])
def test_mistakes_are_named_and_status_2(arguments):
    finished = run("midisock-jack", *arguments)
    assert finished.returncode == 2, finished
    assert finished.stdout == ""
    assert finished.stderr.startswith("midisock-jack: ") and "midisock-jack --help" in finished.stderr


def test_without_a_jack_server(monkeypatch, tmp_path):
    Server(monkeypatch, tmp_path / "jackd.log").end()
    finished = run("midisock-jack", "--no-wait", "127.0.0.1:0")
    assert finished.returncode == 1
    assert finished.stderr.startswith("midisock-jack: there is no JACK server 'midisock-")


def test_an_address_in_use_is_an_error(server):
    with Port.listen() as other:
        finished = run("midisock-jack", f"127.0.0.1:{other.number}")
        assert finished.returncode == 1
        assert midisock.call("strerror", midisock.ERR_ADDRESS_IN_USE).decode() in finished.stderr


def test_it_is_quiet_when_all_is_well(server):
    with Tool("midisock-jack", "127.0.0.1:0") as tool, Probe("probe", "end") as probe:
        with Port.connect("127.0.0.1", tool.port()) as client:
            client.wait_connected()
            wired(server, "midisock", "end")
            probe.play(ON, OFF)
            assert [client.receive().data for _ in range(2)] == [ON, OFF]
            client.push(ON)
            client.push(OFF)
            probe.hears("end", ON, OFF)
        tool.interrupt()
        assert tool.status() == 0
        assert tool.line() is None  # nothing after `listening on`
        assert [line for line in tool.errors.splitlines() if line.startswith("midisock-jack")] == []


# -- with mido at the other end


def test_every_kind_of_message_with_mido_as_client(server):
    with strict_bridge("b", "127.0.0.1:0") as tool, Probe("probe", "end") as probe:
        peer = mido.sockets.connect("127.0.0.1", tool.port())
        tool.line_with("joined")
        wired(server, "b", "end")
        pass_every_kind(probe, peer)
        ends_well(tool)
        peer.close()


def test_every_kind_of_message_with_mido_as_server(server):
    mido_port, number = mido_server()
    with strict_bridge("b", "--connect", f"127.0.0.1:{number}") as tool, Probe("probe", "end") as probe:
        peer = until(lambda: mido_port.accept(block=False), "connection at mido's server")
        tool.line_with("connected to")
        wired(server, "b", "end")
        pass_every_kind(probe, peer)
        ends_well(tool)
        peer.close()
    mido_port.close()


def pass_every_kind(probe, peer):
    for message in EVERY_KIND:
        peer.send(message)
    probe.hears("end", *(m.bytes() for m in EVERY_KIND))
    probe.play(*(m.bytes() for m in EVERY_KIND))
    assert Link(None, peer).peer_receives(len(EVERY_KIND)) == EVERY_KIND


def test_long_sysex_and_a_burst_larger_than_a_buffer_of_jacks(server):
    # JACK's buffers hold some 30 KB; the queues that --max-message asks for hold the burst.
    long = bytes((0xF0, 0x7D, *(n % 128 for n in range(20000)), 0xF7))
    burst = [numbered(n) for n in range(6000)]
    with strict_bridge("b", "--max-message", 100000, "127.0.0.1:0") as tool, Probe("probe", "end") as probe:
        with Port.connect("127.0.0.1", tool.port(), in_queue_bytes=1 << 20, out_queue_bytes=1 << 20,
                          max_message_bytes=100000) as client:
            client.wait_connected()
            wired(server, "b", "end")
            for message in (long, long, *burst, long):
                client.push(message)
            probe.hears("end", long, long, *burst, long)
            probe.play(long)
            probe.play(*burst[:1500])
            probe.play(long)
            assert [client.receive().data for _ in range(1502)] == [long, *burst[:1500], long]
        ends_well(tool)


def test_what_cannot_pass_is_counted_and_harms_nothing(server):
    with strict_bridge("b", "127.0.0.1:0") as tool, Probe("probe", "end") as probe:
        with Port.connect("127.0.0.1", tool.port()) as client:
            client.wait_connected()
            wired(server, "b", "end")
            # Running status, half a SysEx, a SysEx longer than --max-message: JACK forbids the first two.
            probe.play(bytes((60, 100)), bytes((0xF0, 1, 2)), bytes((0xF0, *([1] * 17000), 0xF7)), ON, OFF)
            assert [client.receive().data for _ in range(2)] == [ON, OFF]
        tool.interrupt()
        assert tool.status() == 0
        assert "events from JACK that are no whole message, or too long: 3" in tool.errors


@pytest.mark.parametrize("events, expected", [
    # JACK's own drivers give a long SysEx in parts.
    (["f07d01", "0203", "04f7"], ["f07d01020304f7"]),
    (["f0" + "01" * 200, "02" * 200 + "f7"], ["f0" + "01" * 200 + "02" * 200 + "f7"]),
    (["f07d01", "f8", "02f7"], ["f8", "f07d0102f7"]),
    (["f07df801f7"], ["f8", "f07d01f7"]),
    (["903c40803c40"], ["903c40", "803c40"]),
    (["f07d01", "903c40"], ["903c40"]),
], ids=["in parts", "long parts", "a clock between parts", "a clock inside", "two in one", "cut off"])
def test_events_of_any_form_are_read_as_a_stream(server, events, expected):
    with strict_bridge("b", "127.0.0.1:0") as tool, Probe("probe", "end") as probe:
        with Port.connect("127.0.0.1", tool.port()) as client:
            client.wait_connected()
            wired(server, "b", "end")
            for together in (True, False):
                if together:
                    probe.play(*map(bytes.fromhex, events))
                else:
                    for event in events:
                        probe.play(bytes.fromhex(event))
                assert [client.receive().data.hex() for _ in expected] == expected
        tool.interrupt()
        assert tool.status() == 0
        lost = "events from JACK that are no whole message, or too long: 2" in tool.errors
        assert lost == (events[-1] == "903c40"), tool.errors


def test_what_cannot_pass_is_told_when_it_happens(server):
    with strict_bridge("b", "127.0.0.1:0") as tool, Probe("probe", "end") as probe:
        with Port.connect("127.0.0.1", tool.port()) as client:
            client.wait_connected()
            wired(server, "b", "end")
            probe.play(bytes((0xF4,)))
            tool.complains("no whole message, or too long: 1")
        ends_well(tool)


def test_what_a_slow_peer_has_no_room_for_leaves_nothing_hanging(server):
    """With --wait, messages without room are lost; messages that end something are sent as soon as there is room."""
    def lost(tool):
        return max(map(int, re.findall(r"left no room for: (\d+)", tool.told())), default=0)

    def play_until(condition, messages):
        deadline = time.monotonic() + DEADLINE
        while not condition():
            assert time.monotonic() < deadline, "there is always room"
            played = len(probe.heard("end"))
            probe.play(*messages)
            until(lambda: len(probe.heard("end")) >= played + len(messages), "all of it played")

    with strict_bridge("b", "127.0.0.1:0") as tool, Probe("probe", "end") as probe:
        with socket.socket() as peer:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            peer.connect(("127.0.0.1", tool.port()))
            tool.line_with("joined from")
            server.connect("probe:out", "b:in")
            server.connect("probe:out", "probe:end") # so it is seen what JACK has played
            probe.play(ON, PEDAL)
            until(lambda: len(probe.heard("end")) >= 2, "all of it played")
            assert receive(peer, len(ON + PEDAL)) == ON + PEDAL
            # More than queue and sockets hold, while the peer reads nothing; then what ends note and pedal.
            play_until(lambda: lost(tool) > 0, [bytes((0xF0, 0x7D, *[1] * 14000, 0xF7))])
            before = lost(tool)
            # Into the room that is too small for those.
            play_until(lambda: lost(tool) >= before + 3000, [bytes((0xF8,))] * 1500)
            probe.play(OFF, NO_PEDAL)
            until(lambda: NO_PEDAL in probe.heard("end")[-1:], "all of it played")
            got = b""
            while OFF not in got or NO_PEDAL not in got:
                got = got[-8:] + receive_some(peer)
        ends_well(tool)


# -- ports and channels


def test_ports_take_their_channels(server):
    options = ["--out", "drums=9", "--out", "low=0-3,no-system", "--out", "clock=system", "--out", "all",
               "--in", "keys=0,2-3,no-system", "--in", "other=system"]
    with strict_bridge("b", *options, "127.0.0.1:0") as tool, Probe("probe", "drums", "low", "clock", "all") as probe:
        with Port.connect("127.0.0.1", tool.port()) as client:
            client.wait_connected()
            for name in ("drums", "low", "clock", "all"):
                server.connect(f"b:{name}", f"probe:{name}")
            client.push(bytes((0xF8,)))
            notes = [bytes((0x90 | channel, 60, 0)) for channel in range(16)]
            for note in notes:
                client.push(note)
            client.push(bytes((0xFC,)))
            probe.hears("all", bytes((0xF8,)), *notes, bytes((0xFC,)))
            probe.hears("drums", bytes((0xF8,)), notes[9], bytes((0xFC,)))
            probe.hears("low", *notes[:4])
            probe.hears("clock", bytes((0xF8,)), bytes((0xFC,)))

            server.connect("probe:out", "b:keys")
            probe.play(*notes, bytes((0xF8,)))
            assert [client.receive().data for _ in range(3)] == [notes[0], notes[2], notes[3]]
            server.disconnect("probe:out", "b:keys")
            server.connect("probe:out", "b:other")
            probe.play(*notes, bytes((0xF8,)))
            assert client.receive().data == bytes((0xF8,))
        ends_well(tool)


def test_inputs_are_merged_in_order_of_time(server):
    with strict_bridge("b", "--in", "one", "--in", "two", "127.0.0.1:0") as tool:
        with Probe("probe") as probe, Port.connect("127.0.0.1", tool.port()) as client:
            client.wait_connected()
            # The same events come into both inputs, and 128 frames earlier ones before later ones.
            server.connect("probe:out", "b:one")
            server.connect("probe:out", "b:two")
            for offset in (10, 10, 200):
                probe.play(*(numbered(offset * 10 + n) for n in range(3)), offset=offset)
            got = [client.receive().data for _ in range(18)]
            assert got == [numbered(o * 10 + n) for o in (10, 10, 200) for side in range(2) for n in range(3)]
        ends_well(tool)


def test_a_server_that_merges_clients_and_sends_to_all(server):
    with strict_bridge("b", "127.0.0.1:0") as tool, Probe("probe", "end") as probe:
        number = tool.port()
        wired(server, "b", "end")
        # The second one leaves without its own Note Off.
        with Port.connect("127.0.0.1", number) as one, Port.connect("127.0.0.1", number, release_on_close=0) as two:
            for client in (one, two):
                client.wait_connected()
                tool.line_with("joined")
            probe.play(ON, OFF)
            for client in (one, two):
                assert [client.receive().data for _ in range(2)] == [ON, OFF]
            # The same note by both: it ends with the second release.
            one.push(ON)
            probe.hears("end", ON)
            two.push(ON)
            probe.hears("end", ON, ON)
            two.close()
            tool.line_with("left")
            one.push(bytes((0xB0, 7, 1)))
            until(lambda: bytes((0xB0, 7, 1)) in probe.heard("end"), "controller")
            assert OFF not in probe.heard("end"), "a note that the other client holds was released"
            one.push(OFF)
            until(lambda: OFF in probe.heard("end"), "note off")
        ends_well(tool)


# -- no hanging notes


def test_ctrl_c_releases_what_sounds_in_jack_and_on_the_network(server):
    with bridge("b", "127.0.0.1:0") as tool, Probe("probe", "end") as probe:
        with Port.connect("127.0.0.1", tool.port(), reconnect_max_ms=0) as client:
            client.wait_connected()
            wired(server, "b", "end")
            client.push(ON)
            client.push(bytes((0xB0, 64, 127)))
            probe.play(ON, bytes((0xB0, 64, 127)))
            assert [client.receive().data for _ in range(2)] == [ON, bytes((0xB0, 64, 127))]
            until(lambda: len(probe.heard("end")) == 2, "note and pedal")
            ends_well(tool)
            until(lambda: not held(probe.heard("end")), "release in JACK")
            got = [ON, bytes((0xB0, 64, 127))]
            while held(got):
                got.append(client.receive().data)


def test_a_player_that_goes_away_in_jack_leaves_nothing_behind(server):
    with bridge("b", "127.0.0.1:0") as tool:
        with Port.connect("127.0.0.1", tool.port()) as client:
            client.wait_connected()
            with Probe("probe") as probe:
                server.connect("probe:out", "b:in")
                tool.line_with("port 'in' is connected")
                probe.play(ON, bytes((0x91, 61, 100)))
                assert [client.receive().data for _ in range(2)] == [ON, bytes((0x91, 61, 100))]
            got = [ON, bytes((0x91, 61, 100))]
            while held(got):
                got.append(client.receive().data)
            # It comes back, and so does its connection.
            with Probe("probe"):
                until(lambda: server.connected("probe:out", "b:in"), "connection made again")
        ends_well(tool)


def test_a_connection_that_somebody_takes_away_stays_away(server):
    with bridge("b", "127.0.0.1:0") as tool:
        with Probe("probe", "end"):
            wired(server, "b", "end")
            knows_its_wires(tool, "end")
            server.disconnect("probe:out", "b:in")
            tool.line_with("port 'in' is no more connected from probe:out")
        with Probe("probe", "end"):
            tool.line_with("port 'out' is connected to probe:end")
            # It saw to all of its connections then.
            assert not server.connected("probe:out", "b:in")
        ends_well(tool)


def test_a_connection_by_an_alias_can_be_taken_away(server):
    with Probe("probe", "end"):
        subprocess.run(["jack_alias", "probe:out", "a-keyboard"], check=True, stdin=subprocess.DEVNULL, capture_output=True)
        with bridge("b", "--from", "a-keyboard", "127.0.0.1:0") as tool:
            tool.line_with("port 'in' is connected from probe:out")
            server.disconnect("probe:out", "b:in")
            tool.line_with("port 'in' is no more connected from probe:out")
            assert not server.connected("probe:out", "b:in")
            ends_well(tool)


def test_one_of_two_players_that_goes_leaves_nothing_behind(server):
    with bridge("b", "127.0.0.1:0") as tool, Probe("stays"):
        with Port.connect("127.0.0.1", tool.port()) as client:
            client.wait_connected()
            server.connect("stays:out", "b:in")
            with Probe("goes") as probe:
                server.connect("goes:out", "b:in")
                tool.line_with("connected from goes:out")
                probe.play(ON)
                assert client.receive().data == ON
            assert client.receive().data == OFF
        ends_well(tool)


def test_jack_is_waited_for_and_its_ports_connected_when_they_come(monkeypatch, tmp_path):
    server = Server(monkeypatch, tmp_path / "jackd.log")
    try:
        with bridge("b", "--from", "probe:out", "--to", "probe:end", "127.0.0.1:0") as tool:
            number = tool.port()
            tool.line_with("waiting for it")
            server.start()
            tool.line_with(f"JACK is there: client 'b', {RATE} Hz, {PERIOD} frames")
            with Probe("probe", "end") as probe, Port.connect("127.0.0.1", number) as client:
                client.wait_connected()
                until(lambda: server.connected("probe:out", "b:in") and server.connected("b:out", "probe:end"),
                      "connections")
                probe.play(ON, OFF)
                assert [client.receive().data for _ in range(2)] == [ON, OFF]
            ends_well(tool)
    finally:
        server.end()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_jack_stops_and_starts_again_with_notes_held(server, number):
    with bridge("b", "127.0.0.1:0") as tool:
        with Port.connect("127.0.0.1", tool.port()) as client:
            client.wait_connected()
            sent = [bytes((0x90, note, 100)) for note in range(60, 70)]
            with Probe("probe", "end") as probe:
                wired(server, "b", "end")
                knows_its_wires(tool, "end")
                probe.play(*sent)
                got = [client.receive().data for _ in sent]
                assert got == sent
                for message in sent:
                    client.push(message)
                probe.hears("end", *sent)
                server.stop(number)
                tool.line_with("has gone")
                until(lambda: probe.look().gone, "end of JACK at the probe")
            # What JACK's side held ends at the network's.
            while held(got):
                got.append(client.receive().data)
            # Meanwhile the network's side goes on: half of its notes end, others begin and end.
            for message in sent[:5]:
                client.push(bytes((0x80, message[1], 64)))
            client.push(bytes((0x95, 30, 100)))
            client.push(bytes((0x85, 30, 64)))
            client.push(bytes((0xC0, 17)))
            client.flush()
            server.start()
            tool.line_with("JACK is there")
            with Probe("probe", "end") as probe:
                until(lambda: server.connected("probe:out", "b:in") and server.connected("b:out", "probe:end"),
                      "connections as they were")
                for message in sent[5:]:
                    client.push(bytes((0x80, message[1], 64)))
                client.push(ON)
                client.push(OFF)
                until(lambda: ON in probe.heard("end") and OFF in probe.heard("end")[-1:], "a note after it")
                # Struck late is nothing, and nothing is left.
                assert [m for m in probe.heard("end") if m[0] & 0xF0 == 0x90] == [ON]
                assert not held(probe.heard("end"))
                probe.play(ON, OFF)
                assert [client.receive().data for _ in range(2)] == [ON, OFF]
        tool.interrupt()
        assert tool.status() == 0


def test_the_network_is_cut_and_comes_back_with_notes_held(server):
    with bridge("near", "127.0.0.1:0") as near, Relay(near.port()) as relay, \
            bridge("far", "--connect", f"127.0.0.1:{relay.port}") as far, Probe("probe", "near", "far") as probe:
        far.line_with("connected to")
        near.line_with("joined")
        server.connect("near:out", "probe:near")
        server.connect("far:out", "probe:far")
        for name in ("near", "far"):
            server.connect("probe:out", f"{name}:in")
        notes = [bytes((0x90, note, 100)) for note in range(40, 60)]
        pedal = bytes((0xB0, 64, 127))
        for _ in range(3):
            probe.forget()
            # Both hold the same: each plays what goes to the other.
            probe.play(*notes, pedal)
            for side in ("near", "far"):
                probe.hears(side, *notes, pedal)
            relay.cut()
            far.line_with("disconnected from")
            near.line_with("left")
            for side in ("near", "far"):
                until(lambda: not held(probe.heard(side)), f"release at {side}")
            # Let go of while there is no network, and one more is played into the void.
            probe.play(*(bytes((0x80, m[1], 64)) for m in notes), ON, OFF, bytes((0xB0, 64, 0)))
            relay.restore()
            far.line_with("connected to")
            near.line_with("joined")
            probe.play(bytes((0x92, 1, 1)), bytes((0x82, 1, 1)))
            for side in ("near", "far"):
                until(lambda: bytes((0x82, 1, 1)) in probe.heard(side), f"a note after it at {side}")
                assert not held(probe.heard(side))
                assert ON not in probe.heard(side), "a note was struck late"
        ends_well(far)
        near.line_with("left")
        ends_well(near)


def test_freewheeling_passes_everything_and_comes_back(server):
    with bridge("b", "127.0.0.1:0") as tool, Probe("probe", "end") as probe:
        with Port.connect("127.0.0.1", tool.port()) as client:
            client.wait_connected()
            wired(server, "b", "end")
            sent = []
            for on in (True, False):
                probe.freewheel(on)
                for note in range(20):
                    message = bytes((0x90, note, 1 + on))
                    client.push(message)
                    sent.append(message)
                probe.hears("end", *sent)
                if on:
                    assert {event.offset for event in probe.events["end"]} == {0}
        ends_well(tool)


# -- priorities


def test_the_network_thread_is_as_realtime_as_jack_is(monkeypatch, tmp_path):
    if not may_be_realtime():
        pytest.skip("this user is not given realtime priorities")
    server = Server(monkeypatch, tmp_path / "jackd.log")
    try:
        with bridge("auto", "127.0.0.1:0") as auto, bridge("none", "--priority", 0, "127.0.0.1:0") as none, \
                bridge("own", "--priority", 7, "127.0.0.1:0") as own:
            tools = (auto, none, own)

            def have(*wanted):
                for tool in tools:
                    tool.line_with("JACK is there")
                until(lambda: tuple(map(network_priority, tools)) == wanted, f"priorities {wanted}")

            for tool in tools:
                tool.line_with("waiting for it")
            # jackd's clients have 5 less than it has.
            for priority, wanted in ((70, 64), (0, 0), (30, 24)):
                server.start(priority)
                have(wanted, 0, 7)
                server.stop()
                for tool in tools:
                    tool.line_with("has gone")
            for tool in tools:
                ends_well(tool)
    finally:
        server.end()


def test_without_the_right_to_a_priority_it_works_and_says_so_if_asked(monkeypatch, tmp_path):
    unprivileged = ["/usr/bin/prlimit", "--rtprio=0"]
    if os.geteuid() == 0:
        unprivileged += ["setpriv", "--bounding-set", "-sys_nice"]
    server = Server(monkeypatch, tmp_path / "jackd.log")
    try:
        server.start(70 if may_be_realtime() else 0)
        for options, says in (([], False), (["--priority", "5"], True)):
            with Tool(*unprivileged, BIN / "midisock-jack", "--name", "b", *options, "127.0.0.1:0") as tool:
                with Probe("probe", "end") as probe, Port.connect("127.0.0.1", tool.port()) as client:
                    client.wait_connected()
                    wired(server, "b", "end")
                    probe.play(ON, OFF)
                    assert [client.receive().data for _ in range(2)] == [ON, OFF]
                    assert network_priority(tool) == 0
                ends_well(tool)
                assert ("no realtime priority for the network thread" in tool.errors) == says, tool.errors
                assert says or "midisock-jack" not in tool.errors, tool.errors
    finally:
        server.end()


# -- latency in JACK


def latency(kind, port):
    text = subprocess.run(["jack_lsp", "-l", port], stdin=subprocess.DEVNULL, capture_output=True, text=True).stdout
    found = re.search(rf"{kind} latency = \[ (\d+) (\d+) \]", text)
    return found and (int(found[1]), int(found[2]))


def test_another_period_and_back(server):
    """The latencies change; messages that wait meanwhile are neither lost nor duplicated."""
    with strict_bridge("b", "127.0.0.1:0") as tool, Probe("probe", "end") as probe:
        with Port.connect("127.0.0.1", tool.port()) as client:
            client.wait_connected()
            wired(server, "b", "end")
            sent = 0
            for period in (PERIOD, 4 * PERIOD, PERIOD, PERIOD // 2):
                subprocess.run(["jack_bufsize", str(period)], check=True, stdin=subprocess.DEVNULL, capture_output=True)
                most = period + period // 2  # the library may add what its network thread was measured to lag
                until(lambda: (told := latency("capture", "b:out")) and period <= told[0] < most,
                      f"a capture latency of {period} frames")
                until(lambda: latency("playback", "b:in") == (period, period), f"a playback latency of {period} frames")
                probe.forget()
                messages = [numbered(sent + n) for n in range(50)]
                sent += len(messages)
                for message in messages:
                    client.push(message)
                probe.play(*messages)
                probe.hears("end", *messages)
                assert [client.receive().data for _ in messages] == messages
        ends_well(tool)


@pytest.mark.parametrize("asks", [True, False])
def test_sender_time_is_asked_for_with_the_option_only(server, asks):
    with Port.listen("127.0.0.1", name=b"stage") as port:
        with bridge("b", *["--sender-time"] * asks, "--connect", f"127.0.0.1:{port.number}") as tool, \
                Probe("probe", "end") as probe:
            port.notified(midisock.NOTIFY_CLIENT_JOINED)
            if asks:
                tool.line_with("told its name: stage")
                tool.line_with("clock known")
                port.notified(midisock.NOTIFY_CLOCK_LOCKED)
            wired(server, "b", "end")
            port.push(ON)
            probe.hears("end", ON)
            probe.play(OFF)
            assert bool(port.receive().flags & midisock.FLAG_TIMED) == asks
            tool.interrupt()
            lines = []
            while (line := tool.line()) is not None:
                lines.append(line)
            assert any("messages with the sender's time: 1, too late for the latency: " in line for line in lines) == asks
            assert tool.status() == 0


@pytest.mark.parametrize("option, captured, played", [("auto", PERIOD, PERIOD), ("20", 960, PERIOD), ("0", 0, 0)])
def test_jack_is_told_the_latency(server, option, captured, played):
    with bridge("b", "--latency", option, "127.0.0.1:0") as tool:
        client_is_there(server, "b")
        # The library may add what its network thread was measured to lag.
        most = captured + (4800 if option == "auto" else 0)
        until(lambda: (told := latency("capture", "b:out")) and told[0] == told[1] and captured <= told[0] <= most,
              f"a capture latency of {captured} frames")
        until(lambda: latency("playback", "b:in") == (played, played), f"a playback latency of {played} frames")
        ends_well(tool)
