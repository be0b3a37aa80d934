"""midisock-send."""

import mido
import pytest

import midisock_ctypes as midisock
from midisock_ctypes import Port
from tool import Tool, run

WORDS = [
    ("note-on 0 60 100", "90 3c 64"),
    ("note-on 15 C4", "9f 3c 40"),
    ("note-on 1 F#3 1", "91 36 01"),
    ("note-off 2 Bb2 3", "82 2e 03"),
    ("poly-pressure 0 60 1", "a0 3c 01"),
    ("polytouch 0 60 2", "a0 3c 02"),
    ("cc 3 7 0x7f", "b3 07 7f"),
    ("control-change 3 7 0", "b3 07 00"),
    ("program 4 127", "c4 7f"),
    ("program-change 4 0", "c4 00"),
    ("pressure 5 9", "d5 09"),
    ("aftertouch 5 10", "d5 0a"),
    ("bend 6 -8192", "e6 00 00"),
    ("pitch-bend 6 8191", "e6 7f 7f"),
    ("bend 6 0", "e6 00 40"),
    ("sysex 7e 7f 06 01", "f0 7e 7f 06 01 f7"),
    ("song-position 257", "f2 01 02"),
    ("song-select 3", "f3 03"),
    ("quarter-frame 7 3", "f1 73"),
    ("tune-request", "f6"),
    ("clock", "f8"),
    ("start", "fa"),
    ("continue", "fb"),
    ("stop", "fc"),
    ("active-sensing", "fe"),
    ("reset", "ff"),
]


@pytest.fixture
def server():
    """A server that accepts long SysEx, loses nothing and adds nothing."""
    with Port.listen("127.0.0.1", in_queue_bytes=1 << 20, out_queue_bytes=1 << 20,
                     max_message_bytes=1 << 18, overflow=midisock.OVERFLOW_WAIT,
                     release_on_disconnect=0) as port:
        yield port


def address(server):
    return f"127.0.0.1:{server.number}"


def sent(server, *arguments, text=None):
    """Runs midisock-send. Returns what the server received, in hexadecimal."""
    finished = run("midisock-send", "--hold", *arguments, text=text)
    assert (finished.returncode, finished.stderr) == (0, ""), finished
    server.notified(midisock.NOTIFY_CLIENT_LEFT)
    messages = []
    while (message := server.pop()) is not None:
        messages.append(message.data.hex(" "))
    return messages


def test_words_are_messages(server):
    arguments = [word for words, _ in WORDS for word in words.split()]
    assert sent(server, address(server), *arguments) == [data for _, data in WORDS]


def test_hex_holds_any_whole_messages(server):
    assert sent(server, address(server), "hex", "90", "3c", "40", "f8", "f0", "01", "f7") == [
        "90 3c 40", "f8", "f0 01 f7"]


def test_commas_part_messages(server):
    assert sent(server, address(server), "program", "0", "19,", "bend", "0", "-2048") == [
        "c0 13", "e0 00 30"]


def test_words_come_from_standard_input(server):
    text = "note-on 0 60 1 # a comment\n\n# another\ncc 0 7 1, clock\n"
    assert sent(server, address(server), "-", text=text) == ["90 3c 01", "b0 07 01", "f8"]


def test_panic_is_all_sound_off(server):
    assert sent(server, address(server), "panic") == [f"b{c:x} 78 00" for c in range(16)]


def test_what_is_left_on_is_released_at_the_end(server):
    finished = run("midisock-send", address(server), "note-on", "0", "60", "cc", "1", "64", "127")
    assert finished.returncode == 0
    server.notified(midisock.NOTIFY_CLIENT_LEFT)
    assert server.receive_bytes(4) == [
        bytes.fromhex(m) for m in ("90 3c 40", "b1 40 7f", "80 3c 40", "b1 40 00")]
    assert server.pop() is None


@pytest.mark.parametrize("words", [
    "note-on", "note-on 0", "note-on 16 60", "note-on 0 128", "note-on 0 60 128", "note-on 0 H4",
    "cc 0 7", "bend 0 8192", "sysex 80", "hex 90 3c", "hex 3c 40", "hex zz",
    "song-position 16384", "no-such-word", "./no-such-file.syx", "sleep", "quarter-frame 8 0",
])
def test_mistakes_in_what_to_send_send_nothing(server, words):
    finished = run("midisock-send", address(server), "clock", *words.split())
    assert finished.returncode in (1, 2) and finished.stderr.startswith("midisock-send: ")
    assert server.stats().messages_in == 0


@pytest.mark.parametrize("nothing", [[], [","], [",", ","], [""], ["", ","]])
def test_nothing_to_send_is_a_mistake(server, nothing):
    finished = run("midisock-send", address(server), *nothing)
    assert finished.returncode == 2, finished
    assert finished.stderr.startswith("midisock-send: ")
    assert server.stats().connections == 0


