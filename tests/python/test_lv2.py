"""The LV2 plugin of examples/lv2 in jalv, under JACK."""

import ctypes
import os
import struct

import mido

from conftest import Link, until
from jack_rig import Probe, held, server  # noqa: F401  a fixture
from midisock_ctypes import CONSTANTS, Port
from test_jack_bridge import EVERY_KIND, OFF, ON
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


def jalv(tmp_path, address):
    """The plugin in jalv, with this address as its state."""
    folder = tmp_path / "state"
    folder.mkdir(exist_ok=True)
    (folder / "state.ttl").write_text(STATE % address)
    return Tool("/usr/bin/jalv", "-x", "-p", "-n", "jalv", "-l", folder, "urn:midisock:link")


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

    def run(self, frames, message):
        """Plays one block that begins with the message."""
        padded = message + bytes(-len(message) % 8)
        event = struct.pack("<qII", 0, len(message), self.urid("http://lv2plug.in/ns/ext/midi#MidiEvent")) + padded
        sequence = self.urid("http://lv2plug.in/ns/ext/atom#Sequence")
        into = ctypes.create_string_buffer(struct.pack("<IIII", 8 + len(event), sequence, 0, 0) + event)
        out = ctypes.create_string_buffer(struct.pack("<II", 4096, sequence) + bytes(4096))
        values = [into, out, ctypes.c_float(0), ctypes.c_float(0)]
        connect = ctypes.CFUNCTYPE(None, P, U32, P)(self.plugin.connect_port)
        for port, value in enumerate(values):
            connect(self.handle, port, ctypes.addressof(value))
        self.call("run", frames)

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
