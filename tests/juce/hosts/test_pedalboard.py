"""midisock Bridge, and the small plugin, as VST3 in pedalboard, which renders offline: blocks as fast as they come."""

import gc

import mido
import mido.sockets
import numpy
import pedalboard
import pytest

import bridge_state
from conftest import artefact, free_port, resources, until

RATE = 48000
BLOCK = 480


def load(path):
    # Without a timeout pedalboard waits for ten seconds for a sound, which an instrument would make.
    return pedalboard.load_plugin(str(path), initialization_timeout=0.0)


class Host:
    """A plugin in pedalboard. Its state is what a project would have saved."""

    def __init__(self, **settings):
        self.plugin = load(artefact("bridge", "*.vst3"))
        self.number = settings.get("port")
        if settings:
            self.plugin.raw_state = bridge_state.for_vst3_host(bridge_state.xml(**settings))

    def block(self, *messages, blocks=1):
        """Processes blocks, with MIDI for them as (bytes, seconds); the left channel."""
        return self.plugin.process(list(messages), blocks * BLOCK / RATE, RATE, num_channels=2, buffer_size=BLOCK,
                                   reset=False)[0]

    def join(self, peer):
        """Processes blocks until the peer is one of the plugin's: a connection is made before the plugin takes it up."""
        def hears():
            self.block((bytes([0xBF, 119, 1]), 0.0))
            return peer.has(bytes([0xBF, 119, 1]))
        until(hears, "sign of the plugin")
        self.block((bytes([0xBF, 119, 2]), 0.0))
        peer.receive(bytes([0xBF, 119, 2]))
        return peer

    def onset(self, what):
        """Processes blocks until something sounds: the frame at which it begins in its block."""
        return until(lambda: [int(numpy.flatnonzero(b)[0])] if (b := self.block()).any() else None, what)[0]

    def silence(self):
        """Processes blocks until nothing sounds."""
        until(lambda: not self.block().any(), "silence")


@pytest.fixture
def served(connect):
    """A Bridge that is a server and sounds, and a raw socket to it."""
    number = free_port()
    host = Host(port=number, monitor=True)
    return host, host.join(connect(number))


def test_the_socket_is_heard(served):
    host, peer = served
    for note in (60, 72, 48):
        peer.send(0x90, note, 100)
        # Rendering offline has no clock: at the first frame of the block.
        assert host.onset(f"sound of note {note}") == 0
        assert host.block().any(), "it stopped by itself"
        peer.send(0x80, note, 0)
        host.silence()


def test_a_peer_that_goes_leaves_nothing_sounding(served):
    host, peer = served
    peer.send(0x90, 60, 100, 0x91, 62, 100, 0xB0, 64, 127)
    host.onset("sound")
    peer.close()
    host.silence()


def test_the_monitor_lets_go(served):
    host, peer = served
    for ending in ([0xB0, 121, 0], [0xFF], [0xB0, 64, 0], [0xB0, 120, 0]):
        peer.send(0x90, 60, 100)
        host.onset("sound")
        if ending != [0xB0, 120, 0]:
            peer.send(0xB0, 64, 127, 0x80, 60, 0, 0xBF, 119, 3)
            for _ in range(30):
                assert host.block().any(), "the pedal does not hold the note"
        peer.send(*ending)
        host.silence()
        peer.send(0xB0, 64, 0, 0x80, 60, 0)


def test_bypass(served):
    """What the host left sounding is released, and nothing passes until it is over; then the pedals are as they are."""
    host, peer = served
    host.block((bytes([0x90, 60, 100]), 0.0), (bytes([0xB0, 64, 127]), 0.0), (bytes([0xB1, 64, 127]), 0.0))
    peer.receive(bytes([0x90, 60, 100]))  # a controller is a parameter in VST3, and comes before it
    peer.send(0x91, 70, 100)
    host.onset("sound")
    host.plugin.parameters["bypass"].raw_value = 1.0
    host.block()
    released = peer.receive(bytes([0xB1, 64, 0]))
    assert bytes([0x80, 60, 64]) in released and bytes([0xB0, 64, 0]) in released, released.hex(" ")
    peer.send(0x91, 72, 100)
    for _ in range(5):
        assert not host.block((bytes([0x92, 65, 100]), 0.0), (bytes([0xB0, 64, 0]), 0.005)).any()
    host.plugin.parameters["bypass"].raw_value = 0.0
    host.block()
    host.block((bytes([0x93, 1, 1]), 0.0))
    between = peer.receive(bytes([0x93, 1, 1]))
    assert between == bytes([0xB1, 64, 127]), between.hex(" ")
    assert not host.block().any(), "a note of the bypass was struck late"
    peer.send(0x94, 74, 100)
    host.onset("sound after the bypass")


