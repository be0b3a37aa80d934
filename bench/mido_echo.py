"""An echo server with mido, as its documentation has it: prints its port, then returns to one client after the other
what it sends."""

import mido.sockets

server = mido.sockets.PortServer("127.0.0.1", 0)
print(server._socket.getsockname()[1], flush=True)
while True:
    with server.accept() as client:
        for message in client:
            client.send(message)
