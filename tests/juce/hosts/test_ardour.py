"""midisock Bridge as VST3 in Ardour, a DAW, without its window: in real time under JACK, with a transport, bypass and
suspension, and sessions that are saved and loaded."""

import base64
import re
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

import bridge_state
import jack_midi
from conftest import DEADLINE, artefact, ends_with_us, free_port, until

HERE = Path(__file__).parent
BUNDLE = "midisock Bridge.vst3"
# Long enough that a loaded machine delivers every message in time: then its place is exact.
LATENCY_MS = 300


def vst3_preset(class_id, component):
    """As Ardour keeps a plugin's state: a VST3 preset file, https://steinbergmedia.github.io/vst3_doc/vstsdk/presetformat.html"""
    head = b"VST3" + struct.pack("<i", 1) + class_id
    start = len(head) + 8
    return (head + struct.pack("<q", start + len(component)) + component
            + b"List" + struct.pack("<i", 1) + b"Comp" + struct.pack("<qq", start, len(component)))


class Home:
    """A user's home with the plugin installed and found by Ardour, and a session with it."""

    def __init__(self, folder):
        self.folder = folder
        self.environment = {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder / ".config"), "PATH": "/usr/bin:/bin",
                            "XDG_CACHE_HOME": str(folder / ".cache"), "DISPLAY": ":9999"}
        shutil.copytree(artefact("bridge", "*.vst3"), folder / ".vst3" / BUNDLE)
        scanner = next(Path("/usr/lib").glob("ardour*/ardour-vst3-scanner"))
        self.lua = next(Path("/usr/bin").glob("ardour*-lua"))
        said = self.run([scanner, "-f", folder / ".vst3" / BUNDLE], LD_LIBRARY_PATH=str(scanner.parent))
        assert "Found Plugin: midisock Bridge" in said, said
        self.made = folder / "made" / "session.ardour"

        def session():
            shutil.rmtree(self.made.parent, ignore_errors=True)
            self.run([self.lua, HERE / "ardour_make.lua"], SESSION=str(self.made.parent), timeout=10)
            return self.made.exists() and 'name="midisock Bridge"' in self.made.read_text()
        until(session, "session with the plugin in it", timeout=120)

    def run(self, command, timeout=DEADLINE, **environment):
        try:
            return subprocess.run([str(c) for c in command], env={**self.environment, **environment}, timeout=timeout,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, stdin=subprocess.DEVNULL,
                                  preexec_fn=ends_with_us).stdout
        except subprocess.TimeoutExpired as late:
            return str(late.output)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return Home(tmp_path_factory.mktemp("ardour"))


class Ardour:
    """Ardour with a session in which the plugin has these settings."""

    def __init__(self, jack, home, session=None, **settings):
        self.jack, self.home = jack, home
        jack.environment.update(home.environment)
        self.session = session or jack.folder / "session" / "session.ardour"
        if session is None:
            shutil.copytree(home.made.parent, self.session.parent)
            self.write(bridge_state.wrapped(bridge_state.xml(**settings)))
        jack.environment["SESSION"] = str(self.session.parent)
        self.process = jack.start(home.lua, HERE / "ardour_run.lua")
        self.count = 0
        self.input, self.output = "ardour:bridge/midi_in 1", "ardour:bridge/midi_out 1"
        self.tell("rolls")

    def chunk(self):
        return base64.b64decode(re.search(r"<chunk>([^<]*)</chunk>", self.session.read_text())[1])

    def write(self, component):
        chunk = base64.b64encode(vst3_preset(self.chunk()[8:40], component)).decode()
        self.session.write_text(re.sub(r"<chunk>[^<]*</chunk>", f"<chunk>{chunk}</chunk>", self.session.read_text()))

    def tell(self, command):
        """Has it done; what it says to that."""
        self.process.stdin.write(command.encode() + b"\n")
        self.process.stdin.flush()
        self.count += 1

        def done():
            said = self.jack.output(self.process)
            assert self.process.poll() is None, said
            return re.search(rf"^done {self.count} {command} (.*)$", said, re.MULTILINE)
        return until(done, f"\"{command}\" of Ardour")[1]

    def quit(self):
        self.process.stdin.close()
        self.process.wait(DEADLINE)


@pytest.fixture
def ardour(jack, home):
    number = free_port()
    return Ardour(jack, home, port=number, latency_ms=LATENCY_MS), number


def test_the_socket_is_heard_in_time(ardour, connect):
    host, number = ardour
    jack_midi.keeps_a_rhythm(jack_midi.Listener(host.jack, host.output), connect(number))


