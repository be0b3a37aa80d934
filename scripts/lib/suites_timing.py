"""The frames at which messages are placed, on a simulated device: a short form of the benchmark. It does not depend on the
machine, so that it can assert."""

import compilers
from compilers import INCLUDES, LINK, STRICT
from project import OUT, ROOT
from runner import suite, tail

BENCH = ROOT / "bench"


@suite("timing", "placed frames on a simulated device keep the goals", budget=60, needs=["library"])
def timing(run):
    OUT.mkdir(parents=True, exist_ok=True)
    program = OUT / "placement"
    built = run.command([compilers.default().c, "-std=c99", "-O2", *STRICT, *INCLUDES, BENCH / "placement.c",
                         BENCH / "bench.c", "-o", program, *LINK, "-lm"])
    if built.status != 0:
        run.fail("placement.c", tail(built.output))
        return
    for frames in (32, 64, 128, 480, 1024):
        for kind, jitter in (("none", 0), ("uniform", 50), ("exponential", 10)):
            run.case(f"{frames} frames, {kind} jitter", [
                program, "--frames", frames, "--kind", kind, "--jitter-percent", jitter, "--blocks", 30000,
                "--assert", 1])
    for name in ("callback-idle-fifo", "callback-busy-fifo", "callback-busy"):
        run.case(f"recorded: {name}", [program, "--kind", BENCH / "traces" / f"{name}.txt", "--jitter-percent", 0, "--network",
                                       BENCH / "traces" / "network-busy.txt", "--assert", 1])
    run.case("500 ppm of drift", [program, "--drift-ppm", 500, "--assert", 1])
