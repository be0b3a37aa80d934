"""mido as a client and as a server: bytes over a socket, and the messages that its port receives.

  mido_streams.py client|server

Streams come in lines of hexadecimal bytes on standard input. For each, the messages go to standard output, in a line, with
" / " between them. Each stream is sent twice, once byte for byte, and must mean the same. A stream ends with a message of
controller 127, by which the program knows that it is over.
"""

import socket
import sys

import mido.sockets

HOST = "127.0.0.1"


def connected(role):
    """A plain socket, and mido's port at its other end."""
    if role == "server":
        server = mido.sockets.PortServer(HOST, 0)
        plain = socket.create_connection(server._socket.getsockname())
        return plain, server.accept()
    with socket.create_server((HOST, 0)) as listening:
        port = mido.sockets.connect(HOST, listening.getsockname()[1])
        return listening.accept()[0], port


def received(role, pieces):
    plain, port = connected(role)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for piece in pieces:
        plain.sendall(piece)
    messages = []
    while not messages or messages[-1][1:2] != b"\x7f":
        messages.append(port.receive().bin())
    return " / ".join(message.hex(" ") for message in messages)


for line in sys.stdin:
    stream = bytes.fromhex(line)
    whole = received(sys.argv[1], [stream])
    if received(sys.argv[1], [bytes((byte,)) for byte in stream]) != whole:
        sys.exit(f"{line.strip()}: byte for byte it means something else")
    print(whole, flush=True)
