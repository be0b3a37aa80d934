"""midisock Bridge as VST3 in DawDreamer, which renders fast but as if live: blocks have a clock, the library's."""

import gc
import re
import threading

import dawdreamer
import mido
import numpy
import pytest

import bridge_state
from conftest import artefact, free_port, resources, until

RATE = 48000
BLOCK = 256


class Host:
    def __init__(self, folder, **settings):
        self.folder = folder
        self.engine = dawdreamer.RenderEngine(RATE, BLOCK)
        self.plugin = self.engine.make_plugin_processor("bridge", str(artefact("bridge", "*.vst3")))
        self.engine.load_graph([(self.plugin, [])])
        if settings:
            self.load(bridge_state.for_vst3_host(bridge_state.xml(**settings)))

    def load(self, state):
        (self.folder / "state").write_bytes(state)
        self.plugin.load_state(str(self.folder / "state"))

    def save(self):
        self.plugin.save_state(str(self.folder / "saved"))
        return (self.folder / "saved").read_bytes()

    def join(self, peer):
        """Renders until the peer is one of the plugin's: a connection is made before the plugin takes it up."""
        self.plugin.add_midi_note(0, 1, 0.0, 0.001)
        def hears():
            self.render(0.02)
            return peer.has(bytes([0x90, 0, 1]))
        until(hears, "sign of the plugin")
        self.plugin.clear_midi()
        return peer

    def render(self, seconds):
        self.engine.render(seconds)
        return self.engine.get_audio()[0]


class Player:
    """Plays a note on and off without pause, from a thread of its own: there is something to hear whenever a host
    renders."""

    def __init__(self, peer, note, channel=0):
        self.peer, self.note, self.channel, self.end = peer, note, channel, threading.Event()
        self.thread = threading.Thread(target=self.play)

    def play(self):
        while not self.end.wait(0.002):
            self.peer.send(0x90 | self.channel, self.note, 100)
            if self.end.wait(0.002):
                break
            self.peer.send(0x80 | self.channel, self.note, 0)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.end.set()
        self.thread.join()


def test_the_socket_is_heard(tmp_path, connect):
    number = free_port()
    host = Host(tmp_path, port=number, monitor=True, latency_ms=0)
    peer = connect(number)
    with Player(peer, 60):
        heard = until(lambda: [a] if numpy.any(a := host.render(20.0)) else None, "sound")[0]
    # It is that note: a whole number of frames within one period and the next.
    first = int(numpy.flatnonzero(heard)[0])
    tone = heard[first:first + 2000]
    crossings = int(numpy.count_nonzero((tone[:-1] < 0) & (tone[1:] >= 0)))
    periods = len(tone) * 261.63 / RATE
    assert abs(crossings - periods) <= 2, f"{crossings} periods in place of {periods:.1f}"


def test_what_came_while_nobody_rendered_is_not_played(tmp_path, connect):
    number = free_port()
    host = Host(tmp_path, port=number, monitor=True, latency_ms=0)
    peer = host.join(connect(number))
    sentinel = host.join(connect(number))
    peer.send(0x90, 60, 100)
    # The plugin has heard both peers since.
    sentinel.send(0x80, 1, 0)
    host.plugin.add_midi_note(60, 1, 0.0, 0.01)
    host.render(0.1)
    sentinel.receive(bytes([0x90, 60, 1]))
    peer.receive(bytes([0x90, 60, 1]))
    assert not numpy.any(host.render(0.5)), "a note of before was played late"


def test_the_end_of_a_rendering(tmp_path, connect):
    """DawDreamer resets the plugin after each: setProcessing. What is held is released, and before DawDreamer itself says All
    Notes Off."""
    number = free_port()
    host = Host(tmp_path, port=number, latency_ms=0)
    peer = host.join(connect(number))
    for note in range(61, 71):
        host.plugin.add_midi_note(note, 100, 0.0, 10.0)
        host.render(0.05)
        peer.receive(bytes([0x90, note, 100]))
        assert peer.receive(bytes([0x80, note, 64])) == b""
        host.plugin.clear_midi()
        host.render(0.05)


def test_the_host_plays_and_the_socket_receives_in_order(tmp_path, connect):
    number = free_port()
    host = Host(tmp_path, port=number)
    peer = host.join(connect(number))
    for i in range(50):
        assert host.plugin.add_midi_note(30 + i, 100, 0.02 * i, 0.01)
    host.render(1.2)
    for i in range(50):
        before = peer.receive(bytes([0x90, 30 + i, 100]))
        assert not re.search(rb"\x90[\x1e-\x7f]", before), before.hex(" ")
    peer.receive(bytes([0x80, 79]))


def test_state_goes_from_one_to_another(tmp_path, connect):
    number = free_port()
    first = Host(tmp_path, port=number, monitor=True, latency_ms=0)
    connect(number)
    state = first.save()
    del first
    gc.collect()
    second = Host(tmp_path)
    second.load(state)
    peer = second.join(connect(number))
    second.plugin.add_midi_note(61, 77, 0.0, 0.01)
    second.render(0.1)
    peer.receive(bytes([0x90, 61, 77]))
    assert bridge_state.from_vst3_host(second.save()) == bridge_state.from_vst3_host(state)


