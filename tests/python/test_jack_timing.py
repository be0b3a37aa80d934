"""The place of messages in JACK, from one end to the other: jack_midiseq -> midisock-jack -> TCP ->
midisock-jack -> the probe, beside the same chain with immediate delivery, at the same time.

What decides is that every message comes out once, in order, within its block. The spacing is a figure:
scripts/test prints it."""

import contextlib
import os
import statistics
import subprocess
import time

from conftest import until
from jack_rig import PERIOD, Probe, server  # noqa: F401  a fixture
from tool import Tool

# One loop of the sequencer: notes on and off, all different, at odd distances.
LOOP = 47777
STEP = 739
NOTES = 60
EVENTS = int(os.environ.get("MIDISOCK_JACK_EVENTS") or 1000)


def song():
    words = []
    for n in range(NOTES):
        words += [n * STEP, 30 + n, 331 + n]
    return [str(word) for word in words]


def aligned(source, end):
    """`source` from the first event of `end` on: the last one like it that went in before it came out."""
    starts = [at for at, event in enumerate(source) if event.data == end[0].data and event.frame <= end[0].frame]
    assert starts, f"{end[0]} never went in"
    return source[starts[-1]:]


def check(source, end):
    """Every message once, in order, within its block; the pairs of what went in and came out."""
    pairs = list(zip(aligned(source, end), end))[:EVENTS]
    assert len(pairs) == EVENTS
    for at, (sent, got) in enumerate(pairs):
        assert sent.data == got.data, difference(pairs[max(0, at - 3):at + 8])
        assert 0 <= got.offset < got.period == PERIOD
        assert got.frame >= sent.frame - sent.offset, "it came before it was sent"
    frames = [got.frame for _, got in pairs]
    assert frames == sorted(frames)
    return pairs


def difference(pairs):
    return "what went in, what came out:\n" + "\n".join(
        f"{sent.frame} {sent.data.hex(' ')}   {got.frame} {got.data.hex(' ')}" for sent, got in pairs)


def spacing(pairs):
    """The error of the distance from one message to the next, and the delay, in frames."""
    delays = [got.frame - sent.frame for sent, got in pairs]
    errors = [b - a for a, b in zip(delays, delays[1:])]
    return statistics.pstdev(errors), max(map(abs, errors)), statistics.median(delays)


@contextlib.contextmanager
def chain(server, name, *options):
    """From the port `name-in:in` through the network to `name:out`, and to the probe."""
    near = ["--name", f"{name}-in", "--wait", "--in", "in", *options]
    far = ["--name", name, "--wait", "--out", "out", "--verbose", *options]
    with Tool("midisock-jack", *near, "127.0.0.1:0") as one:
        with Tool("midisock-jack", *far, "--connect", f"127.0.0.1:{one.port()}") as other:
            other.line_with("connected to")
            server.connect(f"{name}:out", f"probe:{name}")
            yield


def test_every_message_once_in_order_within_its_block(server):
    ends = ("placed", "immediate")
    with Probe("probe", "source", *ends) as probe, chain(server, "placed"), \
            chain(server, "immediate", "--latency", "0"):
        sequencer = subprocess.Popen(
            ["jack_midiseq", "sequencer", str(LOOP), *song()],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            # The source first, that the ends have nothing that it has not.
            server.connect("sequencer:out", "probe:source")
            for name in ends:
                server.connect("sequencer:out", f"{name}-in:in")
            # What came while programs were started to connect them is no measurement; nor does this look often.
            probe.look()
            for name in ends:
                probe.events[name].clear()
            until(lambda: time.sleep(0.05) or min(len(probe.look().events[name]) for name in ends) >= EVENTS + 2,
                  f"{EVENTS} events", timeout=120)
        finally:
            sequencer.kill()
            sequencer.wait()
        figures = {name: spacing(check(probe.events["source"], probe.events[name])) for name in ends}
    lines = [f"{name + ':':<11}{deviation:7.2f} frames standard deviation of the spacing, {worst:4d} at worst, "
             f"delay {delay:.0f}" for name, (deviation, worst, delay) in figures.items()]
    print("\n".join(lines))
    if path := os.environ.get("MIDISOCK_JACK_FIGURES"):
        with open(path, "w") as file:
            file.write("\n".join(lines) + "\n")
