"""The round trip through an echo without a thread, where it is decided on which processors the two programs run.

Where the system decides, the same pair is three times as fast in one second as in the next."""

import contextlib
import os
import statistics

from bench_build import PROGRAMS, library_environment, say

BARE = "bare TCP both ends"
ECHOES = {
    BARE: ["bare_echo"],
    "bare TCP, an epoll loop": ["bare_echo", "epoll"],
    "midisock (no thread)": ["host_echo"],
    "midisock (no thread, in poll(2))": ["host_echo", "handle"],
}
PACES = {"at once after the other": (0, 500), "one every 1 ms": (1000, 100)}


def host(bench):
    """ns for a message there and back, and how many times as long as bare TCP, round by round."""
    from bench_parts import median_of_runs, spread
    say("round trips without a thread")
    processors = sorted(os.sched_getaffinity(0))
    places = {"on one processor": (processors[0], processors[0])}
    if len(processors) > 1:
        places["on two processors"] = (processors[0], processors[1])
    rows, raw = [], {}
    for place, (own, other) in places.items():
        for pace, (pause, batch) in PACES.items():
            told = raw[f"{place}, {pace}"] = measure(bench, own, other, pause, batch)
            base = told[f"{BARE} round medians"]
            for name in ECHOES:
                times = [value / bare for value, bare in zip(told[f"{name} round medians"], base, strict=True)]
                low, _, high = statistics.quantiles(times)
                rows.append({"name": name, "place": place, "pace": pace, "ns": median_of_runs([told[name]]),
                             "times_bare": spread(times), "half": [low, high]})
    return {"rows": rows, "raw": raw}


def measure(bench, own, other, pause, batch):
    """With servers of its own: a client that leaves has struck each note so often that the releases would fill a queue."""
    from bench_parts import last_number, server
    with contextlib.ExitStack() as stack:
        targets = []
        for name, (program, *arguments) in ECHOES.items():
            command = ["taskset", "-c", other, PROGRAMS / program, *arguments]
            at = stack.enter_context(server(command, last_number, library_environment(None)))
            targets.append(f"{name}=raw:{at}")
        return bench.run("roundtrip", "--rounds", bench.pick(60, 10, 2), "--batch", bench.pick(batch, batch // 5, 5),
                         "--pause-us", pause, "--cpu", own, *targets)


def host_table(part):
    from bench_report import microseconds, spread
    yield "| round trip | where | pace | median µs | p99 | p99.9 | max | times bare TCP | half of the rounds |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for row in part["rows"]:
        low, high = row["half"]
        yield (f"| {row['name']} | {row['place']} | {row['pace']} | {microseconds(row['ns'])} | "
               f"{spread(row['times_bare'], '.2f')} | {low:.2f} to {high:.2f} |")
