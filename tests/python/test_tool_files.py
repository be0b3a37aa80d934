"""midisock-send with damaged files: what is whole is sent, the rest is named, and the exit status is 0."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios

import pytest

import midisock_ctypes as midisock
from midisock_ctypes import Port
from tool import BIN, WINDOWS, run

EOT = bytes.fromhex("00ff2f00")
NOTES = bytes.fromhex("00903c4000803c40")
PLAYED = ["90 3c 40", "80 3c 40"]


def track(events, end=EOT, length=None):
    events += end
    return b"MTrk" + (len(events) if length is None else length).to_bytes(4, "big") + events


def song(*tracks):
    return bytes.fromhex("4d546864 00000006 0001") + len(tracks).to_bytes(2, "big") + b"\0\x60" + b"".join(tracks)


@pytest.fixture
def server():
    with Port.listen("127.0.0.1", overflow=midisock.OVERFLOW_WAIT, release_on_disconnect=0) as port:
        yield port


def sent(server, *arguments):
    """Runs midisock-send to its end: what it printed, and what the server got."""
    finished = run("midisock-send", *arguments[:-1], f"127.0.0.1:{server.number}", arguments[-1])
    assert finished.returncode == 0, finished
    server.notified(midisock.NOTIFY_CLIENT_LEFT)
    messages = []
    while (message := server.pop()) is not None:
        messages.append(message.data.hex(" "))
    return finished.stderr, messages


# What is wrong with a file: the file, what is played, and what the warning says of it. tests/tools has more of them.
DAMAGED = {
    "the length of the only track": (song(track(NOTES, length=24)), PLAYED, "byte 18, track 1: its length is wrong"),
    "the length of the first track": (song(track(NOTES, length=15), track(bytes.fromhex("00c105"))),
                                      ["90 3c 40", "80 3c 40", "c1 05"], "byte 18, track 1: its length is wrong"),
    "the last byte": (song(track(NOTES))[:-1], PLAYED, "the End of Track is cut off"),
    "a track that is cut": (song(track(NOTES), track(bytes.fromhex("00913c40"))[:-6]), PLAYED, "ends inside an event"),
    "bytes behind it": (song(track(NOTES)) + b"\x1a" * 16, PLAYED, "byte 34: left out: 16 bytes behind"),
    "a tempo of 0": (song(track(bytes.fromhex("00ff5103000000") + NOTES)), PLAYED, "byte 23, track 1: left out: a tempo"),
    "a data byte": (song(track(bytes.fromhex("00b007ff") + NOTES)), PLAYED, "byte 23, track 1: left out: b0 07"),
    "a realtime byte": (song(track(b"\0\xf8" + NOTES)), ["f8", *PLAYED], "byte 23, track 1: f8"),
    "two MIDI ports": (song(track(bytes.fromhex("00ff210100") + NOTES), track(bytes.fromhex("00ff210101"))), PLAYED,
                       "several MIDI ports"),
    "an end that is far away": (song(track(NOTES, end=bytes.fromhex("ffffff7fff2f00"))), PLAYED, "is not waited for"),
    "bytes between SysEx": (bytes.fromhex("f07d01f7 0000 f07d02f7"), ["f0 7d 01 f7", "f0 7d 02 f7"], "byte 4: left out"),
    "a last F7": (bytes.fromhex("f07d01f7 f07d02"), ["f0 7d 01 f7"], "byte 4: left out: a SysEx without its F7"),
}


@pytest.mark.parametrize("quiet", [[], ["-q"]], ids=["", "quiet"])
@pytest.mark.parametrize("what", DAMAGED)
def test_a_damaged_file_is_played_with_a_warning(server, tmp_path, what, quiet):
    data, expected, warning = DAMAGED[what]
    path = tmp_path / "damaged"
    path.write_bytes(data)
    errors, messages = sent(server, *quiet, "--hold", f"{path.parent}/damaged")
    assert messages == expected
    assert warning in errors and errors.startswith("midisock-send: '")


@pytest.mark.parametrize("data, expected", [
    (bytes.fromhex("f07d01fe02f7"), ["fe", "f0 7d 01 02 f7"]),
    (song(track(bytes.fromhex("00f0077d01f7f07d02f7"))), ["f0 7d 01 f7", "f0 7d 02 f7"]),
    (song(track(bytes.fromhex("00f0047df801f7"))), ["f8", "f0 7d 01 f7"]),
])
def test_several_messages_in_one_place_are_all_sent(server, tmp_path, data, expected):
    path = tmp_path / "sound.file"
    path.write_bytes(data)
    assert sent(server, path) == ("", expected)


def test_many_faults_are_summed_up(server, tmp_path):
    path = tmp_path / "junk.syx"
    path.write_bytes(bytes.fromhex("f07d01f700") * 30)
    errors, messages = sent(server, path)
    assert len(messages) == 30
    assert len(errors.splitlines()) == 11 and errors.endswith("20 more warnings\n")


def test_a_file_without_a_message_is_refused(server, tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("buy milk\n")
    finished = run("midisock-send", f"127.0.0.1:{server.number}", path)
    assert finished.returncode == 1 and "no whole SysEx" in finished.stderr
    assert server.stats().connections == 0


def test_names_of_files_hold_nothing_that_a_terminal_obeys(server, tmp_path):
    finished = run("midisock-send", f"127.0.0.1:{server.number}", "./a\x1b[31m\u009b\u202e.mid")
    assert finished.returncode == 1
    assert finished.stderr.startswith("midisock-send: cannot open './a?[31m??.mid': ")


def on_a_terminal(columns, *arguments):
    """What midisock-send writes to standard error where that is a terminal."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 25, columns, 0, 0))
    with subprocess.Popen([BIN / "midisock-send", *map(str, arguments)], stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL, stderr=theirs) as process:
        os.close(theirs)
        written = b""
        try:
            while piece := os.read(ours, 65536):
                written += piece
        except OSError:  # the other end is closed
            pass
        os.close(ours)
        assert process.wait() == 0, written
    text = written.decode()
    if WINDOWS:
        # The console of wine draws the line anew, with sequences of its own.
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
    assert text.startswith("\r"), text
    return text[1:]


@pytest.mark.parametrize("title, label", [
    ("Für Elise".encode(), "Für Elise"),
    ("Für Elise".encode("latin-1"), "a\u00fcb.mid"),
    ("\u3042".encode("shift-jis"), "a\u00fcb.mid"),
    (b"  ", "a\u00fcb.mid"),
    (b"a\x1b[31m", "a?[31m"),
])
def test_a_title_is_shown_as_it_is_or_not_at_all(server, tmp_path, monkeypatch, title, label):
    monkeypatch.chdir(tmp_path)
    name = bytes([0, 0xFF, 3, len(title)]) + title
    (tmp_path / "a\u00fcb.mid").write_bytes(song(track(name + NOTES)))
    written = on_a_terminal(80, f"127.0.0.1:{server.number}", "a\u00fcb.mid")
    assert written.startswith(f"{label} ["), written


def test_a_long_label_is_cut_at_a_character(server, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = "\u3042" * 20 + ".mid"
    (tmp_path / name).write_bytes(song(track(NOTES)))
    written = on_a_terminal(60, f"127.0.0.1:{server.number}", name)
    assert written.startswith("\u3042" * 10 + " ["), written
