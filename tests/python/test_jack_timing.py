"""The place of messages in JACK, from one end to the other: jack_midiseq -> midisock-jack -> TCP ->
midisock-jack -> the probe, beside the same chain with immediate delivery, at the same time.

What decides is that every message comes out once, in order, within its block, and that the spacing is kept:
that where JACK runs realtime, for only then do its cycles come in time on a machine that does other work.
Without, the spacing is a figure. scripts/test prints both."""

import contextlib
import os
import statistics
import subprocess
import time

import pytest

from conftest import until
from jack_rig import PERIOD, PROGRAMS, Probe, Server, may_be_realtime, server  # noqa: F401  a fixture
from midisock_ctypes import DEADLINE
from tool import Tool

# One loop of the sequencer: notes on and off, all different, at odd distances.
LOOP = 47777
STEP = 739
NOTES = 60
EVENTS = int(os.environ.get("MIDISOCK_JACK_EVENTS") or 1000)

# The standard deviation of the spacing, in frames, and over how many events it is taken where it decides.
GOAL = 5
WINDOW = 250
# With immediate delivery it is at least this: some half of a period.
CONTROL = 50
# So long, in s, for a window in which the machine has let every thread run in time.
PATIENCE = 120

ENDS = ("placed", "immediate")


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


def check(source, end, count):
    """Every message once, in order, within its block; the first so many pairs of what went in and came out."""
    pairs = list(zip(aligned(source, end), end))[:count]
    assert len(pairs) == count
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
def chain(server, name, *options, env=None):
    """From the port `name-in:in` through the network to `name:out`, and to the probe."""
    near = ["--name", f"{name}-in", "--wait", "--in", "in", *options]
    far = ["--name", name, "--wait", "--out", "out", "--verbose", *options]
    with Tool("midisock-jack", *near, "127.0.0.1:0", env=env) as one:
        with Tool("midisock-jack", *far, "--connect", f"127.0.0.1:{one.port()}", env=env) as other:
            other.line_with("connected to")
            server.connect(f"{name}:out", f"probe:{name}")
            yield
            # In good order: the server waits for a client that was killed, as long as it would for a late one.
            for tool in (other, one):
                tool.interrupt()
                assert tool.status() == 0, tool.errors


@contextlib.contextmanager
def sequencer(server, ends=ENDS):
    process = subprocess.Popen(["jack_midiseq", "sequencer", str(LOOP), *song()],
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        # The source first, that the ends have nothing that it has not.
        server.connect("sequencer:out", "probe:source")
        for name in ends:
            server.connect("sequencer:out", f"{name}-in:in")
        yield
    finally:
        process.terminate() # see above
        try:
            process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def both_chains(server):
    """The probe at their ends, while they are played into."""
    with Probe("probe", "source", *ENDS) as probe, chain(server, "placed"), \
            chain(server, "immediate", "--latency", "0"), sequencer(server):
        # What came while programs were started to connect them is no measurement.
        probe.look()
        for name in ENDS:
            probe.events[name].clear()
        yield probe


def wait_for_events(probe, count, ends=ENDS):
    # It does not look often, as that takes time from what is measured.
    until(lambda: time.sleep(0.05) or min(len(probe.look().events[name]) for name in ends) >= count,
          f"{count} events", timeout=PATIENCE)


def tell(title, figures):
    lines = [f"{title}, {name + ':':<11}{deviation:7.2f} frames standard deviation of the spacing, {worst:4d} at worst, "
             f"delay {delay:.0f}" for name, (deviation, worst, delay) in figures.items()]
    print("\n".join(lines))
    if path := os.environ.get("MIDISOCK_JACK_FIGURES"):
        with open(path, "a") as file:
            file.write("\n".join(lines) + "\n")


def test_every_message_once_in_order_within_its_block(server):
    with both_chains(server) as probe:
        wait_for_events(probe, EVENTS + 2)
        pairs = {name: check(probe.events["source"], probe.events[name], EVENTS) for name in ENDS}
    tell("jackd -r", {name: spacing(pairs[name]) for name in ENDS})


@pytest.mark.parametrize("microseconds", [3_600_000_000, -3_600_000_000])
def test_jack_may_have_a_clock_of_its_own(server, microseconds):
    """Its times are then converted. Taken as they are, nothing would come: an hour is too far ahead to send, and too far
    back to be placed."""
    env = {"LD_PRELOAD": str(PROGRAMS / "libclock.so"), "MIDISOCK_JACK_CLOCK": str(microseconds)}
    ends = ("placed",)
    with Probe("probe", "source", *ends) as probe, chain(server, *ends, env=env), sequencer(server, ends):
        probe.look()
        probe.events["placed"].clear()
        wait_for_events(probe, WINDOW + 2, ends)
        check(probe.events["source"], probe.events["placed"], WINDOW)


def test_the_spacing_is_kept(monkeypatch, tmp_path):
    """Within PATIENCE there is a window in which it is, though other programs run: of these the realtime
    threads of JACK and of the library know little, but this may be a virtual machine, which stands still
    now and then. Immediate delivery does not keep it in any."""
    if not may_be_realtime():
        pytest.skip("this user is not given realtime priorities")
    server = Server(monkeypatch, tmp_path / "jackd.log")
    server.start(priority=70)
    seen = []
    try:
        with both_chains(server) as probe:
            deadline = time.monotonic() + PATIENCE
            while not seen or seen[-1]["placed"][0] >= GOAL:
                assert time.monotonic() < deadline, f"standard deviation, worst and delay of each window: {seen}"
                wait_for_events(probe, WINDOW + 2)
                seen.append({name: spacing(check(probe.events["source"], probe.events[name], WINDOW)) for name in ENDS})
                for name in ENDS:
                    assert len(probe.events[name]) > WINDOW
                    del probe.events[name][:WINDOW]
    finally:
        server.end()
    tell("jackd -R", seen[-1])
    if seen[1:]:
        print(f"before that: {seen[:-1]}")
    assert min(window["immediate"][0] for window in seen) >= CONTROL, seen