def test_reset(served, connect):
    """pedalboard suspends an instrument, deletes it and makes it anew: what was held is released, the new one is found at
    the same port, and nothing of before sounds."""
    host, peer = served
    host.block((bytes([0x90, 60, 100]), 0.0), (bytes([0xB1, 64, 127]), 0.0))
    peer.receive(bytes([0x90, 60, 100]))
    peer.send(0x91, 70, 100, 0xB1, 64, 127)
    host.onset("sound")
    peer.send(0x91, 72, 100)
    peer.is_heard()
    host.plugin.reset()
    rest = peer.ended()
    assert rest.count(bytes([0x80, 60, 64])) == 1 and rest.count(bytes([0xB1, 64, 0])) == 1, rest.hex(" ")
    assert not host.block(blocks=20).any(), "something of before sounds"
    again = host.join(connect(host.number))
    again.send(0x91, 74, 100)
    host.onset("sound after the reset")


def test_a_hostile_state(served):
    """What JUCE's parser would go into without end."""
    host, peer = served
    tree = bridge_state.xml(port=1)
    host.plugin.raw_state = bridge_state.for_vst3_host(
        '<!DOCTYPE m [<!ENTITY a "&a;">]>' + tree.split("?>")[1].replace("127.0.0.1", "&a;"))
    peer.send(0x90, 60, 100)
    host.onset("sound: the connection is still the same")


def test_mido_is_heard_and_hears():
    number = free_port()
    host = Host(port=number, monitor=True)
    host.block()  # what comes before the first block is too old to be played
    with mido.sockets.connect("127.0.0.1", number) as peer:
        peer.send(mido.Message("note_on", note=60, velocity=100))
        assert host.onset("sound") == 0
        # It has been heard, so it is one of the plugin's.
        host.block((bytes([0xB0, 1, 2]), 0.0))
        assert until(peer.poll, "message at mido") == mido.Message("control_change", control=1, value=2)


def test_the_host_plays_and_the_socket_receives(served):
    host, peer = served
    sysex = bytes([0xF0, *range(100), 0xF7])
    # A bend is a parameter in VST3, and these are at the beginning of a block.
    host.block((bytes([0xE1, 5, 6]), 0.0), (bytes([0x90, 60, 1]), 0.001), (sysex, 0.002), (bytes([0xC2, 7]), 0.003),
               (bytes([0x80, 60, 2]), 0.012), blocks=2)
    assert peer.receive(bytes([0x80, 60, 2])) == bytes([0xE1, 5, 6, 0x90, 60, 1]) + sysex + bytes([0xC2, 7])


def test_a_client_connects_and_again(listen):
    number, accept = listen
    host = Host(role="client", port=number, monitor=True)
    for note in (60, 62):
        peer = accept()
        host.block()
        peer.send(0x90, note, 100)
        assert host.onset("sound") == 0
        peer.close()  # what it held is released, and the plugin comes again
        host.silence()


def test_state_saved_in_one_is_restored_in_another(connect):
    number = free_port()
    first = Host(port=number, monitor=True, latency_ms=20, allow="127.0.0.0/8, ::1", width=800, height=600)
    connect(number)
    state = first.plugin.raw_state
    said = bridge_state.from_vst3_host(state)
    assert f'port="{number}"' in said and 'latency_ms="20"' in said and 'allow="127.0.0.0/8, ::1"' in said, said

    # The project is loaded again while the first still has the port: the second gets it as soon as it is free.
    second = Host()
    second.plugin.raw_state = state
    del first
    gc.collect()
    peer = connect(number)
    second.block()
    peer.send(0x90, 60, 100)
    second.onset("sound from the restored instance")
    assert bridge_state.from_vst3_host(second.plugin.raw_state) == said


def test_what_is_no_state_changes_nothing(served):
    host, peer = served
    before = bridge_state.from_vst3_host(host.plugin.raw_state)
    for junk in ("<other/>", "", "<MidisockBridge", "<MidisockBridge>" + "x" * 10000):
        host.plugin.raw_state = bridge_state.for_vst3_host(junk)
        assert bridge_state.from_vst3_host(host.plugin.raw_state) == before
    peer.send(0x90, 60, 100)
    host.onset("sound: the connection is still the same")


def test_ten_instances_in_one_process(connect):
    numbers = [free_port() for _ in range(10)]
    while len(set(numbers)) < 10:
        numbers = [free_port() for _ in range(10)]
    hosts = [Host(port=number, monitor=True) for number in numbers]
    peers = [host.join(connect(number)) for host, number in zip(hosts, numbers)]
    threads = resources()[0]
    for i, peer in enumerate(peers):
        peer.send(0x90 | i, 40 + i, 100)
        hosts[i].onset(f"sound of instance {i}")
        assert not any(other.block().any() for other in hosts[i + 1:]), "it went to another instance, too"
    hosts += [Host(port=free_port()) for _ in range(3)]
    assert resources()[0] <= threads, "each instance brings a thread"
    for i, host in enumerate(hosts[:10]):
        host.block((bytes([0xC0 | i, i]), 0.0))
        peers[i].receive(bytes([0xC0 | i, i]))


