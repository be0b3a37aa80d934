"""What is measured of time: where messages are put in audio blocks, and how long a push waits to be found."""

from bench_build import BENCH, PROGRAMS, build_collector, python_with_mido, say

TRACES = BENCH / "traces"


def placement(bench):
    """Error of placed frames on a simulated device. It is the same in every run: one is enough."""
    say("placed frames")
    rows = []
    juce = build_collector()
    simulated = [((kind, jitter), frames, ["--kind", kind, "--jitter-percent", jitter, "--frames", frames])
                 for kind, jitter in (("none", 0), ("uniform", 10), ("uniform", 50), ("exponential", 10))
                 for frames in (64, 128, 512, 1024)]
    # They are of blocks of 128 frames.
    recorded = [((name, None), 128, ["--frames", 128, "--kind", TRACES / f"{name}.txt", "--network",
                                     TRACES / "network-busy.txt"])
                for name in ("callback-idle-fifo", "callback-busy-fifo", "callback-busy")]
    for (kind, jitter), frames, arguments in (*simulated, *recorded):
        methods = bench.run("placement", *arguments)
        if juce:
            methods |= bench.run("placement_juce", *arguments)
        rows += [{"name": name, "kind": kind, "jitter_percent": jitter, "frames": frames, **value}
                 for name, value in methods.items() if isinstance(value, dict)]
        if juce:
            rows[-1] |= {key: methods[key] for key in ("locks_per_block", "allocations")}
    return {"rows": rows}


def jitter_of(row):
    percent = row["jitter_percent"]
    return f"recorded: {row['kind']}" if percent is None else f"{row['kind']}, {percent} %"


def placement_table(part):
    yield "| placed by | jitter | frames of a block | delay | standard deviation | worst | locks a block |"
    yield "|---|---|---|---|---|---|---|"
    for row in part["rows"]:
        yield (f"| {row['name']} | {jitter_of(row)} | {row['frames']} | {row['delay']:.1f} | "
               f"{row['deviation']:.3f} | {row['worst']:.2f} | {row.get('locks_per_block', 0):.0f} |")


def with_rhythm(tick_us):
    return f"tick of {tick_us} us in the window", "rhythm", ["--tick-us", tick_us]


# name, kind, arguments
VARIANTS = (("signal", "signal", ["--wake", "signal"]), ("tick, learned (default)", "rhythm", []),
            *map(with_rhythm, (400, 200, 100, 50)), ("tick of 500 us, no rhythm", "no rhythm", ["--rhythm", 0]))


def tick(bench):
    """From push to the wire, where audio callbacks push, and how often the network thread wakes for it."""
    from bench_parts import spread  # which imports this module
    say("looking for pushes")
    ms = bench.pick(1500, 1000, 50)
    rows = []
    for ports in (1, 20):
        for load in bench.pick((10, 30, 50, 70), (10, 30, 50, 70), (30,)):
            def variant(arguments, ports=ports, load=load):
                return lambda: bench.run("tick", "--ports", ports, "--load-percent", load, "--milliseconds", ms,
                                         "--learn-ms", bench.pick(1000, 1000, 50), *arguments)
            raw = bench.alternate({name: variant(arguments) for name, kind, arguments in VARIANTS
                                   if ports == 1 or kind != "rhythm" or not arguments}, bench.pick(3, 2, 1))
            kinds = {name: kind for name, kind, _ in VARIANTS}
            rows += [{"name": name, "kind": kinds[name], "ports": ports, "load_percent": load,
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


def spacing(bench):
    """From one program's frame to the other's, through sockets; beside immediate delivery and mido."""
    from bench_parts import spread
    say("spacing from frame to frame")
    notes, settle = bench.pick((600, 1000), (400, 800), (20, 50))
    python = python_with_mido()
    ways = {"push_frame, pop_block": [], "push_frame, pop_block, signal": ["--wake", "signal"],
            "immediate: push, pop": ["--way", "immediate"]}
    rows, raw = [], {}
    for late in bench.pick((0, 50), (0, 50), (50,)):
        def ours(arguments, late=late):
            return lambda: bench.run("spacing", "--late-percent", late, "--notes", notes, "--settle-blocks", settle,
                                     *arguments)

        def mido(late=late):
            return bench.run_python(python, "mido_spacing.py", 128, late, settle, notes)

        variants = {name: ours(arguments) for name, arguments in ways.items()} | ({"mido": mido} if python else {})
        runs = raw[f"callbacks late by up to {late} % of a block"] = bench.alternate(variants, bench.pick(3, 2, 1))
        rows += [{"name": name, "late_percent": late,
                  **{key: spread([one[key] for one in of_it]) for key in ("delay", "deviation", "worst")}}
                 for name, of_it in runs.items()]
    return {"rows": rows, "raw": raw}


def spacing_table(part):
    from bench_report import spread
    yield "| from frame to frame, in frames | callbacks late by up to | delay | standard deviation | worst |"
    yield "|---|---|---|---|---|"
    for row in part["rows"]:
        yield (f"| {row['name']} | {row['late_percent']} % of a block | {spread(row['delay'], '.0f')} | "
               f"{spread(row['deviation'], '.2f')} | {spread(row['worst'], '.0f')} |")
