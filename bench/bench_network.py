"""What a late network does to the spacing of notes: by sender's time, by arrival, and with mido."""

import contextlib
import json
import statistics
import subprocess
import tempfile

import virtual_time
from bench_build import PROGRAMS, Runs, library_environment, python_with_mido, say
from project import LIB, SONAME

# One piece in so many begins a stall.
STALL_ONE_IN, STALL_US = 200, 100_000
WAYS = {
    "by sender's time, automatic": ["--timing", "sender"],
    "by sender's time, 30 ms": ["--timing", "sender", "--latency-us", 30_000],
    "by arrival": [],
}
FRAMES_PER_MS = 48
# Where the machine stood still for longer, the run is made again, up to three times. The calmest one counts.
CALM_MS, REPEATS = 3.0, 3


def network(bench):
    """From one program's frame to the other's, at 48 kHz with 128 frames, through a relay that is late both ways."""
    from bench_parts import spread
    say("spacing through a late network")
    notes, settle_notes = bench.pick((2000, 600), (500, 300), (20, 10))
    settle_blocks = bench.pick(1500, 800, 50)
    python = python_with_mido()
    rows, raw = [], {}
    networks = bench.pick(((0, 0), (2, 0), (5, 0), (20, 0), (2, 1), (20, 1)), ((5, 0), (20, 0), (2, 1)), ((2, 1),))
    for jitter_ms, stalls in networks:
        options = late(jitter_ms, stalls)

        def ours(arguments, late=options):
            return lambda: calmest(bench, "spacing", "--device-time", 1, "--notes", notes, "--settle-notes", settle_notes,
                                   "--settle-blocks", settle_blocks, "--network", PROGRAMS / "jitter", *late, *arguments)

        def mido(late=options):
            return bench.run_python(python, "mido_spacing.py", 128, 50, settle_blocks, notes, PROGRAMS / "jitter", *late)

        variants = {name: ours(arguments) for name, arguments in WAYS.items()} | ({"mido": mido} if python else {})
        label = network_label(jitter_ms, stalls)
        runs = raw[label] = bench.alternate(variants, bench.pick(2, 1, 1))
        rows += [row_of(name, label, of_it, spread) for name, of_it in runs.items()]
    return {"rows": rows, "raw": raw}


def virtual_network(bench):
    """The same in a virtual machine whose clock counts instructions, so that no stall of this machine is seen."""
    from bench_parts import spread
    say("spacing through a late network, in virtual time")
    if not virtual_time.is_possible() or virtual_time.missing():
        say(f"left out: it needs x86-64, apt-get and the packages {' '.join(virtual_time.PACKAGES)}")
        return None
    size = ["--notes", bench.pick(2000, 500, 20), "--settle-notes", bench.pick(600, 200, 10),
            "--settle-blocks", bench.pick(1500, 800, 50)]
    networks = bench.pick(((0, 0), (2, 0), (5, 0), (20, 0), (2, 1), (20, 1)), ((0, 0), (20, 0)), ((2, 0),))
    runs = [(name, network_label(*network), ["spacing", "--device-time", 1, *size, "--network", "/bin/jitter", *late(*network), *way])
            for network in networks for name, way in WAYS.items()]
    programs = [PROGRAMS / name for name in ("spacing", "jitter")]
    told = virtual_time.run_programs(Runs, programs, [LIB / SONAME], [command for *_, command in runs])
    raw = [(name, label, json.loads(output)) for (name, label, _), output in zip(runs, told, strict=True)]
    return {"rows": [row_of(name, label, [one], spread) for name, label, one in raw], "raw": raw}


def late(jitter_ms, stalls):
    """The programs' options for a network."""
    options = ["--jitter-us", jitter_ms * 1000, "--fifo", 1]
    return options + ["--stall-one-in", STALL_ONE_IN, "--stall-us", STALL_US] if stalls else options


def network_label(jitter_ms, stalls):
    return f"0 to {jitter_ms} ms" + (", stalls of 100 ms" if stalls else "")


