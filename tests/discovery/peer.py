"""A program that advertises and browses, for the tests of discovery. It reads commands from standard input:

    advertise HOST PORT NAME    opens a server
    rename NAME                 renames the server that was opened last
    close                       closes it
    play                        connects to it on loopback, and sends notes both ways

and prints a JSON object for each change that its browser tells, unless it is started with --no-browse. At the end of its
input it closes everything, and prints how many threads it has left and its resident memory in kB."""

import json
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))

import midisock_ctypes as midisock  # noqa: E402

KINDS = {midisock.SERVICE_FOUND: "found", midisock.SERVICE_CHANGED: "changed", midisock.SERVICE_LOST: "lost"}


def say(**what):
    print(json.dumps(what), flush=True)


def show_changes(browser, ends):
    while not ends.is_set():
        service = browser.next(timeout=0.1)
        if service:
            # Anything but clean UTF-8 without control characters is an error here.
            texts = {key: getattr(service, key).decode() for key in ("name", "host", "address")}
            say(event=KINDS[service.kind], port=service.port, **texts)


def play(server):
    with midisock.Port.connect("127.0.0.1", server.number) as client:
        client.wait_connected()
        client.push(bytes([0x90, 60, 100]))
        server.receive()
        server.push(bytes([0x90, 60, 100]))
        client.receive()


def obey(line, servers):
    command, *rest = line.rstrip("\n").split(" ", 1)
    if command == "advertise":
        host, port, *name = rest[0].split(" ", 2)
        name = name[0].encode() if name else None
        servers.append(midisock.Port.listen(host if host != "*" else "", int(port), advertise=1, name=name))
    elif command == "listen":
        host, port = rest[0].split(" ")
        servers.append(midisock.Port.listen(host if host != "*" else "", int(port)))
    elif command == "rename":
        servers[-1].set_name(rest[0])
    elif command == "play":
        play(servers[-1])
    elif command == "close":
        servers.pop().close()
    say(event="done", command=command, port=servers[-1].number if servers else 0)


def number_of(field):
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1])


def main():
    servers, ends = [], threading.Event()
    browser = None if "--no-browse" in sys.argv else midisock.Browser()
    if browser:
        shows = threading.Thread(target=show_changes, args=(browser, ends))
        shows.start()
    say(event="ready")
    for line in sys.stdin:
        obey(line, servers)
    ends.set()
    if browser:
        shows.join()
        browser.close()
    for server in servers:
        server.close()
    say(event="end", threads=number_of("Threads:"), kb=number_of("VmRSS:"))


if __name__ == "__main__":
    main()
