"""The LV2 plugin of examples/lv2 in jalv, under JACK."""

import contextlib
import ctypes
import os
import struct
from pathlib import Path

import mido

from conftest import Link, until
from jack_rig import PROGRAMS, Probe, held, pass_both_ways, server  # noqa: F401  a fixture
from midisock_ctypes import CONSTANTS, Port
from numbered import numbered
from test_jack_bridge import EVERY_KIND, OFF, ON
from test_jack_realtime import trapped
from test_tool_echo import free_port
from tool import Tool

OVERFLOW_WAIT = CONSTANTS["OVERFLOW_WAIT"]

STATE = """@prefix lv2: <http://lv2plug.in/ns/lv2core#> .
@prefix pset: <http://lv2plug.in/ns/ext/presets#> .
@prefix state: <http://lv2plug.in/ns/ext/state#> .

<> a pset:Preset ;
    lv2:appliesTo <urn:midisock:link> ;
    state:state [ <urn:midisock:link#address> "%s" ] .
"""


def jalv(tmp_path, address, env=None):
    """The plugin in jalv, with this address as its state."""
    folder = tmp_path / "state"
    folder.mkdir(exist_ok=True)
    (folder / "state.ttl").write_text(STATE % address)
    return Tool("/usr/bin/jalv", "-x", "-p", "-n", "jalv", "-l", folder, "urn:midisock:link", env=env)


def ends(host):
    """jalv ends in good order at the end of its input."""
    host.process.stdin.close()
    host.status()


def wired(server, probe):
    server.connect("probe:out", "jalv:in")
    server.connect("jalv:out", f"probe:{probe}")


def pass_every_kind(probe, send, receive):
    for message in EVERY_KIND:
        send(message)
    probe.hears("end", *(m.bytes() for m in EVERY_KIND))
    probe.play(*(m.bytes() for m in EVERY_KIND))
    assert receive(len(EVERY_KIND)) == [bytes(m.bytes()) for m in EVERY_KIND]


