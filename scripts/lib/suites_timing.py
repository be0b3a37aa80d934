"""The frames at which messages are placed, on a simulated device: a short form of the benchmark. It does not depend on the
machine, so that it can assert."""

import json

import compilers
from compilers import INCLUDES, LINK, STRICT
from project import OUT, ROOT
from runner import expect, suite, tail

BENCH = ROOT / "bench"


# Devices for which a host that tells more is compared with one that tells the times of callbacks only.
HOSTS = {
    f"{frames} frames, {jitter} % jitter, {lost} % lost at times":
        ("--frames", frames, "--jitter-percent", jitter, "--drift-ppm", 80, "--blocks", 30000, "--lose", frames * lost // 100)
    for frames in (64, 480) for jitter in (0, 40) for lost in (0, 30, 90, 150, 1000)
}
# Frames by which a message may be off where its block begins between two frames.
ROUNDING = 0.05


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
    for name, options in HOSTS.items():
        run.step(name, compare, run, program, options)
    run.case("500 ppm of drift", [program, "--drift-ppm", 500, "--assert", 1])


def compare(run, program, options):
    """A host that counts frames is placed at least as well as one that does not, and the device's own times are exact."""
    deviation, worst = {}, {}
    for tells in ("", "position", "device-time"):
        placed = json.loads(run.must([program, *options, "--tells", tells]))["pop_block"]
        deviation[tells], worst[tells] = placed["deviation"], placed["worst"]
    expect(deviation["position"] <= deviation[""] + ROUNDING, f"worse with positions: {deviation}")
    expect(worst["position"] <= worst[""] + 1, f"worse with positions: {worst}")
    expect(worst["device-time"] < 1.1, f"the device's times are not exact: {worst}")
    frames, jitter, lost = options[1], options[3], options[-1]
    if lost:
        goal = 1.0 + 0.01 * jitter / 100 * frames
        expect(deviation["position"] < goal, f"dropouts disturb: {deviation}")
    if 0 < lost < 2 * frames:
        expect(deviation[""] > 1.2 * deviation["position"], f"control: guessing is as good: {deviation}")
