"""Sends with mido as bench/push.c does, once a period: mido_push.py PORT PERIOD_US COUNT. Prints when each message was
due, and how long each call took. At SCHED_FIFO, if the system lets it and FIFO follows the count."""

import contextlib
import json
import os
import sys
import time

import mido.sockets

port, period_us, count = map(int, sys.argv[1:4])
period = period_us * 1000
due, calls = [], []
with mido.sockets.connect("127.0.0.1", port) as server:
    if sys.argv[4:] == ["FIFO"]:
        with contextlib.suppress(PermissionError):
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50))
    begin = time.monotonic_ns() + 20_000_000
    for i in range(count):
        then = begin + i * period
        now = time.monotonic_ns()
        if now < then:
            time.sleep((then - now) / 1e9)
            then = time.monotonic_ns()
        before = time.monotonic_ns()
        server.send(mido.Message("note_on", note=i % 128, velocity=64))
        calls.append(time.monotonic_ns() - before)
        due.append(then)
print(json.dumps({"due": due, "calls": calls}))
