"""midisock-jack does nothing on JACK's process thread that a realtime thread must not do, as
tests/jack/trap.c sees it."""

import re

import pytest

from conftest import until
from jack_rig import PROGRAMS, Probe, pass_both_ways, server  # noqa: F401  a fixture
from midisock_ctypes import Port
from numbered import numbered
from tool import Tool

CALLBACKS = 1000


def watched(**more):
    return Tool("midisock-jack", "--name", "b", "--verbose", "127.0.0.1:0",
                env={"LD_PRELOAD": str(PROGRAMS / "libtrap.so"), **more})


def counted(tool):
    """Ends it. Returns the observed callbacks, allocations, locks and system calls."""
    tool.interrupt()
    return trapped(tool)


def trapped(tool):
    """The same of a tool that is ending."""
    if tool.status() == 77:
        pytest.skip("this kernel has no syscall user dispatch (x86-64, Linux 5.11)")
    assert tool.process.returncode == 0, tool.errors
    found = re.search(r"^trap: (\d+) callbacks, (\d+) allocations, (\d+) locks, (\d+) system calls(.*)$",
                      tool.errors, re.MULTILINE)
    assert found, tool.errors
    print(found[0])
    return [int(number) for number in found.groups()[:4]], found[5]


def test_nothing_in_a_thousand_callbacks_with_traffic_and_without(server):
    with watched() as tool, Probe("probe", "end") as probe:
        number = tool.port()
        server.connect("b:out", "probe:end")
        server.connect("probe:out", "b:in")
        # Each turn takes some callbacks: on a fast machine it takes all of these.
        for _ in range(20):
            # Connected, with short and long messages both ways...
            with Port.connect("127.0.0.1", number) as client:
                client.wait_connected()
                tool.line_with("joined")
                pass_both_ways(probe, client)
            # ...gone, with notes left to release, and played into the void.
            tool.line_with("left")
            probe.play(*(numbered(n) for n in range(20)))
        # A burst beyond what a buffer of JACK's holds, and beyond the queue.
        with Port.connect("127.0.0.1", number) as client:
            client.wait_connected()
            for n in range(20000):
                client.push(numbered(n))
        tool.line_with("left")
        # A player that goes, and whose notes are released.
        probe.play(*(bytes((0x90, note, 1)) for note in range(100)))
        server.disconnect("probe:out", "b:in")
        tool.line_with("is no more connected")
        seen, first = counted(tool)
    callbacks, *rest = seen
    assert callbacks >= CALLBACKS
    assert rest == [0, 0, 0], f"{seen}{first}"


@pytest.mark.parametrize("what, at", [("allocation", 1), ("lock", 2), ("syscall", 3)])
def test_control_what_is_forbidden_is_seen(server, what, at):
    with watched(MIDISOCK_TRAP_TEST=what) as tool, Probe("probe", "end") as probe:
        server.connect("b:out", "probe:end")
        with Port.connect("127.0.0.1", tool.port()) as client:
            client.wait_connected()
            # Each comes in a cycle of its own.
            for n in range(150):
                client.push(numbered(n))
                until(lambda: numbered(n) in probe.heard("end"), f"message {n}")
        (callbacks, *rest), _ = counted(tool)
    assert callbacks >= 100
    # An allocation may need a system call, too.
    assert rest[at - 1] >= 1, rest