def test_ten_instances_in_one_engine(tmp_path, connect):
    engine = dawdreamer.RenderEngine(RATE, BLOCK)
    plugins, peers = [], []
    for i in range(10):
        number = free_port()
        plugin = engine.make_plugin_processor(f"bridge{i}", str(artefact("bridge", "*.vst3")))
        (tmp_path / "state").write_bytes(bridge_state.for_vst3_host(bridge_state.xml(port=number)))
        plugin.load_state(str(tmp_path / "state"))
        plugin.add_midi_note(50 + i, 100, 0.0, 0.05)
        plugins.append(plugin)
        peers.append(connect(number))
    engine.load_graph([(plugin, []) for plugin in plugins])
    heard = set()

    def all_heard():
        engine.render(0.1)
        heard.update(i for i, peer in enumerate(peers) if peer.has(bytes([0x90, 50 + i, 100])))
        return len(heard) == 10

    until(all_heard, "note of each instance")


class Studio:
    """Sixteen instances in one engine, which share an address. Each has a channel of its own, and plays a note on it."""

    def __init__(self, folder, states):
        self.folder = folder
        self.engine = dawdreamer.RenderEngine(RATE, BLOCK)
        self.plugins = {}
        for channel, state in states.items():
            plugin = self.engine.make_plugin_processor(f"bridge{channel}", str(artefact("bridge", "*.vst3")))
            (folder / "state").write_bytes(state)
            plugin.load_state(str(folder / "state"))
            song = mido.MidiFile(type=0)
            song.tracks.append(mido.MidiTrack([mido.Message("note_on", channel=channel, note=40 + channel, velocity=100)]))
            song.save(str(folder / "song.mid"))
            plugin.load_midi(str(folder / "song.mid"))
            plugin.record = True
            self.plugins[channel] = plugin
        self.play()

    def play(self):
        self.engine.load_graph([(plugin, []) for plugin in self.plugins.values()])

    def save(self):
        states = {}
        for channel, plugin in self.plugins.items():
            plugin.save_state(str(self.folder / "saved"))
            states[channel] = (self.folder / "saved").read_bytes()
        return states

    def delete(self, channel):
        del self.plugins[channel]
        self.play()
        self.engine.remove_processor(f"bridge{channel}")
        gc.collect()

    def each_hears_its_channel(self, peer):
        for channel, plugin in self.plugins.items():
            with Player(peer, 60, channel):
                until(lambda: self.engine.render(1.0) or numpy.any(plugin.get_audio()), f"sound on channel {channel + 1}")
                others = [c for c, other in self.plugins.items() if other is not plugin and numpy.any(other.get_audio())]
                assert not others, f"channel {channel + 1} is heard on {others}, too"

    def all_are_heard_by(self, peer):
        heard = set()

        def all_heard():
            self.engine.render(0.1)
            heard.update(c for c in self.plugins if peer.has(bytes([0x90 | c, 40 + c, 100]), take=False))
            peer.got = b""
            return len(heard) == len(self.plugins)
        until(all_heard, "note of each instance")


def test_sixteen_instances_on_one_address(tmp_path, connect):
    """A project is saved, closed and loaded again: all are back. Instances are deleted, the first of them, too, and the others
    go on with the connection that they had."""
    number = free_port()
    studio = Studio(tmp_path, {channel: bridge_state.for_vst3_host(bridge_state.xml(
        port=number, monitor=True, latency_ms=0, name=f"Track {channel + 1}", channels=1 << channel))
        for channel in range(16)})
    peer = connect(number)
    studio.all_are_heard_by(peer)
    studio.each_hears_its_channel(peer)
    states = studio.save()
    del studio
    gc.collect()
    peer.ended()

    studio = Studio(tmp_path, states)
    peer = connect(number)
    studio.all_are_heard_by(peer)
    for gone in (0, 7):
        studio.delete(gone)
    studio.all_are_heard_by(peer)
    studio.each_hears_its_channel(peer)
    again = studio.save()
    for channel, state in again.items():
        said = bridge_state.from_vst3_host(state)
        assert said == bridge_state.from_vst3_host(states[channel])
        assert f'name="Track {channel + 1}"' in said and f'channels="{1 << channel}"' in said, said


def test_loaded_used_and_deleted(tmp_path, connect):
    number = free_port()

    def cycle():
        host = Host(tmp_path, port=number)
        peer = host.join(connect(number))
        host.plugin.add_midi_note(61, 100, 0.0, 1.0)
        host.render(0.05)
        peer.receive(bytes([0x90, 61, 100]))
        del host
        gc.collect()
        peer.ended()
        peer.close()

    for _ in range(3):
        cycle()
    before = resources()
    for _ in range(50):
        cycle()
    until(lambda: all(now <= then for now, then in zip(resources(), before)), f"return from {resources()} to {before}")
