"""The deterministic simulation: sessions, peers and a network that fails, from seeds."""

import time

import simulation
import unit_tests
from project import CORES
from runner import suite

CONNECTIONS = 20_000
# From this seed on the channels of the ports change, and so many runs of these.
CHANNELS_CHANGE = 10_000_000
CHANGING_RUNS = 1_000


@suite("simulation", f"{CONNECTIONS} simulated connections, judged by an independent receiver", budget=360,
       begins_with=(unit_tests.CHECKED,))
def simulate(run):
    program = unit_tests.program_of(run.build(unit_tests.CHECKED))
    started = time.monotonic()
    total = simulation.run(program, 1, CORES, connections=CONNECTIONS)
    seconds = time.monotonic() - started
    run.figure(total.line(seconds))
    changing = simulation.run(program, CHANNELS_CHANGE, CORES, runs=CHANGING_RUNS)
    run.check("runs with changing channels", changing.runs == CHANGING_RUNS, f"only {changing.runs}")
    total.failures += changing.failures
    for seed, what in total.failures:
        run.fail(f"seed {seed}", f"{what}\nscripts/simulate --seed {seed} prints the trace of it")
    if not total.failures:
        run.add("runs", total.runs)
    run.check("connections", total.connections >= CONNECTIONS, f"only {total.connections}")
