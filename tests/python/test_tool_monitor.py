"""midisock-monitor."""

import json
import re

import mido
import pytest

import midisock_ctypes as midisock
from conftest import mido_server, until
from midisock_ctypes import Port
from tool import WINDOWS, Tool, run

# Messages, and the monitor's expected output as words and as JSON.
MESSAGES = [
    ("90 3c 64", "note-on 0 60 100  (C4)",
     {"type": "note-on", "channel": 0, "note": 60, "velocity": 100, "name": "C4"}),
    ("8f 00 7f", "note-off 15 0 127",
     {"type": "note-off", "channel": 15, "note": 0, "velocity": 127}),
    ("a1 40 10", "poly-pressure 1 64 16",
     {"type": "poly-pressure", "channel": 1, "note": 64, "value": 16}),
    ("b2 07 65", "cc 2 7 101", {"type": "cc", "channel": 2, "control": 7, "value": 101}),
    ("c3 05", "program 3 5", {"type": "program", "channel": 3, "program": 5}),
    ("d4 11", "pressure 4 17", {"type": "pressure", "channel": 4, "value": 17}),
    ("e5 00 00", "bend 5 -8192", {"type": "bend", "channel": 5, "pitch": -8192}),
    ("e5 7f 7f", "bend 5 8191", {"type": "bend", "channel": 5, "pitch": 8191}),
    ("f0 7e 7f 06 01 f7", "sysex 7e 7f 06 01", {"type": "sysex"}),
    ("f1 73", "quarter-frame 7 3",
     {"type": "quarter-frame", "frame_type": 7, "frame_value": 3}),
    ("f2 01 02", "song-position 257", {"type": "song-position", "pos": 257}),
    ("f3 09", "song-select 9", {"type": "song-select", "song": 9}),
    ("f6", "tune-request", {"type": "tune-request"}),
    ("f8", "clock", {"type": "clock"}),
    ("fa", "start", {"type": "start"}),
    ("fb", "continue", {"type": "continue"}),
    ("fc", "stop", {"type": "stop"}),
    ("fe", "active-sensing", {"type": "active-sensing"}),
    ("ff", "reset", {"type": "reset"}),
]


def send_all(number):
    """Sends them to a server with mido, which stays connected until the test closes it."""
    peer = mido.sockets.connect("127.0.0.1", number)
    for data, _, _ in MESSAGES:
        peer.send(mido.Message.from_hex(data))
    return peer


def test_each_message_is_a_line_with_time_and_client():
    with Tool("midisock-monitor", "0", "--count", len(MESSAGES)) as monitor:
        peer = send_all(monitor.port())
        assert "joined from 127.0.0.1:" in monitor.line()
        last = 0.0
        for _, words, _ in MESSAGES:
            time, client, text = monitor.line().split(None, 2)
            assert float(time) >= last and re.fullmatch(r"#\d+", client)
            assert text.startswith(words), text
            last = float(time)
        assert monitor.status() == 0
        peer.close()


def test_json_is_an_object_a_line():
    with Tool("midisock-monitor", "--json", "127.0.0.1:0", "-n", len(MESSAGES)) as monitor:
        number = monitor.port()
        peer = send_all(number)
        joined = monitor.event("joined")
        assert joined["address"] == "127.0.0.1:{}".format(peer._socket.getsockname()[1])
        for data, _, fields in MESSAGES:
            event = monitor.event("message")
            assert event["client"] == joined["client"]
            assert event["hex"] == data
            assert {key: event.get(key) for key in fields} == fields
            assert abs(event["time_ns"] / 1e9 - event["time"]
                       - joined["time_ns"] / 1e9 + joined["time"]) < 1e-5
        assert monitor.status() == 0
        peer.close()


def test_joins_and_leaves_are_told():
    with Tool("midisock-monitor", "--json", "0") as monitor:
        number = monitor.port()
        with Port.connect("127.0.0.1", number) as client:
            client.wait_connected()
            joined = monitor.event("joined")
        left = monitor.event("left")
        assert left["client"] == joined["client"]
        assert "reason" not in left


def test_quiet_filters_and_full():
    with Tool("midisock-monitor", "0", "-q", "--full", "--channel", "1", "--no-realtime",
              "--time", "none", "-n", "2") as monitor:
        with Port.connect("127.0.0.1", monitor.port()) as client:
            client.wait_connected()
            long_sysex = bytes([0xF0, *range(100), 0xF7])
            for data in (b"\xf8", b"\x90\x3c\x01", long_sysex, b"\xb1\x07\x02"):
                client.push(data)
            assert re.fullmatch("sysex " + long_sysex[1:-1].hex(" ") + r"  #\d+", monitor.line())
            assert monitor.line().startswith("cc 1 7 2")
            assert monitor.status() == 0


