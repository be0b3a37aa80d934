"""Connections that Python made, as ports; mido is at the other end."""

import os
import socket

import midisock_ctypes as midisock
import mido
import mido.sockets
import pytest


def test_a_connection_that_python_accepted():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with mido.sockets.connect("127.0.0.1", listener.getsockname()[1]) as peer:
            accepted, address = listener.accept()
            with midisock.Port.adopt(accepted) as port:
                assert accepted.fileno() == -1
                assert port.state == midisock.STATE_CONNECTED
                assert port.peer_address() == f"127.0.0.1:{address[1]}"
                peer.send(mido.Message("note_on", note=60, velocity=100))
                assert port.receive().data == b"\x90\x3c\x64"
                port.push(b"\xf0\x01\x02\xf7")
                assert peer.receive() == mido.Message("sysex", data=(1, 2))
            # The port is closed: mido sees the end.
            assert list(peer) == []


def test_what_is_no_connection_stays_pythons():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with pytest.raises(midisock.Error) as raised:
            midisock.Port.adopt(listener)
        assert raised.value.result == midisock.ERR_INVALID_ARGUMENT
        assert os.get_blocking(listener.fileno()) == listener.getblocking()


def test_a_server_on_a_unix_socket(tmp_path):
    path = tmp_path / "midi.sock"
    with midisock.Port.listen(f"unix:{path}") as server:
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            joined = server.notified(midisock.NOTIFY_CLIENT_JOINED)
            assert joined.address == b"unix:"
            client.sendall(b"\x90\x3c\x64")
            assert server.receive().data == b"\x90\x3c\x64"
        assert path.stat().st_mode & 0o777 == 0o600
    assert not path.exists()