def test_a_list_of_nobody_is_a_mistake():
    finished = run("midisock-send", "--listen", "--allow", "junk", "127.0.0.1:0", "clock")
    assert finished.returncode == 2, finished
    assert finished.stdout == ""
    assert finished.stderr.startswith("midisock-send: --allow: 'junk' ")


def test_a_syx_file_of_any_size_is_sent_whole(server, tmp_path):
    messages = [bytes([0xF0, 0x7D, number & 127, *(b % 128 for b in range(size)), 0xF7])
                for number, size in enumerate([0, 1, 100, 5000, 16381, 50_000, 100_000] * 10)]
    (tmp_path / "bank.syx").write_bytes(b"".join(messages))
    # It waits for room, so the server need not read as fast as it sends.
    with Tool("midisock-send", address(server), tmp_path / "bank.syx") as send:
        assert server.receive_bytes(len(messages)) == messages
        assert send.status() == 0 and send.errors == ""


def test_a_broken_syx_file_is_refused(server, tmp_path):
    (tmp_path / "broken.syx").write_bytes(b"\xf0\x01\x02")
    finished = run("midisock-send", address(server), tmp_path / "broken.syx")
    assert finished.returncode == 1 and "broken.syx" in finished.stderr


def song(path):
    """A MIDI file with two tracks, a change of tempo and a SysEx, and the expected messages as
    (seconds from the start, bytes)."""
    quarter = 480
    conductor = mido.MidiTrack([
        mido.MetaMessage("track_name", name="test song"),
        mido.MetaMessage("set_tempo", tempo=200_000),
        mido.MetaMessage("set_tempo", tempo=400_000, time=quarter),
    ])
    notes = mido.MidiTrack([
        mido.Message("program_change", program=5),
        mido.Message("note_on", note=60, velocity=100),
        mido.Message("note_off", note=60, velocity=0, time=quarter),
        mido.Message("sysex", data=(1, 2, 3), time=quarter // 2),
        mido.Message("note_on", note=62, velocity=100),
        mido.Message("note_off", note=62, velocity=0, time=quarter // 2),
    ])
    file = mido.MidiFile(type=1, ticks_per_beat=quarter, tracks=[conductor, notes])
    file.save(path)
    return [(0.0, "c0 05"), (0.0, "90 3c 64"), (0.2, "80 3c 00"), (0.4, "f0 01 02 03 f7"),
            (0.4, "90 3e 64"), (0.6, "80 3e 00")]


@pytest.mark.parametrize("speed", [100, 400])
def test_a_midi_file_is_played_in_time(server, tmp_path, speed):
    expected = song(tmp_path / "song.mid")
    finished = run("midisock-send", address(server), f"--speed={speed}", tmp_path / "song.mid")
    assert (finished.returncode, finished.stderr) == (0, "")
    received = [server.receive() for _ in expected]
    assert [m.data.hex(" ") for m in received] == [data for _, data in expected]
    times = [(m.time_ns - received[0].time_ns) / 1e9 for m in received]
    # On a busy machine each may be late: check the order and the approximate duration.
    assert times == sorted(times)
    assert 0.5 * 0.6 * 100 / speed < times[-1] < 0.6 * 100 / speed + 5


def test_ctrl_c_ends_a_song_and_releases_its_notes(server, tmp_path):
    track = mido.MidiTrack([
        mido.Message("note_on", note=60, velocity=100),
        mido.Message("note_off", note=60, time=480 * 1000),
    ])
    mido.MidiFile(ticks_per_beat=480, tracks=[track]).save(tmp_path / "long.mid")
    with Tool("midisock-send", address(server), tmp_path / "long.mid") as send:
        assert server.receive().data == b"\x90\x3c\x64"
        send.interrupt()
        assert send.status() == 130
    assert server.receive().data == b"\x80\x3c\x40"
    server.notified(midisock.NOTIFY_CLIENT_LEFT)
    assert server.pop() is None


def test_a_server_that_is_not_there_is_an_error():
    with Port.listen("127.0.0.1") as server:
        gone = address(server)
    finished = run("midisock-send", gone, "clock")
    assert finished.returncode in (1, 3)
    assert midisock.call("strerror", midisock.ERR_REFUSED).decode() in finished.stderr


def test_it_listens_for_a_client():
    with Tool("midisock-send", "--listen", "127.0.0.1:0", "note-on", "0", "60", "1") as send:
        number = send.port()
        with Port.connect("127.0.0.1", number, release_on_disconnect=0) as client:
            assert client.receive().data == b"\x90\x3c\x01"
            assert send.status() == 0