def test_it_connects_to_a_mido_server_and_again_to_the_next():
    server, number = mido_server()
    with Tool("midisock-monitor", "--connect", "--json", f"127.0.0.1:{number}") as monitor:
        peer = until(lambda: server.accept(block=False), "connection")
        peer.send(mido.Message("note_on", note=1))
        assert monitor.event("message")["hex"] == "90 01 40"
        peer.close()
        server.close()
        del peer, server
        monitor.event("disconnected")
        with Port.listen("127.0.0.1", number, listen_retry_ms=10000) as second:
            monitor.event("connected")
            second.notified(midisock.NOTIFY_CLIENT_JOINED)
            second.push(b"\x90\x02\x40")
            assert monitor.event("message")["hex"] == "90 02 40"
        monitor.interrupt()
        assert monitor.status() == 0


def test_timeout_before_count_is_status_3():
    assert run("midisock-monitor", "0", "--timeout", "0.05", "--count", "1").returncode == 3
    assert run("midisock-monitor", "0", "--timeout", "0.05").returncode == 0


@pytest.mark.parametrize("allow, allowed", [("127.0.0.0/8,::1", True), ("10.0.0.0/8", False)])
def test_allow_says_who_may_connect(allow, allowed):
    with Tool("midisock-monitor", "--json", "--allow", allow, "127.0.0.1:0") as monitor:
        number = monitor.port()
        with Port.connect("127.0.0.1", number, reconnect_max_ms=0) as client:
            if allowed:
                client.wait_connected()
                client.push(b"\xf8")
                assert monitor.event("message")["hex"] == "f8"
            else:
                until(lambda: client.state == midisock.STATE_CLOSED, "refusal")
        monitor.interrupt()
        assert monitor.status() == 0
        rest = []
        while (line := monitor.line()) is not None:
            rest.append(json.loads(line)["event"])
        assert allowed or rest == []


def test_time_sent_shows_both_times_of_a_client_that_asks():
    with Tool("midisock-monitor", "0", "--time", "sent", "--count", "2") as monitor:
        number = monitor.port()
        with Port.connect("127.0.0.1", number, name="Bühne".encode(), timing=midisock.TIMING_SENDER) as client:
            assert monitor.line_with("told its name").endswith("told its name: Bühne")
            monitor.line_with("clock known: messages have the sender's time")
            client.notified(midisock.NOTIFY_CLOCK_LOCKED)
            client.push(b"\x90\x3c\x64")
            came, sent, who, text = monitor.line().split(None, 3)
            assert 0 < float(sent) <= float(came) + client.stats().clock_error_ns / 1e9 + 1e-6
            assert who.startswith("#") and text.startswith("note-on 0 60 100")
            with Port.connect("127.0.0.1", number) as plain:
                plain.wait_connected()
                plain.push(b"\xfa")
                came, sent, who, text = monitor.line_with("start").split(None, 3)
                assert sent == "-" and text == "start"
        assert monitor.status() == 0


def test_time_sent_asks_the_server_it_connects_to():
    with Port.listen("127.0.0.1", name=b"stage") as server:
        for form, asked in (("start", False), ("sent", True)):
            with Tool("midisock-monitor", "--connect", "--json", "--time", form, "--count", "1",
                      f"127.0.0.1:{server.number}") as monitor:
                monitor.event("connected")
                server.notified(midisock.NOTIFY_CLIENT_JOINED)
                if asked:
                    assert monitor.event("named")["name"] == "stage"
                    monitor.event("clock-locked")
                    server.notified(midisock.NOTIFY_CLOCK_LOCKED)
                pushed = midisock.call("now_ns")
                server.push(b"\x90\x3c\x64")
                message = monitor.event("message")
                assert ("sent_ns" in message) == asked
                if asked:
                    assert abs(message["time_ns"] - message["sent_ns"]) < 1e9
                    # The clock of wine is another one.
                    assert WINDOWS or (abs(message["sent_ns"] - pushed) < 1e9 and message["time_ns"] >= pushed)
                assert monitor.status() == 0


def test_what_time_sent_prints_is_read_by_send():
    lines = ("   1.000000     0.999000  #1   note-on 0 60 100  (C4)\n"
             "   1.000001    -0.000100  note-off 0 60 0\n"
             "   1.000002            -  #12  cc 0 7 1\n")
    with Port.listen("127.0.0.1") as server:
        assert run("midisock-send", f"127.0.0.1:{server.number}", "-", text=lines).returncode == 0
        assert server.receive_bytes(3) == [b"\x90\x3c\x64", b"\x80\x3c\x00", b"\xb0\x07\x01"]
