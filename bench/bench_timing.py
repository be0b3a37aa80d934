"""What is measured of time: where messages are put in audio blocks, and how long a push waits to be found."""

from bench_build import build_collector, say


def placement(bench):
    """Error of placed frames on a simulated device. It is the same in every run: one is enough."""
    say("placed frames")
    rows = []
    juce = build_collector()
    for kind, jitter in (("none", 0), ("uniform", 10), ("uniform", 50), ("exponential", 10)):
        for frames in (64, 128, 512, 1024):
            arguments = ["--kind", kind, "--jitter-percent", jitter, "--frames", frames]
            methods = bench.run("placement", *arguments)
            if juce:
                methods |= bench.run("placement_juce", *arguments)
            rows += [{"name": name, "kind": kind, "jitter_percent": jitter, "frames": frames, **value}
                     for name, value in methods.items() if isinstance(value, dict)]
            if juce:
                rows[-1] |= {key: methods[key] for key in ("locks_per_block", "allocations")}
    return {"rows": rows}


def placement_table(part):
    yield "| placed by | jitter | frames of a block | delay | standard deviation | worst | locks a block |"
    yield "|---|---|---|---|---|---|---|"
    for row in part["rows"]:
        yield (f"| {row['name']} | {row['kind']}, {row['jitter_percent']} % | {row['frames']} | {row['delay']:.1f} | "
               f"{row['deviation']:.3f} | {row['worst']:.2f} | {row.get('locks_per_block', 0):.0f} |")


VARIANTS = {"signal": ["--wake", "signal"], "tick, with a rhythm": [], "tick, without": ["--rhythm", 0],
            "tick of 100 us, without": ["--rhythm", 0, "--tick-us", 100]}


def tick(bench):
    """From push to the wire, where audio callbacks push, and how often the network thread wakes for it."""
    from bench_parts import spread  # which imports this module
    say("looking for pushes")
    ms = 1000 if bench.quick else 2000
    rows = []
    for ports in (1, 20):
        for load in (10, 30, 50, 70):
            def variant(arguments, ports=ports, load=load):
                return lambda: bench.run("tick", "--ports", ports, "--load-percent", load, "--milliseconds", ms,
                                         *arguments)
            raw = bench.alternate({name: variant(arguments) for name, arguments in VARIANTS.items()},
                                  2 if bench.quick else 3)
            rows += [{"name": name, "ports": ports, "load_percent": load,
                      "median_us": spread([one["push_to_wire_ns"]["median"] / 1000 for one in runs]),
                      "p99_us": spread([one["push_to_wire_ns"]["p99"] / 1000 for one in runs]),
                      "wakes_per_block": spread([one["wakes_per_block"] for one in runs])}
                     for name, runs in raw.items()]
    return {"rows": rows}


def tick_table(part):
    from bench_report import spread
    yield "| push to wire | ports | callback, % of the block | median µs | p99 µs | wakes a block |"
    yield "|---|---|---|---|---|---|"
    for row in part["rows"]:
        yield (f"| {row['name']} | {row['ports']} | {row['load_percent']} | {spread(row['median_us'], '.0f')} | "
               f"{spread(row['p99_us'], '.0f')} | {spread(row['wakes_per_block'], '.2f')} |")
