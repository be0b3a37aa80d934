"""The place of messages in JACK, from one end to the other: jack_midiseq -> midisock-jack -> TCP ->
midisock-jack -> the probe, beside the same chain with immediate delivery, at the same time.

What decides is that every message comes out once, in order, within its block. The spacing is a figure:
scripts/test prints it."""

import os
import statistics
import subprocess

import pytest

from conftest import until
from jack_rig import PERIOD, Probe, Server
from tool import Tool

# One loop of the sequencer: notes on and off, all different, at odd distances.
LOOP = 47777
STEP = 739
NOTES = 60
EVENTS = int(os.environ.get("MIDISOCK_JACK_EVENTS") or 1000)


@pytest.fixture
def server(monkeypatch, tmp_path):
    server = Server(monkeypatch, tmp_path / "jackd.log")
    server.start()
    yield server
    server.end()


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


def test_every_message_once_in_order_within_its_block(server):
    with Tool("midisock-jack", "--name", "near", "--wait", "--in", "in", "127.0.0.1:0") as near:
        number = near.port()
        far = ["--connect", f"127.0.0.1:{number}", "--verbose", "--wait", "--out", "out"]
        with Tool("midisock-jack", "--name", "placed", *far) as placed, \
                Tool("midisock-jack", "--name", "immediate", "--latency", "0", *far) as immediate, \
                Probe("probe", "source", "placed", "immediate") as probe:
            for tool in (placed, immediate):
                tool.line_with("connected to")
            sequencer = subprocess.Popen(["jack_midiseq", "sequencer", str(LOOP), *song()],
                                         stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                         stderr=subprocess.DEVNULL)
            try:
                # The source first, that the ends have nothing that it has not.
                server.connect("sequencer:out", "probe:source")
                for name in ("placed", "immediate"):
                    server.connect(f"{name}:out", f"probe:{name}")
                server.connect("sequencer:out", "near:in")
                ends = ("placed", "immediate")
                until(lambda: min(len(probe.look().events[name]) for name in ends) >= EVENTS + 2,
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
