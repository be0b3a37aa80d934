"""Sender time from end to end, through real sockets, in a virtual machine whose clock counts instructions. So the figures do
not depend on how busy this machine is, and can be asserted."""

import json
import platform
import sys

import virtual_time
from project import LIB, ROOT, SONAME
from runner import expect, suite

# A network that holds each piece up for 0 to so many ms.
JITTERS_MS = (0, 2, 5, 20)
COMMON = ["spacing", "--device-time", 1, "--fifo", 1, "--network", "/bin/jitter"]
SHORT = ["--notes", 500, "--settle-notes", 200, "--settle-blocks", 800]


@suite("virtual-time", "sender time through real sockets, in a machine whose clock counts instructions", budget=300,
       needs=["library"], packages=virtual_time.PACKAGES, extended=True)
def virtual(run):
    if not virtual_time.is_possible():
        run.skip("virtual machine", f"it needs x86-64 and Debian's packages, and this is {platform.machine()}")
        return
    if virtual_time.missing():
        run.lacks("virtual machine", " ".join(virtual_time.PACKAGES))
        return
    programs = build(run)
    commands = [[*COMMON, *SHORT, "--jitter-us", jitter * 1000, "--timing", "sender", "--latency-us", latency]
                for jitter in JITTERS_MS for latency in (30_000, 0)]
    commands += [[*COMMON, *SHORT, "--jitter-us", 5000]]
    told = [json.loads(output) for output in virtual_time.run_programs(run, programs, [LIB / SONAME], commands)]
    for index, jitter in enumerate(JITTERS_MS):
        fixed, automatic = told[2 * index:2 * index + 2]
        run.step(f"0 to {jitter} ms, 30 ms of latency", keeps_spacing, fixed)
        run.step(f"0 to {jitter} ms, automatic latency", is_in_proportion, automatic)
        run.figure(f"0 to {jitter} ms: {fixed['spacing']:.2f} frames off their spacing with 30 ms; automatic "
                   f"{automatic['latency_ms']:.1f} ms, {automatic['latency_ms'] / automatic['least_ms']:.2f} times the least")
    run.check("0 to 5 ms, by arrival: a control", told[-1]["spacing"] > 50, f"{told[-1]['spacing']} frames")


def build(run):
    """The programs of the benchmark that are needed."""
    sys.path.append(str(ROOT / "bench"))
    import bench_build
    return [bench_build.build_program(run.must, name) for name in ("spacing", "jitter")]


def keeps_spacing(one):
    expect(one["timed"] >= len(one["off"]), f"{one['timed']} messages came with the sender's time")
    expect(one["spacing"] <= 1.0, f"{one['spacing']} frames off their spacing")
    expect(one["late"] == 0, f"{one['late']} late")


def is_in_proportion(one):
    expect(one["timed"] >= len(one["off"]), f"{one['timed']} messages came with the sender's time")
    # It rises with the notes that come: a few are the first of their kind.
    expect(one["late"] <= len(one["off"]) // 50, f"{one['late']} late")
    expect(one["latency_ms"] > one["least_ms"] / 1.5, f"{one['latency_ms']} ms, where {one['least_ms']} ms are needed")
    expect(one["latency_ms"] <= 1.5 * one["least_ms"], f"{one['latency_ms']} ms, where {one['least_ms']} ms would do")
