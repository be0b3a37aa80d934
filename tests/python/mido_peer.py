"""The real mido in its own process, which tests can pause, stop and kill.

  mido_peer.py client PORT           connects, says "ready", sends a note on, obeys commands
  mido_peer.py server PORT           listens (0: on any port), says its port, accepts one
                                     connection, says "ready", sends a note on, obeys commands
  mido_peer.py drain COUNT           listens and says its port; takes the first message, reads
                                     nothing until it is told to go on, then takes the rest and
                                     says whether they are the numbered ones, in order
  mido_peer.py flood PORT COUNT      connects and sends so many numbered messages
  mido_peer.py echo PORT             listens, says its port, sends back to one client what it sent

Commands: close (the port, and lets go of it), exit (the process, with no farewell), read (say the
bytes of the next message).
"""

import json
import os
import socket
import sys

import mido
import mido.sockets

from numbered import numbered


def say(**what):
    print(json.dumps(what), flush=True)


def listen(number):
    server = mido.sockets.PortServer("127.0.0.1", number)
    say(port=server._socket.getsockname()[1])
    return server


def obey(connect):
    # No other reference to the port may remain when a command closes it.
    port = connect()
    say(ready=True)
    port.send(mido.Message("note_on", note=60, velocity=100))
    for command in sys.stdin:
        match command.strip():
            case "close":
                port.close()
                # mido keeps the connection open until the port is garbage-collected.
                del port
                say(closed=True)
                break
            case "exit":
                os._exit(7)
            case "read":
                say(bytes=port.receive().hex())
    # The other end decides when this process ends.
    sys.stdin.read()


def drain(count):
    server = listen(0)
    # Otherwise the system buffers tens of MB before it blocks the sender. Accepted sockets inherit this.
    server._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    port = server.accept()
    wrong = 0
    for number in range(count):
        message = port.receive()
        if bytes(message.bytes()) != numbered(number):
            wrong += 1
        if number == 0:
            say(paused=True)
            sys.stdin.readline()
    say(received=count, wrong=wrong, more=port.poll() is not None)


def flood(number, count):
    port = mido.sockets.connect("127.0.0.1", number)
    for at in range(count):
        port.send(mido.Message.from_bytes(numbered(at)))
    say(sent=count)
    sys.stdin.read()


def echo(number):
    port = listen(number).accept()
    for message in port:
        port.send(message)


def main(role, *arguments):
    numbers = [float(a) if "." in a else int(a) for a in arguments]
    match role:
        case "client":
            obey(lambda: mido.sockets.connect("127.0.0.1", *numbers))
        case "server":
            obey(lambda: listen(*numbers).accept())
        case "drain":
            drain(*numbers)
        case "flood":
            flood(*numbers)
        case "echo":
            echo(*numbers)


if __name__ == "__main__":
    main(*sys.argv[1:])
