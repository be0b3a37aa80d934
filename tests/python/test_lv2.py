"""The LV2 plugin of examples/lv2 in jalv, under JACK."""

import mido

from conftest import Link, until
from jack_rig import Probe, held, server  # noqa: F401  a fixture
from midisock_ctypes import Port
from test_jack_bridge import EVERY_KIND, OFF, ON
from test_tool_echo import free_port
from tool import Tool

STATE = """@prefix lv2: <http://lv2plug.in/ns/lv2core#> .
@prefix pset: <http://lv2plug.in/ns/ext/presets#> .
@prefix state: <http://lv2plug.in/ns/ext/state#> .

<> a pset:Preset ;
    lv2:appliesTo <urn:midisock:bridge> ;
    state:state [ <urn:midisock:bridge#address> "%s" ] .
"""


def jalv(tmp_path, address):
    """The plugin in jalv, with this address as its state."""
    folder = tmp_path / "state"
    folder.mkdir(exist_ok=True)
    (folder / "state.ttl").write_text(STATE % address)
    return Tool("/usr/bin/jalv", "-x", "-p", "-n", "jalv", "-l", folder, "urn:midisock:bridge")


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
    with Port.listen() as port, jalv(tmp_path, f"connect 127.0.0.1:{port.number}") as host, \
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
        with Port.listen() as port, jalv(tmp_path, f"connect 127.0.0.1:{port.number}") as host:
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
