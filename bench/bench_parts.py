"""What is measured, and how often. Each part gives rows for the report and keeps all raw figures.

Everything that is compared runs in the same run, in alternation: one repetition of each, then the next of each. A
ratio is taken within a repetition; what is told of it is its smallest, median and largest value.
"""

import collections
import contextlib
import json
import os
import signal
import statistics
import subprocess
import threading

import bench_host
import bench_network
import bench_timing
from bench_build import BENCH, PARSER, PROGRAMS, library_environment, others, python_with_mido, say

SECONDS = 120  # no single program may take longer


class Bench:
    """How thoroughly to measure, and which builds of the library."""

    def __init__(self, quick, smoke=False, against=None, against_programs=PROGRAMS):
        """`against`: another build's directory, and where the programs for it are."""
        self.quick = quick
        self.smoke = smoke
        self.libraries = {"": None} | ({" (other)": against} if against else {})
        self.programs = {None: PROGRAMS, against: against_programs if against else PROGRAMS}
        # Where there are two processors, the network thread and the popping thread have one each.
        self.cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1

    def pick(self, full, quick, smoke):
        """One of three amounts."""
        return smoke if self.smoke else quick if self.quick else full

    def run(self, program, *arguments, library=None):
        """Runs a benchmark program; what it says in JSON."""
        finished = subprocess.run(
            [str(self.programs[library] / program), *map(str, arguments)], env=library_environment(library),
            timeout=SECONDS, stdout=subprocess.PIPE, check=True, text=True)
        return json.loads(finished.stdout)

    def run_python(self, python, program, *arguments):
        """The same of a program in Python."""
        finished = subprocess.run([str(python), "-B", str(BENCH / program), *map(str, arguments)], timeout=SECONDS,
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


def queue(bench):
    """ns to push and pop one message."""
    say("queues")
    rounds = bench.pick(41, 15, 2)
    thousand = bench.pick(50, 20, 1)
    pairs = bench.pick(15, 7, 2)
    cases = {
        "one thread, one by one": (3, ["one", "--messages", thousand * 1000, "--rounds", rounds]),
        "one thread, bursts of 64": (3, ["one", "--burst", 64, "--messages", thousand * 1000, "--rounds", rounds]),
        "one thread, cold caches": (3, ["cold", "--messages", bench.pick(50, 20, 3), "--rounds", bench.pick(11, 5, 2)]),
        "two threads, saturated": (3, ["two", "--messages", thousand * 2000, "--rounds", pairs]),
        "two threads, bursts of 64": (3, ["two", "--burst", 64, "--messages", thousand * 500, "--rounds", pairs]),
        "256 bytes, one thread, one by one": (256, ["one", "--messages", thousand * 200, "--rounds", rounds]),
        "256 bytes, two threads, saturated": (256, ["two", "--messages", thousand * 200, "--rounds", pairs]),
        "16 KB, one thread, one by one": (16384, ["one", "--messages", thousand * 10, "--rounds", rounds]),
        "16 KB, two threads, saturated": (16384, ["two", "--messages", thousand * 10, "--rounds", pairs]),
    }
    result = {"rows": [], "raw": {}}
    for label, (size, arguments) in cases.items():
        raw = {}
        for suffix, library in bench.libraries.items():
            times = bench.run("queue", "--size", size, "--case", *arguments, library=library)
            raw |= {name + suffix: values for name, values in times.items() if not suffix or "midisock" in name}
        result["raw"][label] = raw
        medians = {name: statistics.median(values) for name, values in raw.items() if "midisock" not in name}
        medians.pop("the clock alone", None)
        best = min(medians, key=medians.get)
        for name, values in raw.items():
            row = {"case": label, "name": name, "ns": spread(values)}
            if name != "the clock alone":
                row["times_best"] = ratios(values, raw[best])
                row["best"] = best
            result["rows"].append(row)
    return result


def parser(bench):
    """MB/s through the parser alone."""
    say("parser")
    rounds = bench.pick(400, 100, 2)
    size = bench.pick(400_000, 400_000, 40_000)
    raw = {}
    for kind, text in {"sysex": "SysEx of 16 KB", "notes": "3-byte messages", "running": "running status",
                       "mixed": "a mix of messages"}.items():
        finished = subprocess.run([str(PARSER), "--kind", kind, "--rounds", str(rounds), "--bytes", str(size)],
                                  timeout=SECONDS, stdout=subprocess.PIPE, check=True, text=True)
        raw[text] = json.loads(finished.stdout)
    rows = [{"name": name, "mb_per_second": spread(one["mb_per_second"]), "messages": one["messages"], "bytes": size,
             "million_per_second": statistics.median(one["mb_per_second"]) * one["messages"] / size}
            for name, one in raw.items()]
    return {"rows": rows, "raw": raw}


def stream(bench):
    """Million 3-byte messages a second from a socket to a popping thread."""
    say("stream throughput")
    thousand = bench.pick(10_000, 4000, 100)
    repetitions = bench.pick(5, 3, 1)
    pinned = ["--net-cpu", 1, "--pop-cpu", 0] if bench.cores >= 2 else []

    def variant(*arguments, count=thousand, library=None):
        return lambda: bench.run("stream", "--messages", count * 1000, *arguments, library=library)

    variants = {"bare recv into nothing": variant("--target", "bare", count=4 * thousand)}
    for suffix, library in bench.libraries.items():
        for target in ("connect", "accepted", "merged"):
            variants[f"{target}, tick, default queue, popping in a loop{suffix}"] = variant(
                "--target", target, library=library)
        variants[f"connect, signal, default queue, popping in a loop{suffix}"] = variant(
            "--wake", "signal", library=library)
        for target in ("connect", "merged"):
            variants[f"{target}, tick, 1 MiB queue, popping in a loop{suffix}"] = variant(
                "--target", target, "--in-bytes", 1 << 20, library=library)
        for queue_name, size in (("default", 0), ("1 MiB", 1 << 20)):
            variants[f"connect, tick, {queue_name} queue, midisock_wait when empty{suffix}"] = variant(
                "--in-bytes", size, "--pop", "wait", library=library)
            variants[f"connect, tick, {queue_name} queue, popping in a loop, pinned{suffix}"] = variant(
                "--in-bytes", size, *pinned, library=library)
    raw = bench.alternate(variants, repetitions)
    speeds = {name: [one["million_per_second"] for one in runs] for name, runs in raw.items()}
    bare = speeds["bare recv into nothing"]
    rows = [{"name": name, "million_per_second": spread(values), "share_of_bare": ratios(values, bare)}
            for name, values in speeds.items()]
    return {"rows": rows, "raw": raw}


@contextlib.contextmanager
def server(arguments, port_of, environment=None):
    """A server in a process of its own, until the block ends; gives its port and its PID, with a colon."""
    process = subprocess.Popen([str(a) for a in arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               text=True, env=environment)
    overdue = threading.Timer(10, process.kill)
    overdue.start()
    try:
        line = process.stdout.readline()
        overdue.cancel()
        yield f"{port_of(line)}:{process.pid}"
    finally:
        overdue.cancel()
        process.terminate()
        # It may have been stopped.
        process.send_signal(signal.SIGCONT)
        process.wait()


def last_number(line):
    return int(line.strip().rsplit(":", 1)[-1])


def roundtrip(bench):
    """ns for a message there and back, with servers started anew a few times: where the system puts their threads
    makes a difference that stays."""
    say("round trips")
    paces = {"at once after the other": (0, 500), "one every 1 ms": (1000, 100)}
    bare = "bare TCP both ends"
    runs = {label: [] for label in paces}
    for _ in range(bench.pick(7, 2, 1)):
        with round_trip_servers(bench, bare) as targets:
            for label, (pause, batch) in paces.items():
                runs[label].append(bench.run(
                    "roundtrip", "--rounds", bench.pick(4, 3, 2), "--batch", bench.pick(batch, batch // 5, 5),
                    "--pause-us", pause, *targets))
    result = {"rows": [], "raw": {}}
    for label, each in runs.items():
        result["raw"][label] = raw = {}
        for name, first in each[0].items():
            if isinstance(first, dict):
                raw[name] = median_of_runs([run[name] for run in each])
            elif name.endswith("histogram"):
                counts = collections.Counter()
                for run in each:
                    counts.update(dict(run[name]))
                raw[name] = sorted(counts.items())
            else:
                raw[name] = [value for run in each for value in run[name]]
        for name, told in raw.items():
            if isinstance(told, dict):
                times = ratios(raw[f"{name} round medians"], raw[f"{bare} round medians"])
                result["rows"].append({"name": name, "pace": label, "ns": told, "times_bare": times})
    return result


@contextlib.contextmanager
def round_trip_servers(bench, bare):
    """What bench/roundtrip.c is to measure."""
    python = python_with_mido()
    with contextlib.ExitStack() as stack:
        def start(*command, environment=None):
            return stack.enter_context(server(command, last_number, environment))

        def echo(*arguments, library=None):
            program = bench.programs[library] / "port_echo"
            return start(program, *arguments, environment=library_environment(library))

        targets = {bare: f"raw:{start(PROGRAMS / 'bare_echo')}",
                   "bare TCP, an epoll loop": f"raw:{start(PROGRAMS / 'bare_echo', 'epoll')}"}
        for suffix, library in bench.libraries.items():
            signalled = echo("--wake", "signal", library=library)
            targets[f"midisock (signal), bare client{suffix}"] = f"raw:{signalled}"
            if not suffix:
                targets["midisock (signal), midisock client"] = f"midisock:{signalled}"
            busy = echo("--wake", "signal", "--busy-poll", 500, library=library)
            targets[f"midisock (signal, 500 us busy poll), bare client{suffix}"] = f"raw:{busy}"
            targets[f"midisock (tick), bare client{suffix}"] = f"raw:{echo('--wake', 'tick', library=library)}"
        targets["midisock (no thread), bare client"] = f"raw:{start(PROGRAMS / 'host_echo')}"
        targets["midisock (no thread, 2 ms busy poll), bare client"] = (
            f"raw:{start(PROGRAMS / 'host_echo', '--busy-poll', 2000)}")
        targets["midisock (no thread, in poll(2)), bare client"] = f"raw:{start(PROGRAMS / 'host_echo', 'handle')}"
        if "LIBLO" in others():
            targets["liblo over TCP, bare client"] = f"osc:{start(PROGRAMS / 'liblo_echo')}"
        if python:
            targets["mido (Python), bare client"] = f"raw:{start(python, '-B', BENCH / 'mido_echo.py')}"
        yield [f"{name}={target}" for name, target in targets.items()]


def median_of_runs(runs):
    """Of distributions: their own medians and tails, of which the median is told, and the worst of the largest."""
    told = {key: statistics.median(one[key] for one in runs) for key in ("median", "p99", "p999")}
    told["max"] = max(one["max"] for one in runs)
    return told


def push(bench):
    """ns that a push costs the thread that pushes, and until the message is with the peer."""
    say("pushing")
    python = python_with_mido()
    senders = {"midisock, tick": "tick", "midisock, signal": "signal", "send(2) on the thread": "send"}
    if "LIBLO" in others():
        senders["liblo over TCP"] = "liblo"

    def variant(sender, fifo, period, count, library=None):
        if sender == "mido":
            return lambda: push_with_mido(python, fifo, period, count)
        return lambda: bench.run("push", "--sender", sender, "--fifo", int(fifo), "--period-us", period,
                                 "--count", count, library=library)

    result = {"rows": [], "raw": {}}
    often = bench.pick(1000, 300, 10)
    for label, fifo, period, count in (
            ("each block of 128 frames, SCHED_FIFO", True, 2667, often),
            ("each block of 128 frames, normal priority", False, 2667, often),
            ("after 100 ms of nothing, SCHED_FIFO", True, 100_000, bench.pick(20, 15, 3)),
            # The network thread has backed off by then, which is nobody else's matter.
            ("after 1.5 s of nothing, SCHED_FIFO", True, 1_500_000, bench.pick(8, 3, 1))):
        variants = {}
        everybody = period < 1_000_000
        for suffix, library in bench.libraries.items():
            for name, sender in senders.items():
                if name.startswith("midisock") or everybody and not suffix:
                    variants[name + suffix] = variant(sender, fifo, period, count, library)
        if python and everybody:
            variants["mido (Python)"] = variant("mido", fifo, period, count)
        raw = bench.alternate(variants, bench.pick(2, 1, 1))
        result["raw"][label] = raw
        for name, runs in raw.items():
            for what in ("call", "to peer"):
                told = median_of_runs([one[what] for one in runs])
                result["rows"].append({"name": name, "pace": label, "what": what, "ns": told})
    return result


def push_with_mido(python, fifo, period, count):
    """As bench/push.c, with mido's sending side."""
    receiver = subprocess.Popen([str(PROGRAMS / "push"), "--sender", "other", "--count", str(count)],
                                stdout=subprocess.PIPE, text=True)
    try:
        port = int(receiver.stdout.readline())
        sent = subprocess.run([str(python), "-B", str(BENCH / "mido_push.py"), str(port), str(period), str(count),
                               *(["FIFO"] if fifo else [])], stdout=subprocess.PIPE, check=True, text=True, timeout=SECONDS)
        arrived = json.loads(receiver.communicate(timeout=SECONDS)[0])["arrived"]
    finally:
        receiver.kill()
        receiver.wait()
    sent = json.loads(sent.stdout)
    on_the_way = [then - due for then, due in zip(arrived, sent["due"], strict=True)]
    return {"call": distribution(sent["calls"]), "to peer": distribution(on_the_way),
            "to peer histogram": sorted([value, 1] for value in on_the_way)}


def distribution(values):
    """As print_distribution in bench.c."""
    values = sorted(values)

    def quantile(share):
        return values[max(0, -(-int(share * 1000) * len(values) // 1000) - 1)]

    return {"count": len(values), "min": values[0], "median": quantile(0.5), "p99": quantile(0.99),
            "p999": quantile(0.999), "max": values[-1]}


def arrival(bench):
    """ns from a message's arrival to its pop."""
    say("from arrival to pop")
    count = bench.pick(3000, 1000, 20)
    variants = {}
    for name, busy, fifo in (("idle machine, SCHED_FIFO", 0, 1), ("every core busy, SCHED_FIFO", 1, 1),
                             ("every core busy, normal priority", 1, 0)):
        variants[name] = lambda busy=busy, fifo=fifo: bench.run(
            "arrival", "--busy", busy, "--fifo", fifo, "--count", count)
    raw = bench.alternate(variants, bench.pick(3, 1, 1))
    rows = []
    for name, runs in raw.items():
        for what in ("sent to taken", "taken to popped", "callback late"):
            told = median_of_runs([one[what] for one in runs])
            fifo = all(one["scheduled_fifo"] for one in runs)
            rows.append({"name": name if fifo or "FIFO" not in name else f"{name} (refused here)", "what": what,
                         "ns": told})
    return {"rows": rows, "raw": raw}


def fan(bench):
    """What a message costs a server with many clients."""
    say("fan-in and fan-out")
    ms = bench.pick(800, 300, 50)
    counts = bench.pick((1, 10, 100, 1000), (1, 10, 100, 1000), (1, 20))
    rates = bench.pick((1000, 10_000, 100_000, 1_000_000, 0), (1000, 100_000, 0), (1000, 0))
    # Where the machine is full anyway, more is only the same for longer.
    cases = [(kind, mode, clients, clients if all_send else 1, rate)
             for kind, mode, all_send in (("in, all send", "in", True), ("in, one sends", "in", False),
                                          ("out, to all", "out", True))
             for rate in rates for clients in counts if mode == "in" or rate * clients <= 20_000_000]

    def measure(library, mode, clients, active, rate):
        return bench.run("fan", "--mode", mode, "--clients", clients, "--active", active, "--rate", rate,
                         "--milliseconds", ms, library=library)

    raw = bench.alternate({(suffix, *case): lambda library=library, case=case: measure(library, *case[1:])
                           for case in cases for suffix, library in bench.libraries.items()}, bench.pick(3, 1, 1))
    result = {"rows": [], "raw": {}}
    for (suffix, *case), runs in raw.items():
        kind, mode, clients, _, rate = case
        kind += suffix
        costs = [run["cpu_ns_per_message"] for run in runs]
        alone = [run["cpu_ns_per_message"] for run in raw[(suffix, case[0], mode, counts[0], 1, rate)]]
        result["raw"][f"{kind}, {clients} clients, rate {rate}"] = runs
        result["rows"].append({"kind": kind, "clients": clients, "rate": rate, "times_alone": ratios(costs, alone),
                               **{key: spread([run[key] for run in runs]) for key in runs[0]}})
    return result


def memory(bench):
    """Bytes of a process's own memory."""
    say("memory")
    raw = bench.run("memory", "--ports", bench.pick(100, 50, 5), "--clients", bench.pick(800, 300, 20))
    return {"rows": [{"name": name, "bytes": value} for name, value in raw.items()], "raw": raw}


def share(bench):
    """What a message costs ports that share an address, and what each port takes."""
    say("sharing")
    variants = {"1, not shared": ("--ports", 1, "--alone", 1), **{str(n): ("--ports", n) for n in (1, 2, 4, 16)}}
    rounds = bench.pick(100, 20, 2)
    raw = bench.alternate({name: lambda arguments=arguments: bench.run("share", "--rounds", rounds, *arguments)
                           for name, arguments in variants.items()}, bench.pick(5, 2, 1))
    rows = [{"ports": name, **{key: spread([run[key] for run in runs]) for key in ("in_ns", "out_ns", "bytes")}}
            for name, runs in raw.items()]
    return {"rows": rows, "raw": raw}


def idle(bench):
    """Per cent of one core that connections cost over which nothing is sent."""
    say("idle links")
    repetitions = bench.pick(3, 2, 1)
    ms = bench.pick(2000, 1000, 50)
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


PARTS = {"queue": queue, "parser": parser, "stream": stream, "roundtrip": roundtrip, "host": bench_host.host,
         "push": push, "arrival": arrival, "fan": fan, "memory": memory, "share": share, "idle": idle,
         "placement": bench_timing.placement, "tick": bench_timing.tick, "spacing": bench_timing.spacing,
         "network": bench_network.network, "virtual": bench_network.virtual_network}
