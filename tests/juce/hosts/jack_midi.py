"""MIDI of programs under JACK: what comes out of a port and when, and something that plays into one."""

import ctypes
import re
import time

from conftest import until

RATE = 48000


class Listener:
    """What comes out of a port, with JACK's frames."""

    def __init__(self, jack, port):
        self.jack = jack
        self.process = jack.start("stdbuf", "-oL", "jack_midi_dump", "-a", "listener")
        until(lambda: "listener:input" in jack.run("jack_lsp", check=False), "jack_midi_dump's port")
        jack.run("jack_connect", port, "listener:input")

    def messages(self):
        """All so far: (frame, message)."""
        return [(int(frame), bytes.fromhex(message)) for frame, message in
                re.findall(r"^\s*(\d+):((?: [0-9a-f]{2})+)", self.jack.output(self.process), re.MULTILINE)]

    def notes(self):
        """Note Ons of velocity 100: (frame, note)."""
        return [(frame, m[1]) for frame, m in self.messages() if m[0] == 0x90 and m[2] == 100]

    def ready(self, peer):
        """Waits until what the peer sends comes out: the plugin takes up what comes when its first block is done."""
        def heard():
            peer.send(0xB0, 119, 1)
            time.sleep(0.02)
            return any(m == bytes([0xB0, 119, 1]) for _, m in self.messages())
        until(heard, "first message")


def keeps_a_rhythm(listener, peer):
    """Notes in an uneven rhythm come out of the plugin in that rhythm, to the frame, not to the block."""
    listener.ready(peer)
    done = 0

    def rhythm():
        """Plays 40 notes: how far off they are by the host's own frames, in ms, from least to most."""
        nonlocal done
        sent = []
        for i in range(40):
            sent.append(time.monotonic())
            peer.send(0x90, i, 100)
            time.sleep(0.005 + i % 7 * 0.003)
            peer.send(0x80, i, 0)

        def all_of_them():
            found = listener.notes()[done:]
            return found if len(found) == 40 else None

        heard = until(all_of_them, "40 notes")
        done += 40
        assert [note for _, note in heard] == list(range(40)), "not in order"
        delays = [frame / RATE - at for (frame, _), at in zip(heard, sent)]
        middle = sorted(delays)[len(delays) // 2]
        off = sorted(abs(delay - middle) * 1000 for delay in delays)
        places = len({frame % 256 for frame, _ in heard})
        print(f"40 notes: off the rhythm by {off[20]:.2f} ms at the median, {off[36]:.2f} ms at 90 %, {off[-1]:.2f} ms at "
              f"most; at {places} places of their blocks")
        return off, places

    # Notes that stood at the beginnings of their blocks, or anywhere in them, would be 1.3 ms off at the median. A machine
    # that is busy is late with more than that; not each time.
    def is_kept():
        off, places = rhythm()
        return off[20] < 1.0 and places > 5
    until(is_kept, "rhythm that is kept", timeout=120)


def hold(jack, port, peer, note):
    """Presses a note at the port, once or more, and lets go of nothing, until the peer, which is the plugin's, has been
    told; then who played is gone. What the peer was told before that."""
    # A loop of 4800 frames, and a note that is longer: its end never comes.
    player = jack.start("jack_midiseq", "holder", "4800", "0", str(note), "1000000")
    out = until(lambda: re.search(r"^(\S*holder:\S+)$", jack.run("jack_lsp", check=False), re.MULTILINE), "sequencer")[1]
    jack.run("jack_connect", out, port)
    before = peer.receive(bytes([0x90, note, 64]))
    jack.end(player)
    return before


class Transport:
    """JACK's transport: jack/transport.h."""

    def __init__(self, jack):
        self.library = ctypes.CDLL("libjack.so.0")
        self.library.jack_client_open.restype = ctypes.c_void_p
        name = jack.environment["JACK_DEFAULT_SERVER"].encode()
        without_starting_one, by_name = 1, 4
        self.client = self.library.jack_client_open(b"transport", without_starting_one | by_name, None, name)
        assert self.client, "no client of JACK"

    def call(self, name, *arguments):
        return getattr(self.library, f"jack_{name}")(ctypes.c_void_p(self.client), *arguments)

    def start(self):
        """Returns when it rolls."""
        self.call("transport_start")
        until(lambda: self.call("transport_query", None) == 1, "transport that rolls")

    def stop(self):
        """Returns when it stands."""
        self.call("transport_stop")
        until(lambda: self.call("transport_query", None) == 0, "transport that stands")

    def close(self):
        self.call("client_close")
