"""What is measured, and how often. Each part gives rows for the report and keeps all raw figures.

Everything that is compared runs in the same run, in alternation: one repetition of each, then the next of each. A
ratio is taken within a repetition; what is told of it is its smallest, median and largest value.
"""

import contextlib
import json
import os
import statistics
import subprocess
import threading

from bench_build import BENCH, ECHO, PROGRAMS, library_environment, python_with_mido, say

SECONDS = 120  # no single program may take longer


class Bench:
    """How thoroughly to measure, and which builds of the library."""

    def __init__(self, quick, against):
        self.quick = quick
        self.libraries = {"": None} | ({" (other)": against} if against else {})
        # Where there are two processors, the network thread and the popping thread have one each.
        self.cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1

    def run(self, name, *arguments, library=None):
        """Runs a benchmark program; what it says in JSON."""
        finished = subprocess.run(
            [str(PROGRAMS / name), *map(str, arguments)], env=library_environment(library), timeout=SECONDS,
            stdout=subprocess.PIPE, check=True, text=True)
        return json.loads(finished.stdout)

    def alternate(self, variants, repetitions):
        """Runs each variant (name: function) so many times, in turns; the results by name."""
        results = {name: [] for name in variants}
        for repetition in range(repetitions):
            order = list(variants)
            # Every other time backwards: nobody always follows the same one.
            for name in order if repetition % 2 == 0 else reversed(order):
                results[name].append(variants[name]())
        return results


def spread(values):
    return {"min": min(values), "median": statistics.median(values), "max": max(values)}


def ratios(values, base):
    """The spread of value / base, repetition by repetition."""
    return spread([value / other for value, other in zip(values, base, strict=True)])


def stream(bench):
    """Million 3-byte messages a second from a socket to a popping thread."""
    say("stream throughput")
    million = 4 if bench.quick else 10
    repetitions = 3 if bench.quick else 7
    pinned = ["--net-cpu", 1, "--pop-cpu", 0] if bench.cores >= 2 else []

    def variant(*arguments, count=million, library=None):
        return lambda: bench.run("stream", "--messages", count * 1_000_000, *arguments, library=library)

    variants = {"bare recv into nothing": variant("--target", "bare", count=4 * million)}
    for suffix, library in bench.libraries.items():
        for target in ("connect", "accepted", "merged"):
            for wake in ("tick", "signal"):
                variants[f"{target}, {wake}, default queue, popping in a loop{suffix}"] = variant(
                    "--target", target, "--wake", wake, library=library)
        for target in ("connect", "accepted", "merged"):
            variants[f"{target}, tick, 1 MiB queue, popping in a loop{suffix}"] = variant(
                "--target", target, "--in-bytes", 1 << 20, library=library)
        for queue, size in (("default", 0), ("1 MiB", 1 << 20)):
            variants[f"connect, tick, {queue} queue, midisock_wait when empty{suffix}"] = variant(
                "--in-bytes", size, "--pop", "wait", library=library)
            variants[f"connect, tick, {queue} queue, popping in a loop, pinned{suffix}"] = variant(
                "--in-bytes", size, *pinned, library=library)
    raw = bench.alternate(variants, repetitions)
    speeds = {name: [one["million_per_second"] for one in runs] for name, runs in raw.items()}
    bare = speeds["bare recv into nothing"]
    rows = [{"name": name, "million_per_second": spread(values), "share_of_bare": ratios(values, bare)}
            for name, values in speeds.items()]
    return {"rows": rows, "raw": raw}