def test_sixteen_instances_on_one_address(connect):
    number = free_port()
    hosts = [Host(port=number, monitor=True) for _ in range(16)]
    peer = hosts[0].join(connect(number))

    def all_hear():
        for i, host in enumerate(hosts):
            host.block()  # what came before is not played
            peer.send(0x90, 40 + i, 100)
            host.onset(f"sound of instance {i} of {len(hosts)}")
            peer.send(0x80, 40 + i, 0)
            host.silence()

    all_hear()
    # Each reaches the peer, and what the first leaves on ends when it goes, but not what another holds.
    hosts[0].block((bytes([0x90, 61, 100]), 0.0), (bytes([0x90, 62, 100]), 0.0))
    peer.receive(bytes([0x90, 61, 100, 0x90, 62, 100]))
    hosts[7].block((bytes([0x90, 62, 99]), 0.0))
    peer.receive(bytes([0x90, 62, 99]))
    del hosts[0]
    gc.collect()
    peer.receive(bytes([0x80, 61, 0x40]))
    hosts[6].block((bytes([0x80, 62, 1]), 0.0))
    peer.receive(bytes([0x80, 62, 1]))
    all_hear()


def test_sixteen_channels_of_one_address(connect):
    """Each instance hears its channel, a client hears all. A project is saved, closed and loaded again: all are back. One is
    deleted while it plays: its note ends, no other does."""
    number = free_port()
    hosts = [Host(port=number, monitor=True, name=f"Track {channel + 1}", channels=1 << channel) for channel in range(16)]

    def play(peer):
        for channel, host in enumerate(hosts):
            if host is not None:
                host.block((bytes([0x90 | channel, 40 + channel, 100]), 0.0))
                peer.receive(bytes([0x90 | channel, 40 + channel, 100]))
                peer.send(0x90 | channel, 60, 100)
                host.onset(f"sound of instance {channel}")
                assert not any(other.block().any() for other in hosts if other not in (host, None)), "another one sounds, too"
                peer.send(0x80 | channel, 60, 0)
                host.silence()

    def join():
        peer = connect(number)
        for channel, host in enumerate(hosts):
            def hears():
                host.block((bytes([0x90 | channel, 1, 1]), 0.0))
                return peer.has(bytes([0x90 | channel, 1, 1]))
            until(hears, f"sign of instance {channel}")
        return peer

    peer = join()
    play(peer)
    states = [host.plugin.raw_state for host in hosts]
    hosts.clear()
    gc.collect()
    peer.ended()
    for channel, state in enumerate(states):
        assert f'name="Track {channel + 1}" channels="{1 << channel}"' in bridge_state.from_vst3_host(state)
        hosts.append(Host())
        hosts[-1].plugin.raw_state = state
    peer = join()
    play(peer)
    for gone in (0, 9):  # the first, which has listened for all, and another one
        hosts[gone] = None
        gc.collect()
        peer.receive(bytes([0x80 | gone, 40 + gone, 0x40]))
        hosts[15].block((bytes([0xBF, 119, gone]), 0.0))
        between = peer.receive(bytes([0xBF, 119, gone]))
        assert not any(byte & 0xF0 == 0x80 and byte & 0x0F != gone for byte in between), f"another note ends: {between.hex(' ')}"
    play(peer)


def test_fifty_times_loaded_used_and_deleted(connect):
    number = free_port()

    def cycle():
        host = Host(port=number, monitor=True)
        peer = host.join(connect(number))
        peer.send(0x90, 60, 100)
        host.onset("sound")
        host.block((bytes([0x91, 61, 100]), 0.0))
        peer.receive(bytes([0x91, 61, 100]))
        del host
        gc.collect()
        assert bytes([0x81, 61, 0x40]) in peer.ended(), "what it left sounding was not released"
        peer.close()

    for _ in range(3):  # what pedalboard and JUCE make once and keep
        cycle()
    before = resources()
    for _ in range(50):
        cycle()
    until(lambda: all(now <= then for now, then in zip(resources(), before)), f"return from {resources()} to {before}")


def test_the_small_plugin_of_another_project(connect):
    plugin = load(artefact("plugin", "*.vst3"))
    number = free_port()
    xml = f'<midisock enabled="1" role="server" host="127.0.0.1" port="{number}" allow="" latency_ms="-1"/>'
    part = bridge_state.to_base64(xml.encode())
    plugin.raw_state = bridge_state.wrapped(
        f'<?xml version="1.0" encoding="UTF-8"?> <VST3PluginState><IComponent>{part}</IComponent></VST3PluginState>')

    def block(*messages):
        return plugin.process(list(messages), BLOCK / RATE, RATE, num_channels=2, buffer_size=BLOCK, reset=False)[0]

    block()
    peer = connect(number)
    peer.send(0x90, 60, 100)
    clicks = until(lambda: numpy.flatnonzero(block()).tolist(), "click")
    assert clicks == [0]
    block((bytes([0x93, 1, 2]), 0.0))
    peer.receive(bytes([0x93, 1, 2]))
