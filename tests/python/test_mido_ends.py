"""mido closes, dies and is killed, as a client and as a server."""

import pytest

import midisock_ctypes as midisock
from conftest import until
from midisock_ctypes import Port

NOTE_ON = b"\x90\x3c\x64"


def end(peer, how):
    if how == "kill":
        peer.kill()
    else:
        peer.tell(how)


@pytest.mark.parametrize("how", ["close", "exit", "kill"])
def test_a_client_that_ends_leaves_and_others_stay(start_peer, how):
    with Port.listen() as server:
        peers = [start_peer("client", server.number) for _ in range(2)]
        for peer in peers:
            assert peer.says() == {"ready": True}
        joined = {server.notified(midisock.NOTIFY_CLIENT_JOINED).client for _ in peers}
        assert len(joined) == 2
        assert {server.receive().data for _ in peers} == {NOTE_ON}

        end(peers[0], how)
        left = server.notified(midisock.NOTIFY_CLIENT_LEFT)
        assert left.client in joined
        assert left.reason == midisock.OK  # the system says good-bye for a dead process
        until(lambda: server.client_count == 1, "count of one client")

        server.push(b"\x90\x3d\x01")
        peers[1].tell("read")
        assert peers[1].says() == {"bytes": "90 3D 01"}
        stats = server.stats()
        assert (stats.connections, stats.disconnections) == (2, 1)


@pytest.mark.parametrize("how", ["exit", "kill"])
def test_a_client_that_ends_with_unread_data_leaves_too(start_peer, how):
    with Port.listen() as server:
        peer = start_peer("client", server.number)
        assert peer.says() == {"ready": True}
        joined = server.notified(midisock.NOTIFY_CLIENT_JOINED)
        for note in range(100):
            server.push(bytes([0x90, note, 1]))
        server.flush()
        end(peer, how)
        # Unread data makes this a reset.
        assert server.notified(midisock.NOTIFY_CLIENT_LEFT).client == joined.client


@pytest.mark.parametrize("how", ["close", "exit", "kill"])
def test_an_accepted_port_sees_its_client_end(start_peer, how):
    with Port.listen(accept_mode=midisock.ACCEPT_MANUAL, release_on_disconnect=0) as server:
        peer = start_peer("client", server.number)
        with server.accept() as port:
            assert port.receive().data == NOTE_ON
            end(peer, how)
            assert port.notified(midisock.NOTIFY_DISCONNECTED).reason == midisock.OK
            message = midisock.Message()
            assert midisock.call("pop", port.handle, message) == midisock.ERR_CLOSED
            assert port.try_push(NOTE_ON) == midisock.ERR_CLOSED
            assert port.state == midisock.STATE_CLOSED


@pytest.mark.parametrize("how", ["close", "exit", "kill"])
def test_a_server_that_ends_is_noticed_and_found_again(start_peer, how):
    first = start_peer("server", 0)
    number = first.says()["port"]
    with Port.connect("127.0.0.1", number, reconnect_min_ms=10, reconnect_max_ms=50,
                      release_on_disconnect=0) as port:
        assert first.says() == {"ready": True}
        port.notified(midisock.NOTIFY_CONNECTED)
        assert port.receive().data == NOTE_ON
        end(first, how)
        assert port.notified(midisock.NOTIFY_DISCONNECTED).reason == midisock.OK
        assert port.notified(midisock.NOTIFY_CONNECT_FAILED).reason == midisock.ERR_REFUSED

        second = start_peer("server", number)
        assert second.says() == {"port": number}
        assert second.says() == {"ready": True}
        port.notified(midisock.NOTIFY_CONNECTED)
        assert port.receive().data == NOTE_ON
        port.push(b"\x90\x3d\x01")
        second.tell("read")
        assert second.says() == {"bytes": "90 3D 01"}