@contextlib.contextmanager
def server(arguments, port_of, environment=None):
    """A server in a process of its own, until the block ends; gives its port."""
    process = subprocess.Popen([str(a) for a in arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               text=True, env=environment)
    overdue = threading.Timer(10, process.kill)
    overdue.start()
    try:
        line = process.stdout.readline()
        overdue.cancel()
        yield port_of(line)
    finally:
        overdue.cancel()
        process.terminate()
        process.wait()


def last_number(line):
    return int(line.strip().rsplit(":", 1)[-1])


def roundtrip(bench):
    """ns for a message there and back."""
    say("round trips")
    rounds = 6 if bench.quick else 30
    python = python_with_mido()
    result = {"rows": [], "raw": {}}
    with contextlib.ExitStack() as stack:
        bare = stack.enter_context(server([PROGRAMS / "bare_echo"], last_number))
        targets = [f"bare TCP both ends=raw:{bare}"]
        for suffix, library in bench.libraries.items():
            echo = stack.enter_context(server(
                [ECHO, "127.0.0.1:0"], last_number, library_environment(library)))
            targets.append(f"midisock-echo, bare client{suffix}=raw:{echo}")
            if not suffix:
                targets.append(f"midisock-echo, midisock client=midisock:{echo}")
            tick = stack.enter_context(server(
                [ECHO, "--wake", "tick", "127.0.0.1:0"], last_number, library_environment(library)))
            targets.append(f"midisock-echo --wake tick, bare client{suffix}=raw:{tick}")
        slow = []
        if python:
            mido = stack.enter_context(server(
                [python, "-B", BENCH / "mido_echo.py"], last_number))
            slow = [f"mido (Python), bare client=raw:{mido}"]
        for label, pause, batch in (("at once after the other", 0, 500), ("one every 1 ms", 1000, 100)):
            batch = batch // 5 if bench.quick else batch
            raw = bench.run("roundtrip", "--rounds", rounds, "--batch", batch, "--pause-us", pause,
                            *targets, *slow)
            result["raw"][label] = raw
            base = raw["bare TCP both ends round medians"]
            for target in targets + slow:
                name = target.split("=")[0]
                result["rows"].append({
                    "name": name, "pace": label, "ns": raw[name],
                    "times_bare": ratios(raw[f"{name} round medians"], base)})
    return result


def queue(bench):
    """ns to push and pop one 3-byte message."""
    say("queues")
    repetitions = 3 if bench.quick else 7
    million = 2 if bench.quick else 10
    names = {"midisock": "midisock_pair, time given", "midisock-now": "midisock_pair, push stamps the time",
             "rtrb": "rtrb", "array-queue": "crossbeam ArrayQueue"}
    result = {"rows": [], "raw": {}}
    for label, threads, burst in (("one thread, one by one", 1, 1), ("one thread, bursts of 64", 1, 64),
                                  ("two threads, saturated", 2, 1)):
        variants = {}
        for suffix, library in bench.libraries.items():
            for name, text in names.items():
                if suffix and not name.startswith("midisock"):
                    continue
                variants[text + suffix] = lambda name=name, library=library: bench.run(
                    "queue", "--queue", name, "--threads", threads, "--burst", burst,
                    "--messages", million * 1_000_000, library=library)
        raw = bench.alternate(variants, repetitions)
        result["raw"][label] = raw
        times = {name: [one["ns_per_message"] for one in runs] for name, runs in raw.items()}
        for name, values in times.items():
            result["rows"].append({"name": name, "case": label, "ns": spread(values),
                                   "times_rtrb": ratios(values, times["rtrb"])})
    return result


def idle(bench):
    """Per cent of one core that connections cost over which nothing is sent."""
    say("idle links")
    repetitions = 2 if bench.quick else 3
    ms = 1000 if bench.quick else 3000
    variants = {}
    for suffix, library in bench.libraries.items():
        for links in (1, 100):
            for wake in ("tick", "signal"):
                name = f"{links} idle link{'s' if links > 1 else ''}, {wake}{suffix}"
                variants[name] = lambda wake=wake, links=links, library=library: bench.run(
                    "idle", "--wake", wake, "--links", links, "--milliseconds", ms, library=library)
    raw = bench.alternate(variants, repetitions)
    rows = [{"name": name, "cpu_percent": spread([one["cpu_percent"] for one in runs]),
             "wakes_per_second": spread([one["wakes_per_second"] for one in runs])}
            for name, runs in raw.items()]
    return {"rows": rows, "raw": raw}


PARTS = {"stream": stream, "roundtrip": roundtrip, "queue": queue, "idle": idle}
