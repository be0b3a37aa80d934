"""midisock Bridge as LV2: its data are valid, and it plays in jalv under JACK, which runs in real time."""

import contextlib
import re
import shutil
import time

import pytest

import bridge_state
import jack_midi
from conftest import artefact, free_port, until

URI = "urn:midisock:bridge"
# Long enough that a loaded machine delivers every message in time: then its place is exact.
LATENCY_MS = 300


@pytest.fixture
def bundles(tmp_path):
    """A folder with the bundle in it, under a name without a space, which lv2_validate cannot take."""
    shutil.copytree(artefact("bridge", "*.lv2"), tmp_path / "lv2" / "bridge.lv2")
    return tmp_path / "lv2"


def test_lv2_validate(bundles, programs):
    files = sorted((bundles / "bridge.lv2").glob("*.ttl"))
    assert [f.name for f in files] == ["dsp.ttl", "manifest.ttl", "ui.ttl"]
    said = programs.run("lv2_validate", *files)
    assert re.search(r"Found 0 errors among \d+ files", said), said


def test_lv2_info(bundles, programs):
    programs.environment["LV2_PATH"] = f"{bundles}:/usr/lib/lv2"
    said = programs.run("lv2info", URI)
    assert "midisock Bridge" in said
    assert said.count("http://lv2plug.in/ns/ext/atom#AtomPort") == 2, said


class Jalv:
    """The plugin in jalv, with a state as a session would have saved it."""

    def __init__(self, jack, bundles, **settings):
        self.jack = jack
        jack.environment["LV2_PATH"] = f"{bundles}:/usr/lib/lv2"
        saved = jack.folder / "saved"
        saved.mkdir()
        text = bridge_state.to_base64(bridge_state.wrapped(bridge_state.xml(**settings)))
        (saved / "state.ttl").write_text(
            "@prefix lv2: <http://lv2plug.in/ns/lv2core#> .\n@prefix pset: <http://lv2plug.in/ns/ext/presets#> .\n"
            f"@prefix state: <http://lv2plug.in/ns/ext/state#> .\n<> a pset:Preset ; lv2:appliesTo <{URI}> ;\n"
            f'    state:state [ <{URI}:StateString> "{text}" ] .\n')
        self.process = jack.start("jalv", "-n", "bridge", "-l", saved, URI)
        self.ports = until(self.midi_ports, "jalv's MIDI ports")

    def midi_ports(self):
        assert self.process.poll() is None, self.jack.output(self.process)
        said = self.jack.run("jack_lsp", "-t", "-p", check=False)
        found = re.findall(r"^(bridge:\S+)\n\s*properties: (input|output).*\n\s*8 bit raw midi", said, re.MULTILINE)
        return {way: port for port, way in found} if len(found) == 2 else None


@pytest.fixture
def jalv(jack, bundles):
    number = free_port()
    return Jalv(jack, bundles, port=number, latency_ms=LATENCY_MS), number


def test_the_socket_is_heard_in_time(jalv, connect):
    host, number = jalv
    jack_midi.keeps_a_rhythm(jack_midi.Listener(host.jack, host.ports["output"]), connect(number))


def test_a_flood_in_one_block(jalv, connect):
    """What comes out goes in again, and back to the socket: nothing on the way is too small for it."""
    host, number = jalv
    peer = connect(number)
    host.jack.run("jack_connect", host.ports["output"], host.ports["input"])

    def echoes():
        peer.send(0xB0, 119, 1)
        time.sleep(0.02)
        return peer.has(bytes([0xB0, 119, 1]))
    until(echoes, "message that comes back")
    peer.send(0xB0, 119, 2)
    peer.receive(bytes([0xB0, 119, 2]))
    whole, value = 0, 3

    def passes():
        nonlocal whole, value
        value = value % 100 + 3  # another one: also what is put right after a pause tells it
        # As many as a block takes; in one packet, so that they are for one moment.
        flood = b"".join(bytes([0xB0 | i & 7, i >> 3, value]) for i in range(500))
        peer.send(*flood, 0xB0, 119, value)
        whole += peer.receive(bytes([0xB0, 119, value])).endswith(flood)
        return whole == 5

    # Where a busy machine stops JACK for half a second, controllers are put right instead, in another order; not each time.
    until(passes, "flood that passes whole, five times", timeout=120)


def test_the_transport(jalv, connect):
    """jalv tells a plugin of the transport only when it starts, jumps and stops: what was held goes on sounding until
    then."""
    host, number = jalv
    peer = connect(number)
    jack_midi.hold(host.jack, host.ports["input"], peer, 60)
    with contextlib.closing(jack_midi.Transport(host.jack)) as transport:
        transport.start()
        before = jack_midi.hold(host.jack, host.ports["input"], peer, 62)
        assert bytes([0x80, 60]) not in before, before.hex(" ")
        transport.stop()
        released = peer.receive(bytes([0x80, 62, 64]))
        assert bytes([0x80, 60, 64]) in released, released.hex(" ")


def test_the_host_plays_and_the_socket_receives(jalv, connect):
    host, number = jalv
    peer = connect(number)
    # A loop of 4800 frames with two notes in it.
    host.jack.start("jack_midiseq", "seq", "4800", "0", "60", "1200", "2400", "67", "1200")
    out = until(lambda: re.search(r"^(\S*seq:\S+)$", host.jack.run("jack_lsp", check=False), re.MULTILINE), "sequencer")[1]
    host.jack.run("jack_connect", out, host.ports["input"])
    for _ in range(5):
        before = peer.receive(bytes([0x90, 60, 64]))
        peer.receive(bytes([0x80, 60, 64]))
        before = peer.receive(bytes([0x90, 67, 64]))
        assert 60 not in before, before.hex(" ")


def test_it_ends_in_good_order(jalv, connect):
    host, number = jalv
    peer = connect(number)
    assert host.jack.end(host.process) in (0, -15), host.jack.output(host.process)
    assert peer.ended() == b""
