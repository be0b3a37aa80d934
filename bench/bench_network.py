"""What a late network does to the spacing of notes: by sender's time, by arrival, and with mido."""

from bench_build import PROGRAMS, python_with_mido, say

# One piece in so many begins a stall.
STALL_ONE_IN, STALL_US = 200, 100_000
WAYS = {
    "by sender's time, automatic": ["--timing", "sender"],
    "by sender's time, 30 ms": ["--timing", "sender", "--latency-us", 30_000],
    "by arrival": [],
}
FRAMES_PER_MS = 48


def network(bench):
    """From one program's frame to the other's, at 48 kHz with 128 frames, through a relay that is late both ways."""
    from bench_parts import spread
    say("spacing through a late network")
    notes, settle_notes = bench.pick((2000, 600), (500, 300), (20, 10))
    settle_blocks = bench.pick(1500, 800, 50)
    python = python_with_mido()
    rows, raw = [], {}
    for jitter_ms, stalls in bench.pick(((0, 0), (2, 0), (5, 0), (20, 0), (2, 1), (20, 1)), ((5, 0), (20, 0), (2, 1)), ((2, 1),)):
        late = ["--jitter-us", jitter_ms * 1000, "--fifo", 1]
        if stalls:
            late += ["--stall-one-in", STALL_ONE_IN, "--stall-us", STALL_US]

        def ours(arguments, late=late):
            return lambda: bench.run("spacing", "--device-time", 1, "--notes", notes, "--settle-notes", settle_notes, "--settle-blocks",
                                     settle_blocks, "--network", PROGRAMS / "jitter", *late, *arguments)

        def mido(late=late):
            return bench.run_python(python, "mido_spacing.py", 128, 50, settle_blocks, notes, PROGRAMS / "jitter", *late)

        variants = {name: ours(arguments) for name, arguments in WAYS.items()} | ({"mido": mido} if python else {})
        label = f"0 to {jitter_ms} ms" + (", stalls of 100 ms" if stalls else "")
        runs = raw[label] = bench.alternate(variants, bench.pick(2, 1, 1))
        rows += [row_of(name, label, of_it, spread) for name, of_it in runs.items()]
    return {"rows": rows, "raw": raw}


def row_of(name, label, runs, spread):
    """`times_least`: the automatic latency by the least fixed one with which nothing of the same arrivals is late."""
    row = {"name": name, "network": label, "notes": len(runs[0]["off"]),
           "delay_ms": spread([one["delay"] / FRAMES_PER_MS for one in runs])}
    row |= {key: spread([one[key] for one in runs]) for key in ("spacing", "spread")}
    if "late" in runs[0]:
        row["late"] = spread([one["late"] for one in runs])
    if name.endswith("automatic"):
        row["least_ms"] = spread([one["least_ms"] for one in runs])
        row["times_least"] = spread([one["latency_ms"] / max(one["least_ms"], 0.001) for one in runs])
    return row


def network_table(part):
    from bench_report import spread
    yield ("| placed | network | spacing, standard deviation | spread | delay, ms | late notes | least latency, ms | "
           "automatic by the least |")
    yield "|---|---|---|---|---|---|---|---|"
    for row in part["rows"]:
        late, least, times = (spread(row[key], form) if key in row else ""
                              for key, form in (("late", ".0f"), ("least_ms", ".1f"), ("times_least", ".2f")))
        yield (f"| {row['name']} | {row['network']} | {spread(row['spacing'], '.2f')} | {spread(row['spread'], '.0f')} | "
               f"{spread(row['delay_ms'], '.1f')} | {late} | {least} | {times} |")