def test_the_host_plays_and_the_socket_receives(ardour, connect):
    host, number = ardour
    peer = connect(number)
    host.jack.start("jack_midiseq", "seq", "4800", "0", "60", "1200", "2400", "67", "1200")
    out = until(lambda: re.search(r"^(\S*seq:\S+)$", host.jack.run("jack_lsp", check=False), re.MULTILINE), "sequencer")[1]
    host.jack.run("jack_connect", out, host.input)
    for _ in range(5):
        peer.receive(bytes([0x90, 60, 64]))
        peer.receive(bytes([0x80, 60, 64]))
        assert 60 not in peer.receive(bytes([0x90, 67, 64]))


def both_hold(ardour, connect):
    """A note of either end sounds at the other, and a pedal is down at the host."""
    host, number = ardour
    peer = connect(number)
    listener = jack_midi.Listener(host.jack, host.output).ready(peer)
    peer.send(0x90, 49, 100, 0xB0, 64, 127)
    listener.hears(0xB0, 64, 127)
    jack_midi.hold(host.jack, host.input, peer, 60)
    return host, peer, listener


def test_suspended(ardour, connect):
    """Ardour deactivates the plugin while it runs: setProcessing, setActive. What the peer holds is released at once, though
    no block comes any more; what comes meanwhile is not played when it goes on, but where things stand is told."""
    host, peer, listener = both_hold(ardour, connect)
    host.tell("deactivate")
    assert peer.receive(bytes([0x80, 60, 64])).count(0x90) == 0
    peer.send(0x90, 50, 100, 0x80, 49, 0, 0xB0, 64, 0, 0xB0, 7, 99)
    peer.is_heard()
    host.tell("activate")
    peer.send(0x90, 51, 100)
    told = listener.hears(0x90, 51, 100)
    assert bytes([0x90, 50, 100]) not in told, f"a note of before is played late: {told}"
    assert bytes([0x80, 49]) in [m[:2] for m in told], f"a note hangs in the host: {told}"
    assert bytes([0xB0, 64, 0]) in told and bytes([0xB0, 7, 99]) in told, told
    before = jack_midi.hold(host.jack, host.input, peer, 61)
    assert bytes([0x90, 60]) not in before, before.hex(" ")


def test_bypassed(ardour, connect):
    host, peer, listener = both_hold(ardour, connect)
    host.tell("bypass")
    peer.receive(bytes([0x80, 60, 64]))
    released = listener.hears(0xB0, 64, 0)
    assert bytes([0x80, 49]) in [m[:2] for m in released], released
    peer.send(0x90, 50, 100)
    peer.is_heard()
    host.tell("unbypass")
    # The pedal is still down at the peer. What comes in the block in which it goes on is old as well.
    listener.hears(0xB0, 64, 127)
    peer.send(0x90, 51, 100)
    assert bytes([0x90, 50, 100]) not in listener.hears(0x90, 51, 100), "a note of the bypass is played late"


def test_the_transport(ardour, connect):
    """It starts, and nothing is let go of; it stops, and everything that the host holds at the peer is. What comes from the
    peer goes on."""
    host, peer, listener = both_hold(ardour, connect)
    host.tell("play")
    until(lambda: host.tell("rolls") == "true", "transport that rolls")
    before = jack_midi.hold(host.jack, host.input, peer, 62)
    assert bytes([0x80, 60]) not in before, before.hex(" ")
    host.tell("stop")
    held = {60: 1, 62: 1}

    def released():
        peer.has(b"\xff")
        for at in range(0, len(peer.got) - 2, 3):
            kind, note = peer.got[at], peer.got[at + 1]
            held[note] = held.get(note, 0) + {0x90: 1, 0x80: -1}.get(kind, 0)
        peer.got = peer.got[len(peer.got) // 3 * 3:]
        return all(count <= 0 for count in held.values())
    until(released, f"release of all that is held: {held}")
    peer.send(0x90, 51, 100)
    told = listener.hears(0x90, 51, 100)
    assert not any(m[:2] == bytes([0x80, 49]) for m in told), told


def test_a_session_that_is_saved_and_loaded(jack, home, connect):
    number = free_port()
    first = Ardour(jack, home, port=number, latency_ms=17, allow="127.0.0.0/8")
    peer = connect(number)
    first.tell("save")
    first.quit()
    peer.ended()
    said = first.session.read_text()
    assert f'port="{number}" allow="127.0.0.0/8" latency_ms="17"'.encode() in first.chunk(), said
    second = Ardour(jack, home, session=first.session)
    listener = jack_midi.Listener(jack, second.output)
    listener.ready(connect(number))