@contextlib.contextmanager
def watch():
    """Gives a list that has, in the end, when the machine stood still: bench/stalls.c. None where it cannot tell."""
    found = []
    # A file: a pipe that is full would hold the program up.
    with tempfile.TemporaryFile("w+") as told:
        program = subprocess.Popen([str(PROGRAMS / "stalls")], env=library_environment(None), stdin=subprocess.PIPE, stdout=told,
                                   stderr=subprocess.DEVNULL)
        try:
            yield found
        finally:
            program.communicate()
            told.seek(0)
            found += [tuple(map(int, line.split())) for line in told] if program.returncode == 0 else [None]


def calmest(bench, *command):
    """The run in which the machine stood still least, chosen by that alone."""
    best = watched(bench, *command)
    for _ in range(bench.pick(REPEATS, 0, 0)):
        if best.get("longest_stall_ms", 0.0) <= CALM_MS:
            break
        best = min(best, watched(bench, *command), key=lambda run: run.get("longest_stall_ms", 0.0))
    return best


def watched(bench, *command):
    """A run, with the notes that were not under way while the machine stood still."""
    with watch() as stalls:
        run = bench.run(*command)
    if None in stalls:
        return run
    ways = [[run["begin_ns"] + 1000 * us for us in way] for way in run.pop("under_way_us")]
    clear = [not any(due < end and came > begin for due, came in stalls) for begin, end in ways]
    off = run["off"]
    steps = [(off[i] - off[i - 1]) ** 2 for i in range(1, len(off)) if clear[i] and clear[i - 1]]
    run["clear"] = {"notes": sum(clear), "spacing": statistics.fmean(steps) ** 0.5 if steps else 0.0,
                    "late": sum(clear[i] for i in run["late_notes"])}
    run["longest_stall_ms"] = max(((came - due) / 1e6 for due, came in stalls), default=0.0)
    return run


def row_of(name, label, runs, spread):
    """`times_least`: the automatic latency by the least fixed one with which nothing of the same arrivals is late."""
    row = {"name": name, "network": label, "notes": len(runs[0]["off"]),
           "delay_ms": spread([one["delay"] / FRAMES_PER_MS for one in runs])}
    row |= {key: spread([one[key] for one in runs]) for key in ("spacing", "spread")}
    if "late" in runs[0]:
        row["late"] = spread([one["late"] for one in runs])
    if all("clear" in one for one in runs):
        row["clear"] = {key: spread([one["clear"][key] for one in runs]) for key in ("notes", "spacing", "late")}
        row["longest_stall_ms"] = spread([one["longest_stall_ms"] for one in runs])
    # With stalls it would be that of the longest one.
    if name.endswith("automatic") and "stalls" not in label:
        row["least_ms"] = spread([one["least_ms"] for one in runs])
        row["times_least"] = spread([one["latency_ms"] / max(one["least_ms"], 0.001) for one in runs])
    return row


def virtual_table(part):
    """There is one run of each, so no spread."""
    yield ("| network | placed | spacing, standard deviation | spread | delay, ms | late notes | least latency, ms | "
           "automatic by the least |")
    yield "|" + "---|" * 8
    for row in part["rows"]:
        figures = [f"{row[key]['median']:{form}}" if key in row else "" for key, form in
                   (("spacing", ".2f"), ("spread", ".0f"), ("delay_ms", ".1f"), ("late", ".0f"), ("least_ms", ".1f"),
                    ("times_least", ".2f"))]
        yield f"| {row['network']} | {row['name']} | {' | '.join(figures)} |"


def network_table(part):
    from bench_report import spread
    yield ("| placed | network | spacing, standard deviation | spread | delay, ms | late notes | "
           "longest stall of the machine, ms | notes outside stalls | their spacing | late ones of them | "
           "least latency, ms | automatic by the least |")
    yield "|" + "---|" * 12
    for row in part["rows"]:
        late, stall, least, times = (spread(row[key], form) if key in row else "" for key, form in
                                     (("late", ".0f"), ("longest_stall_ms", ".1f"), ("least_ms", ".1f"), ("times_least", ".2f")))
        clear = " | ".join(spread(row["clear"][key], form) if "clear" in row else ""
                           for key, form in (("notes", ".0f"), ("spacing", ".2f"), ("late", ".0f")))
        yield (f"| {row['name']} | {row['network']} | {spread(row['spacing'], '.2f')} | {spread(row['spread'], '.0f')} | "
               f"{spread(row['delay_ms'], '.1f')} | {late} | {stall} | {clear} | {least} | {times} |")
