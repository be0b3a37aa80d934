"""The benchmark runs, with everything that it compares. Times are not asserted."""

import sys

import virtual_time
from project import OUT, ROOT
from runner import suite


@suite("bench", "every part of scripts/bench runs, in its shortest form", budget=480,
       needs=["library", "python"],
       packages=["libjack-jackd2-dev", "libboost-dev", "juce-modules-source", "liblo-dev", *virtual_time.PACKAGES],
       extended=True)
def bench(run):
    sys.path.append(str(ROOT / "bench"))
    import bench_build
    import bench_parts
    import bench_plot
    import bench_report

    bench_parts.say = run.log  # to the log, not into the summary
    missing = sorted(set(bench_build.OTHERS) - set(bench_build.others()))
    if missing:
        run.lacks("what is compared with", " ".join(bench_build.OTHERS[name][0] for name in missing))
    else:
        run.ok("all that is compared with is here")
    bench_build.build_programs(run.must)
    run.ok("the programs and the other queues compile")
    bench_build.build_compared(run.must, ROOT)
    run.ok("the programs that compare two builds compile with the header of one")

    short = bench_parts.Bench(quick=True, smoke=True)
    parts = {}
    for name, part in bench_parts.PARTS.items():
        moment = bench_report.moment()
        measured = part(short)
        if measured is None:
            run.lacks(name, "what it needs")
            continue
        parts[name] = {**measured, "before": moment, "after": moment}
        told = list(bench_report.TABLES[name](parts[name]))
        rows = len(parts[name]["rows"])
        run.check(f"{name}: {rows} rows", rows > 0 and len(told) == rows + 2, f"a table of {len(told)} lines")
    plots = OUT / "bench-plots"
    bench_plot.plots({"parts": parts}, plots)
    drawn = sorted(path.name for path in plots.glob("*.svg") if path.read_text().rstrip().endswith("</svg>"))
    expected = {"queue.svg", "stream.svg", "roundtrip-1.svg", "push-call-1.svg", "push-to-peer-1.svg", "fan-in-all-send.svg",
                "fan-in-one-sends.svg", "fan-out-to-all.svg"}
    run.check(f"{len(drawn)} plots", expected <= set(drawn), f"drawn: {', '.join(drawn)}")
