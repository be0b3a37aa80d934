"""Speaks multicast DNS by hand, for the tests of discovery: services, hostile names, floods, and a capture.

    raw.py INTERFACE services COUNT [SECONDS]  announces so many services, and answers nothing
    raw.py INTERFACE names                     announces services with names that do harm where they are shown raw
    raw.py INTERFACE records SECONDS           a flood of records: of new services, addresses and changes
    raw.py INTERFACE queries SECONDS           a flood of questions
    raw.py INTERFACE garbage SECONDS           a flood of damaged messages
    raw.py INTERFACE claims NAME SECONDS       claims a name again and again
    raw.py INTERFACE capture                   prints each packet of multicast DNS or IGMP that is seen, until it is ended
"""

import random
import socket
import struct
import sys
import time

GROUP, PORT = "224.0.0.251", 5353
TYPE = [b"_midisock", b"_tcp", b"local"]
A, PTR, TXT, AAAA, SRV, ANY = 1, 12, 16, 28, 33, 255
FLUSH = 0x8001
PLAIN = 0x0001

HOSTILE = [
    b"control\x00\x07\n\r\x1b[2Jcharacters",
    b"\x1b]0;title\x07escape\x9b31m",
    "bidi \u202e\u2066\u200f marks".encode(),
    b"broken \xff\xfe\xc3 utf-8 \xed\xa0\x80",
    "line\u2028separators\u2029".encode(),
    b"dots.and\\back\\slashes",
    b"quote\" and <tag> & 'more' %s %n",
    b"x" * 63,
    "ü".encode() * 31,
    b" ",
]


def name(labels):
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def record(labels, kind, data, ttl=120, group=FLUSH):
    return name(labels) + struct.pack(">HHIH", kind, group, ttl, len(data)) + data


def message(answers, flags=0x8400):
    return struct.pack(">HHHHHH", 0, flags, 0, len(answers), 0, 0) + b"".join(answers)


def query(labels, kind):
    return struct.pack(">HHHHHH", 0, 0, 1, 0, 0, 0) + name(labels) + struct.pack(">HH", kind, 1)


def service(label, host=(b"raw", b"local"), port=9080, address="10.77.0.99", ttl=120):
    """The records of a service."""
    instance = [label, *TYPE]
    return [
        record(TYPE, PTR, name(instance), ttl, PLAIN),
        record(instance, SRV, struct.pack(">HHH", 0, 0, port) + name(host), ttl),
        record(instance, TXT, b"\x03v=1", ttl),
        record(host, A, socket.inet_aton(address), ttl),
    ]


def open_socket(interface):
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sender.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
    request = struct.pack("4s4si", b"\0" * 4, b"\0" * 4, socket.if_nametoindex(interface))
    sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, request)
    sender.bind(("", PORT))
    return lambda data: sender.sendto(data, (GROUP, PORT))


def repeat(seconds, once):
    end = time.monotonic() + seconds
    count = 0
    while time.monotonic() < end:
        once(count)
        count += 1
        if count % 50 == 0:
            time.sleep(0.001)
    print("sent", count, flush=True)


def announce(send, services, seconds):
    """Again and again, because nobody asks this program."""
    end = time.monotonic() + seconds
    while True:
        for records in services:
            send(message(records))
            time.sleep(0.001)
        print("announced", flush=True)
        if time.monotonic() >= end:
            return
        time.sleep(0.5)


def flood_of_records(send, number):
    label = b"flood %d" % number
    host = [b"host %d" % (number % 1000), b"local"]
    address = socket.inet_ntoa(struct.pack(">I", 0x0A4D0000 + number % 65536))
    send(message(service(label, host, 1 + number % 65535, address, ttl=2**32 - 1)))
    # The same service, changed; then many addresses of one host.
    send(message(service(b"flood", host, 1 + number % 65535, address)))
    send(message([record([b"raw", b"local"], A, struct.pack(">I", 0x0A4D0000 + number * 37 % 65536 + i), group=PLAIN)
                  for i in range(40)]))


def flood_of_garbage(send, number):
    source = random.Random(number)
    data = bytearray(message(service(b"garbage %d" % (number % 7))))
    for _ in range(source.randrange(1, 12)):
        data[source.randrange(2 if number % 2 else 12, len(data))] = source.randrange(256)
    send(bytes(data[:source.randrange(1, len(data) + 1)]))
    if number % 10 == 0:
        send(source.randbytes(source.randrange(9000)))
    # Names that point to themselves and to one another, and counts that lie.
    send(struct.pack(">HHHHHH", 0, 0x8400, 65535, 65535, 65535, 65535) + b"\xc0\x0c\xc0\x0c" * 50)


def flood_of_queries(send, number):
    send(query(TYPE, PTR if number % 2 else ANY))
    send(query([b"_services", b"_dns-sd", b"_udp", b"local"], PTR))


def capture(interface):
    """Packets of multicast DNS, and joins of groups, other than what the system does by itself."""
    receiver = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    receiver.bind((interface, 0))
    print("captures", flush=True)
    while True:
        frame = receiver.recv(65536)
        is_group = frame[0] & 1
        udp_v4 = frame[12:14] == b"\x08\x00" and frame[23] == 17
        igmp = frame[12:14] == b"\x08\x00" and frame[23] == 2
        udp_v6 = frame[12:14] == b"\x86\xdd" and frame[20] == 17
        joins = b"\xff\x02" + b"\0" * 13 + b"\xfb" in frame
        if is_group and (udp_v4 or igmp or udp_v6 or joins):
            print("packet", frame.hex(), flush=True)


def main():
    interface, what, *rest = sys.argv[1:]
    if what == "capture":
        return capture(interface)
    send = open_socket(interface)
    if what == "services":
        services = [service(b"raw %03d" % number) for number in range(int(rest[0]))]
        announce(send, services, float(rest[1]) if rest[1:] else 0)
    elif what == "names":
        services = [service(label, (b"ho\x1bst\xff" + bytes([65 + at]), b"local")) for at, label in enumerate(HOSTILE)]
        # A name of 255 bytes in all, which is the longest.
        services.append(service(b"longest", (b"a" * 63, b"b" * 63, b"c" * 63, b"d" * 61)))
        announce(send, services, 2)
    elif what == "claims":
        # As if it were there first, and somewhere else.
        label = rest[0].encode()
        repeat(float(rest[1]), lambda number: send(message(service(label, port=1 + number % 60000))))
    else:
        once = {"records": flood_of_records, "queries": flood_of_queries, "garbage": flood_of_garbage}[what]
        repeat(float(rest[0]), lambda number: once(send, number))


if __name__ == "__main__":
    main()
