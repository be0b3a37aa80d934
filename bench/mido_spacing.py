"""What bench/spacing.c measures, as two programs with mido do it: mido_spacing.py FRAMES LATE_PERCENT SETTLE_BLOCKS NOTES
[NETWORK OPTION...]. With a network the messages go through that program, bench/jitter.c. With the option --fifo all of it runs
at SCHED_FIFO, where the system allows it.
The callback of a note's block sends it; the one that finds it takes it as at the block's beginning. Prints by how many
frames each note is off."""

import contextlib
import json
import os
import subprocess
import sys
import time

import mido.sockets

RATE = 48000
FRAMES, LATE_PERCENT, SETTLE_BLOCKS, NOTES = map(int, sys.argv[1:5])
IS_SENDER = sys.argv[5:6] == ["send"]


def note_frame(number):
    return SETTLE_BLOCKS * FRAMES + number * 611 + number * 7919 % 256


def callbacks(begin, random):
    """The blocks, each when its callback begins."""
    block_ns = FRAMES * 10**9 / RATE
    block = 0
    while True:
        random ^= random << 13 & 2**64 - 1
        random ^= random >> 7
        random ^= random << 17 & 2**64 - 1
        at = begin + block * block_ns + block_ns * (random % 1000) / 1000 * LATE_PERCENT / 100
        time.sleep(max(0, at - time.monotonic_ns()) / 1e9)
        yield block
        block += 1


def send(port, begin):
    note = 0
    with mido.sockets.connect("127.0.0.1", port) as server:
        for block in callbacks(begin, 88172645463325252):
            while note < NOTES and note_frame(note) < (block + 1) * FRAMES:
                server.send(mido.Message("songpos", pos=note))
                note += 1
            if note == NOTES:
                # Not all is lost that was not read: mido closes at once.
                sys.stdin.readline()
                return


def main():
    if "--fifo" in sys.argv:
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50))
    server = mido.sockets.PortServer("127.0.0.1", 0)
    begin = time.monotonic_ns() + 1_500_000_000
    port = server._socket.getsockname()[1]
    network = None
    if len(sys.argv) > 5:
        network = subprocess.Popen([sys.argv[5], "--to", str(port), *sys.argv[6:]], stdout=subprocess.PIPE)
        port = int(network.stdout.readline())
    sender = subprocess.Popen([sys.executable, "-B", __file__, *sys.argv[1:5], "send", str(port), str(begin)],
                              stdin=subprocess.PIPE)
    there = []
    with server.accept() as client:
        for block in callbacks(begin, 1181783497276652981):
            there += [block * FRAMES for _ in client.iter_pending()]
            if len(there) >= NOTES:
                break
    sender.communicate(b"\n")
    if network:
        network.wait()
    off = [at - note_frame(number) for number, at in enumerate(there)]
    mean = sum(off) / len(off)
    steps = [other - one for one, other in zip(off, off[1:])]
    print(json.dumps({"delay": mean, "deviation": (sum((one - mean)**2 for one in off) / len(off))**0.5,
                      "spacing": (sum(step**2 for step in steps) / len(steps))**0.5, "spread": max(off) - min(off),
                      "worst": max(abs(one - mean) for one in off), "off": [round(one - mean) for one in off]}))


if IS_SENDER:
    send(*map(int, sys.argv[6:8]))
else:
    main()