def test_it_connects_and_passes_everything_both_ways(server, tmp_path):
    with Port.listen(overflow=OVERFLOW_WAIT) as port, jalv(tmp_path, f"connect 127.0.0.1:{port.number}") as host, \
            Probe("probe", "end") as probe:
        wired(server, "end")
        until(lambda: port.client_count == 1, "client")
        pass_every_kind(probe, lambda m: port.push(bytes(m.bytes())),
                        lambda count: [port.receive().data for _ in range(count)])
        # A burst that no one block has room for.
        burst = [bytes((0x90, n % 128, 1 + n // 128)) for n in range(2500)]
        probe.forget()
        for message in burst:
            port.push(message)
        probe.hears("end", *burst)
        ends(host)


def test_it_listens_and_mido_connects(server, tmp_path):
    number = free_port()
    with jalv(tmp_path, f"listen 127.0.0.1:{number}"), Probe("probe", "end") as probe:
        wired(server, "end")
        peer = until(lambda: connect(number), "server")

        def receive(count):
            return [bytes(m.bytes()) for m in Link(None, peer).peer_receives(count)]

        pass_every_kind(probe, peer.send, receive)
        peer.close()


def connect(number):
    try:
        return mido.sockets.connect("127.0.0.1", number)
    except ConnectionRefusedError:
        return None


def test_nothing_hangs_when_either_side_goes(server, tmp_path):
    notes = [bytes((0x90, note, 100)) for note in range(40, 50)]
    with Probe("probe", "end") as probe:
        with Port.listen(overflow=OVERFLOW_WAIT) as port, jalv(tmp_path, f"connect 127.0.0.1:{port.number}") as host:
            number = port.number
            wired(server, "end")
            until(lambda: port.client_count == 1, "client")
            for message in notes:
                port.push(message)
            probe.hears("end", *notes)
            port.close()
            until(lambda: not held(probe.heard("end")), "release in the host")
            # Back at the same address: the plugin connects again.
            with Port.listen("127.0.0.1", number, listen_retry_ms=20000) as again:
                until(lambda: again.client_count == 1, "connection made again")
                probe.play(*notes)
                got = [again.receive().data for _ in notes]
                assert got == notes
                host.process.stdin.close()
                while held(got) and got[-1][:2] != bytes((0xBF, 123)):
                    got.append(again.receive().data)
            host.status()


def test_a_wrong_address_harms_nothing(server, tmp_path):
    with jalv(tmp_path, "nonsense") as host, Probe("probe", "end") as probe:
        wired(server, "end")
        probe.play(ON, OFF)
        assert host.process.poll() is None
        ends(host)


def test_nothing_on_the_process_thread_but_what_jalv_does_itself(server, tmp_path):
    """By tests/jack/trap.c. jalv allocates in its callback, of itself: no more with messages than without."""
    trap = {"LD_PRELOAD": str(PROGRAMS / "libtrap.so")}

    def pass_some(probe):
        with Port.connect("127.0.0.1", number) as port:
            port.wait_connected()
            pass_both_ways(probe, port)
        until(lambda: not held(probe.heard("end")), "release")

    def play_into_nothing(probe):
        for _ in range(100):
            probe.play(ON, OFF)

    number = free_port()
    seen = []
    for address, use in ((f"listen 127.0.0.1:{number}", pass_some), ("nonsense", play_into_nothing)):
        with jalv(tmp_path, address, trap) as host, Probe("probe", "end") as probe:
            wired(server, "end")
            use(probe)
            host.process.stdin.close()
            seen.append(trapped(host))
    for (callbacks, _, locks, calls), first in seen:
        assert callbacks > 50 and (locks, calls) == (0, 0), f"{seen}{first}"
    ((callbacks, allocations, *_), _), ((idle_callbacks, idle_allocations, *_), _) = seen
    # A callback that comes before jalv is ready allocates less.
    assert allocations <= round(idle_allocations / idle_callbacks) * callbacks, seen


# -- state, by a host of a few lines: jalv saves none without being asked by a user


class Descriptor(ctypes.Structure):
    _fields_ = [("uri", ctypes.c_char_p)] + [(name, ctypes.c_void_p) for name in (
        "instantiate", "connect_port", "activate", "run", "deactivate", "cleanup", "extension_data")]


class Feature(ctypes.Structure):
    _fields_ = [("uri", ctypes.c_char_p), ("data", ctypes.c_void_p)]


class Map(ctypes.Structure):
    _fields_ = [("handle", ctypes.c_void_p), ("map", ctypes.c_void_p)]


class State(ctypes.Structure):
    _fields_ = [("save", ctypes.c_void_p), ("restore", ctypes.c_void_p)]


P, U32, SIZE = ctypes.c_void_p, ctypes.c_uint32, ctypes.c_size_t
MAP = ctypes.CFUNCTYPE(U32, P, ctypes.c_char_p)
STORE = ctypes.CFUNCTYPE(ctypes.c_int, P, U32, P, SIZE, U32, U32)
RETRIEVE = ctypes.CFUNCTYPE(P, P, U32, ctypes.POINTER(SIZE), ctypes.POINTER(U32), ctypes.POINTER(U32))
SUCCESS = 0


class Host:
    """One instance of the plugin."""

    def __init__(self):
        bundle = os.environ["LV2_PATH"].split(":")[0]
        library = ctypes.CDLL(f"{bundle}/midisock.lv2/midisock.so")
        library.lv2_descriptor.restype = ctypes.POINTER(Descriptor)
        self.plugin = library.lv2_descriptor(0).contents
        self._urids = {}
        self._map = MAP(lambda _, uri: self.urid(uri.decode()))
        mapping = Map(None, ctypes.cast(self._map, P))
        feature = Feature(b"http://lv2plug.in/ns/ext/urid#map", ctypes.cast(ctypes.pointer(mapping), P))
        features = (ctypes.POINTER(Feature) * 2)(ctypes.pointer(feature), None)
        make = ctypes.CFUNCTYPE(P, P, ctypes.c_double, ctypes.c_char_p, P)(self.plugin.instantiate)
        self.handle = make(ctypes.byref(self.plugin), 48000.0, b"", features)
        assert self.handle
        data = ctypes.CFUNCTYPE(P, ctypes.c_char_p)(self.plugin.extension_data)
        assert data(b"http://example.org/nothing") is None
        self.state = ctypes.cast(data(b"http://lv2plug.in/ns/ext/state#interface"), ctypes.POINTER(State)).contents

    def urid(self, uri):
        return self._urids.setdefault(uri, len(self._urids) + 1)

    def save(self):
        saved = {}

        def store(_, key, value, size, kind, flags):
            saved[key] = (ctypes.string_at(value, size), kind, flags)
            return SUCCESS

        save = ctypes.CFUNCTYPE(ctypes.c_int, P, STORE, P, U32, P)(self.state.save)
        assert save(self.handle, STORE(store), None, 0, None) == SUCCESS
        (value, kind, flags), = saved.values()
        assert list(saved) == [self.urid("urn:midisock:link#address")]
        assert kind == self.urid("http://lv2plug.in/ns/ext/atom#String") and flags == 3
        return value

    def restore(self, value, kind="http://lv2plug.in/ns/ext/atom#String"):
        buffer = ctypes.create_string_buffer(value, max(1, len(value))) if value is not None else None

        def retrieve(_, key, size, type_, flags):
            if buffer is None or key != self.urid("urn:midisock:link#address"):
                return None
            size[0], type_[0], flags[0] = len(value), self.urid(kind), 3
            return ctypes.addressof(buffer)

        restore = ctypes.CFUNCTYPE(ctypes.c_int, P, RETRIEVE, P, U32, P)(self.state.restore)
        return restore(self.handle, RETRIEVE(retrieve), None, 0, None)

    def call(self, name, *arguments):
        ctypes.CFUNCTYPE(None, P, *(U32 for _ in arguments))(getattr(self.plugin, name))(self.handle, *arguments)

    def run(self, frames, *messages, room=4096, freewheel=0):
        """Plays one block that begins with the messages; what comes out, each with its frame. `room`: the
        capacity of the output sequence, in bytes."""
        midi = self.urid("http://lv2plug.in/ns/ext/midi#MidiEvent")
        sequence = self.urid("http://lv2plug.in/ns/ext/atom#Sequence")
        events = b"".join(struct.pack("<qII", 0, len(m), midi) + m + bytes(-len(m) % 8) for m in messages)
        into = ctypes.create_string_buffer(struct.pack("<IIII", 8 + len(events), sequence, 0, 0) + events)
        behind = b"\xa5" * 64
        out = ctypes.create_string_buffer(struct.pack("<II", room, 0) + bytes(room) + behind, 8 + room + 64)
        values = [into, out, ctypes.c_float(freewheel), ctypes.c_float(0)]
        connect = ctypes.CFUNCTYPE(None, P, U32, P)(self.plugin.connect_port)
        for port, value in enumerate(values):
            connect(self.handle, port, ctypes.addressof(value))
        self.call("run", frames)
        self.peers = values[3].value
        size, kind, unit, _ = struct.unpack_from("<IIII", out.raw)
        assert size <= room and kind == sequence and unit == 0 and out.raw.endswith(behind)
        at, heard = 16, []
        while at < 8 + size:
            frame, length, kind = struct.unpack_from("<qII", out.raw, at)
            assert kind == midi and 0 <= frame < frames
            heard.append((frame, out.raw[at + 16:at + 16 + length]))
            at += 16 + length + -length % 8
        assert at == 8 + size
        return heard

    def hears(self, count, **more):
        """Runs blocks until so many messages have come out, each as soon as there is one."""
        heard = []
        until(lambda: heard.extend(data for _, data in self.run(64, freewheel=1, **more)) or len(heard) >= count,
              f"{count} messages out of the plugin")
        return heard

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.call("cleanup")


def test_the_address_is_saved_and_restored_and_connects_again():
    with Port.listen() as one, Port.listen() as other:
        with Host() as host:
            assert host.save() == b"connect localhost:9080\0"
            assert host.restore(b"connect 127.0.0.1:%d\0" % one.number) == SUCCESS
            until(lambda: one.client_count == 1, "client")
            saved = host.save()
            # Another address ends the first connection.
            assert host.restore(b"connect 127.0.0.1:%d\0" % other.number) == SUCCESS
            until(lambda: one.client_count == 0 and other.client_count == 1, "client of the other")
        until(lambda: other.client_count == 0, "end of the instance")
        with Host() as host:
            assert host.restore(saved) == SUCCESS
            until(lambda: one.client_count == 1, "client again")


def test_what_is_no_address_is_refused():
    with Host() as host:
        assert host.restore(None) != SUCCESS
        for value in (b"", b"connect", b"connect localhost:9080", b"x" * 400 + b"\0", b"connect nowhere\0", b"listen :x\0"):
            assert host.restore(value) != SUCCESS, value
        assert host.restore(b"connect localhost:9080\0", "http://lv2plug.in/ns/ext/atom#Int") != SUCCESS


def test_what_has_not_begun_does_not_begin_after_deactivate():
    """What is played leaves a block later, so a block ago may be to come yet; the host does not run any more."""
    frames = 24000  # half a second
    with Port.listen() as port, Host() as host:
        assert host.restore(b"connect 127.0.0.1:%d\0" % port.number) == SUCCESS
        until(lambda: port.client_count == 1, "client")
        host.call("activate")
        host.run(frames, b"\x90\x3c\x40")
        host.call("deactivate")
        host.call("activate")
        host.run(frames, b"\xc0\x05")
        heard = []
        while not heard or heard[-1] != b"\xc0\x05":
            heard.append(bytes(port.receive().data))
        assert b"\xb0\x7b\x00" in heard
        assert b"\x90\x3c\x40" not in heard[heard.index(b"\xb0\x7b\x00"):]


def network_threads():
    """Of this process: the library's."""
    names = []
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(FileNotFoundError): # one that has ended meanwhile
            names.append((task / "comm").read_text())
    return names.count("midisock\n")


def test_nothing_is_opened_before_it_is_activated():
    """An instance may only be there to be looked at; and a state may come that says where to connect."""
    assert network_threads() == 0
    with Host() as host:
        assert network_threads() == 0
        host.call("activate")
        until(lambda: network_threads() == 1, "connection's thread")
        host.call("deactivate")
    assert network_threads() == 0
    with Port.listen() as port, Host() as host:
        assert host.restore(b"connect 127.0.0.1:%d\0" % port.number) == SUCCESS
        host.call("activate")
        until(lambda: host.run(64, freewheel=1) == [] and host.peers == 1, "peer")
        # Where it connects already, that is kept when it is activated.
        host.call("deactivate")
        host.call("activate")
        host.run(64, ON, freewheel=1)
        while port.receive().data != ON: # before it, what deactivating has reset
            pass
        assert port.client_count == 1 and port.stats().connections == 1


ONE = 8 + 24  # bytes of a sequence with one short message


def test_a_note_off_that_had_no_room_comes_in_the_next_block():
    messages = [numbered(n) for n in range(20)]
    with Port.listen(overflow=OVERFLOW_WAIT) as port, Host() as host:
        assert host.restore(b"connect 127.0.0.1:%d\0" % port.number) == SUCCESS
        host.call("activate")
        until(lambda: port.client_count == 1, "client")
        for message in messages:
            port.push(message)
        # One in each block, in order; what is longer than any block is left out, and harms nothing.
        assert host.hears(1, room=ONE) == messages[:1]
        assert host.hears(2, room=ONE) == messages[1:3]
        port.push(bytes((0xF0, *([1] * 40), 0xF7)))
        port.push(ON)
        port.push(OFF)
        assert host.hears(len(messages) - 1, room=ONE) == [*messages[3:], ON, OFF]
        # No room for anything: that is a host's mistake.
        for room in (8, 9, 31):
            assert host.run(64, freewheel=1, room=room) == []


def test_a_note_off_that_had_no_room_is_kept_over_a_pause():
    with Port.listen(overflow=OVERFLOW_WAIT) as port, Host() as host:
        assert host.restore(b"connect 127.0.0.1:%d\0" % port.number) == SUCCESS
        host.call("activate")
        until(lambda: port.client_count == 1, "client")
        port.push(ON)
        assert host.hears(1, room=ONE) == [ON]
        # The Note Off is popped, where it is there by now, but what comes before it takes the room.
        port.push(bytes((0xB0, 7, 1)))
        port.push(OFF)
        assert host.hears(1, room=ONE) == [bytes((0xB0, 7, 1))]
        for _ in range(3):
            host.call("deactivate")
            host.call("activate")
        assert host.hears(1) == [OFF]
        port.push(bytes((0xB0, 7, 2)))
        assert host.hears(1) == [bytes((0xB0, 7, 2))]


def test_another_address_leaves_nothing_hanging_in_the_host():
    """The notes of the connection before end, though the port has gone from which they came."""
    with Port.listen(overflow=OVERFLOW_WAIT) as one, Port.listen(overflow=OVERFLOW_WAIT) as other, \
            Port.listen(overflow=OVERFLOW_WAIT) as third, Host() as host:
        assert host.restore(b"connect 127.0.0.1:%d\0" % one.number) == SUCCESS
        host.call("activate")
        until(lambda: one.client_count == 1, "client")
        sent = [bytes((0x90, note, 100)) for note in range(40, 60)] + [bytes((0xB0, 64, 127))]
        for message in sent:
            one.push(message)
        assert host.hears(len(sent)) == sent
        # This is on its way just then, and may still be heard of; but then it ends too.
        one.push(bytes((0x95, 1, 1)))
        one.flush()
        # One address after the other, some that are none, with no block between them; then one block at a time.
        for address in (b"connect 127.0.0.1:%d\0" % other.number, b"nonsense\0", b"connect 127.0.0.1:%d\0" % third.number):
            host.restore(address)
        until(lambda: third.client_count == 1, "client of the third")
        third.push(ON)
        third.push(OFF)
        heard = []
        until(lambda: heard.extend(data for _, data in host.run(64, freewheel=1, room=ONE)) or OFF in heard[-1:],
              "what the third sends")
        assert heard[-2:] == [ON, OFF], "the new begins after the old has ended"
        assert not held(sent + heard[:-2]), heard
        # And where there is no address at all in the end.
        third.push(ON)
        assert host.hears(1) == [ON]
        assert host.restore(b"nonsense\0") != SUCCESS
        assert host.hears(1) == [OFF]
