"""Instructions of every realtime function, counted by callgrind: deterministic on machines of one architecture."""

import re
import statistics

from project import tool
from runner import suite, tail
from suites_realtime import HARNESS, INTO, NOW, build, is_linux

# Bounds for the instructions of a call in all SITUATIONS, including a few of the caller. The comments have the counts (x86-64,
# Rust 1.95). A change that needs more has to say why. The counts of a row may differ between situations by at most SPREAD, for
# the occasional renewal of a cached position. Callgrind counts an instruction for each byte of a `rep movsb`, which copies large
# blocks, so that those counts are mostly bytes.
BOUNDS = {
    "push": 75,  # 74
    "push on a pair": 251,  # 228: it reads the clock
    "push of a note on a pair": 251,  # 228
    "push too large": 77,  # 70
    "push invalid": 133,  # 121
    "push NULL": 38,  # 32
    "push full": 240,  # 215
    "push full, first refused": 13_500,  # 12062: a summary is begun, 12 KB
    "push full, repairing": 465,  # 457: what was refused notes which channels had been closed by then
    "push offline": 179,  # 163
    "push offline, repairing": 213,  # 194
    "push closed": 134,  # 122
    "push full, System Reset": 13_200,  # 11972: a state of 12 KB is set anew
    "push_message to a client": 249,  # 226
    "push_message to nobody": 170,  # 155
    "push_message ahead": 280,  # 252
    "pop": 76,  # 67
    "pop of 16 KB": 195,  # 175: not a byte of it is looked at
    "pop on a pair": 276,  # 251: what it holds is followed
    "pop of a note on a pair": 102,  # 91: its messages may be timed
    "pop empty": 128,  # 116
    "pop empty, pair": 191,  # 174
    "pop closed": 219,  # 199
    "skip": 64,  # 58
    "panic": 60,  # 51
    "reset": 100,  # 90: it reads the clock, for its place among what is scheduled
    "cancel": 55,  # 48
    "begin_block": 400,  # 362
    "begin_block of a period": 660,  # 598: one step of the loop; the row before has slices of one period
    "begin_block with position": 680,  # 616
    "begin_block with device time": 430,  # 422: an automatic latency covers the network, and a fixed one may become automatic
    "pop_block": 167,  # 151
    "pop_block empty": 106,  # 101: it asks whether all channels are open
    "push_frame": 350,  # 317
    "push, times are told": 262,  # 238: it reads the clock
    "push_frame, times are told": 393,  # 357
    "pop of a timed message": 83,  # 75
    "pop_block of a timed message": 213,  # 193
    "state": 32,  # 27
    "client_count": 28,  # 23
    "local_port": 27,  # 22
    "get_stats": 220,  # 213: four more figures
    "now_ns": 42,  # 35
    "strerror": 160,  # 147
    "version": 20,  # 14
    "version_string": 20,  # 14
}
SPREAD = 0.02
FEW = 20
# Between two polls of the network thread, one call may have to read the clock for it. That call may take this much more.
ASKED = 300

# Per byte that is checked and copied.
LARGE = 16384
PER_BYTE = 1.3  # 1.16

# After a skip, calls read the skipped messages in parts. This bounds each call, however many messages there are.
AFTER_SKIP = {
    "pop after a skip": 155_000,
    "pop after a skip of notes": 155_000,
    "pop after refused notes": 1_000,
}

# The fullness of the queues in percent, and the number of clients.
SITUATIONS = {
    "empty queues": (0, 1),
    "queues half full": (50, 1),
    "queues almost full": (95, 1),
    "100 clients": (0, 100),
    "100 clients and full queues": (95, 100),
}


@suite("instructions", "instructions of every realtime function are bounded, for any contents of the queues and any "
       "number of clients", budget=240, needs=["library"], packages=["valgrind"])
def instructions(run):
    if not is_linux(run):
        return
    if not tool("valgrind"):
        run.lacks("instructions", "valgrind")
        return
    program = build(run, "count", [HARNESS / "frames.c"], [NOW])
    if program is None:
        return
    counted = dict(zip(SITUATIONS, run.parallel(lambda s: count(run, program, *SITUATIONS[s]), SITUATIONS)))
    rows = next(iter(counted.values())).keys()
    known = {*BOUNDS, *AFTER_SKIP, "push of 16 KB"}
    run.check("every row has a bound", set(rows) == known, f"{sorted(set(rows) ^ known)}")

    for row, bound in BOUNDS.items():
        usual = {name: statistics.median_low(calls[row]) for name, calls in counted.items()}
        low, high = min(usual.values()), max(usual.values())
        most = max(max(calls[row]) for calls in counted.values())
        run.check(f"{row}: {high} instructions, {most} at most", high <= bound and most <= bound + ASKED,
                  f"{high}, more than {bound}; or {most}, more than {bound + ASKED}")
        run.check(f"{row} depends on nothing: {low} to {high}", high <= low * (1 + SPREAD) + FEW,
                  "; ".join(f"{name}: {count}" for name, count in usual.items()))
    for row, bound in AFTER_SKIP.items():
        high = max(max(calls[row]) for calls in counted.values())
        run.check(f"{row}: {high} instructions", high <= bound, f"{high}, more than {bound}")
    large = max(max(calls["push of 16 KB"]) for calls in counted.values())
    each = (large - BOUNDS["push on a pair"]) / LARGE
    run.check(f"push of {LARGE} bytes: {large} instructions, {each:.3f} a byte", each <= PER_BYTE,
              f"{each:.3f} a byte")

    # Control: the cost of reading the skipped messages depends on the queue, and this is seen.
    def work(name):
        return sum(counted[name]["pop after a skip"])

    few, many = work("empty queues"), work("queues almost full")
    run.check(f"control: reading skipped messages takes {few} and {many} instructions", many > 10 * few,
              "it is not seen to depend on what was skipped")


def count(run, program, percent, clients):
    """Instructions of each call, by row."""
    result = INTO / f"callgrind.{percent}percent.{clients}clients"
    for old in result.parent.glob(f"{result.name}.*"):
        old.unlink()
    # Valgrind's messages go to a file, because they would mix with the program's lines.
    said = result.parent / f"{result.name}.log"
    finished = run.command([
        "valgrind", "--tool=callgrind", f"--log-file={said}", f"--callgrind-out-file={result}",
        "--toggle-collect=counted", "--dump-after=counted", "--dump-line=no", program, percent, clients])
    rows = {}
    names = finished.output.splitlines()
    if finished.status != 0 or not names:
        run.fail(f"count {percent} {clients}", tail(said.read_text() + finished.output))
    for number, name in enumerate(names, 1):
        text = (result.parent / f"{result.name}.{number}").read_text()
        rows.setdefault(name, []).append(int(re.search(r"^(?:summary|totals): (\d+)", text, re.MULTILINE)[1]))
    return rows
