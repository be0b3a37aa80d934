"""What the tools make of their peers: of those that turn them away, that only look, that answer, that lose."""

import socket
import struct
import subprocess
import threading

import pytest

import midisock_ctypes as midisock
from midisock_ctypes import DEADLINE, Port
from tool import BIN, Tool, run


# -- midisock-send and servers

@pytest.mark.parametrize("options", [["--allow", "10.0.0.0/8"], ["--max-clients", "1"]], ids=lambda o: o[0])
def test_a_client_that_is_turned_away_says_so(options):
    with Tool("midisock-monitor", *options, "127.0.0.1:0") as monitor:
        number = monitor.port()
        with Port.connect("127.0.0.1", number) as first:
            if "--max-clients" in options:
                first.wait_connected()
                first.push(b"\xf8")
                monitor.line_with("clock")
            finished = run("midisock-send", f"127.0.0.1:{number}", *"note-on 0 60 sleep 3000 note-off 0 60".split())
        assert finished.returncode == 1
        assert f"127.0.0.1:{number}" in finished.stderr and "by the peer" in finished.stderr
        monitor.complains("connections rejected")


def server_that(ends):
    """A server that takes one byte of one client and ends its connection that way; its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        peer, _ = listener.accept()
        peer.recv(1)
        ends(peer)
        listener.close()

    threading.Thread(target=serve, daemon=True).start()
    return listener.getsockname()[1]


def reset(peer):
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


@pytest.mark.parametrize("ends, reason", [(socket.socket.close, "closed by the peer"), (reset, "reset by the peer")])
def test_the_reason_of_a_lost_connection_is_told(ends, reason):
    finished = run("midisock-send", f"127.0.0.1:{server_that(ends)}", "clock", "sleep", "10000", "clock")
    assert finished.returncode == 1
    assert finished.stderr.endswith(f"is lost: {reason}\n"), finished.stderr


@pytest.mark.parametrize("options", [[], ["--per-client"]], ids=["shared", "per client"])
def test_a_peer_that_sends_everything_back_blocks_nothing(tmp_path, options):
    dump = tmp_path / "big.syx"
    dump.write_bytes((b"\xf0\x7d" + bytes(range(100)) + b"\xf7") * 30_000)
    with Tool("midisock-echo", *options, "--stall", "0", "127.0.0.1:0") as echo:
        finished = run("midisock-send", f"127.0.0.1:{echo.port()}", dump)
        assert (finished.returncode, finished.stderr) == (0, "")


def test_no_time_to_connect_is_a_mistake():
    finished = run("midisock-send", "-t", "0", "127.0.0.1:9", "clock")
    assert finished.returncode == 2 and "--timeout" in finished.stderr


# -- midisock-send --listen and clients

def port_check(number):
    socket.create_connection(("127.0.0.1", number)).close()


def browser(number):
    with socket.create_connection(("127.0.0.1", number)) as peer:
        peer.sendall(b"GET / HTTP/1.0\r\n\r\n")
        peer.settimeout(DEADLINE)
        try:
            while peer.recv(100):
                pass
        except OSError:
            pass


@pytest.mark.parametrize("visitor", [port_check, browser], ids=["port check", "browser"])
def test_a_visitor_is_not_the_client_that_is_waited_for(visitor):
    # A visitor that this machine is slow to see leave may be taken for a client: then it is an error, and tried again.
    for _ in range(5):
        with Tool("midisock-send", "--listen", "127.0.0.1:0", "note-on", "0", "60", "1") as send:
            number = send.port()
            visitor(number)
            try:
                with socket.create_connection(("127.0.0.1", number)) as client:
                    client.settimeout(DEADLINE)
                    got = client.recv(3)
                    # All that it sends, or it says that the client has not read it.
                    while client.recv(100):
                        pass
            except OSError:
                got = b""
            if got == b"\x90\x3c\x01":
                assert send.status() == 0
                return
            assert send.status() == 1
    pytest.fail("the visitor was taken for the client, five times")


# -- losses

@pytest.mark.parametrize("quiet", [[], ["-q"], ["--json"]], ids=["", "quiet", "json"])
def test_the_monitor_tells_of_losses_when_they_happen(quiet):
    with Tool("midisock-monitor", *quiet, "127.0.0.1:0") as monitor:
        with socket.create_connection(("127.0.0.1", monitor.port())) as peer:
            peer.sendall(b"\xf0" + bytes(20_000) + b"\xf7\xf8")
            monitor.complains("SysEx messages left out that were too long (see --max-message): 1")
            peer.sendall(b"\xf6\x01\x02")
            monitor.complains("bytes received that belong to no MIDI message: 2")
        assert monitor.process.poll() is None


def test_the_echo_tells_of_losses_when_they_happen():
    with Tool("midisock-echo", "--per-client", "127.0.0.1:0") as echo:
        with socket.create_connection(("127.0.0.1", echo.port())) as peer:
            peer.sendall(b"\xf0" + bytes(20_000) + b"\xf7\xf8")
            echo.complains("too long (see --max-message): 1")


# -- addresses

@pytest.mark.parametrize("given, printed", [
    ("*:0", "listening on *:"), ("[::ffff:127.0.0.1]:0", "listening on 127.0.0.1:"), ("::FFFF:127.0.0.1", None),
])
def test_addresses_that_the_tools_print_are_taken(given, printed):
    if printed is None:
        finished = run("midisock-send", f"[{given}]:9", "clock")
        assert "127.0.0.1:9" in finished.stderr
        return
    with Tool("midisock-monitor", given) as monitor:
        assert monitor.line().startswith(printed)


def test_the_address_in_use_is_named():
    try:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("no IPv6 here")
    with listener:
        number = listener.getsockname()[1]
        finished = run("midisock-monitor", number)
        if finished.returncode == 1:
            assert f"[::1]:{number}" in finished.stderr


@pytest.mark.parametrize("tool, arguments, signal_status, timeout_status", [
    ("midisock-monitor", [], 0, 0), ("midisock-monitor", ["-n", "1"], 0, 3), ("midisock-echo", [], 0, 0),
    ("midisock-send", ["--listen"], 130, 3),
])
def test_the_look_up_of_a_name_can_be_ended(tmp_path, tool, arguments, signal_status, timeout_status):
    """A resolver that does not answer, which only root may set up, in a mount namespace."""
    (tmp_path / "resolv.conf").write_text("nameserver 127.0.0.1\noptions timeout:20 attempts:3\n")
    mount = ["unshare", "--mount", "sh", "-c", f'mount --bind "{tmp_path}/resolv.conf" /etc/resolv.conf && exec "$@"', "sh"]
    if subprocess.run([*mount, "true"], capture_output=True).returncode != 0:
        pytest.skip("no mount namespaces here")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as resolver:
        try:
            resolver.bind(("127.0.0.1", 53))
        except OSError:
            pytest.skip("no port 53 here")
        resolver.settimeout(DEADLINE)
        words = ["clock"] if tool == "midisock-send" else []
        one = subprocess.Popen([*mount, BIN / tool, *arguments, "slow.example:9", *words])
        resolver.recv(512)  # the question
        one.send_signal(2)
        assert one.wait(10) == signal_status
        finished = subprocess.run([*mount, BIN / tool, *arguments, "-t", "0.2", "slow.example:9", *words], timeout=10)
        assert finished.returncode == timeout_status


# -- Unix sockets

def test_a_unix_socket_is_an_address(tmp_path):
    path = f"unix:{tmp_path}/midi.sock"
    with Tool("midisock-monitor", path) as monitor:
        assert monitor.line() == f"listening on {path}"
        finished = run("midisock-send", path, "note-on", "0", "60")
        assert finished.returncode == 0, finished.stderr
        monitor.line_with("note")
    assert run("midisock-send", "unix:midi.sock", "clock").returncode != 0
