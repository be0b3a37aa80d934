"""Builds the simulation and runs it, for scripts/simulate and for the suite."""

import os
import re
import subprocess
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

import unit_tests
from project import ROOT

TEST = "session::simulation::random_runs"
# Runs that one process does.
BATCH = 100


@dataclass
class Total:
    runs: int = 0
    connections: int = 0
    messages: int = 0
    failures: list = field(default_factory=list)  # (seed, what was wrong)

    def line(self, seconds):
        rate = self.connections / seconds if seconds else 0
        return (f"{self.runs} runs, {self.connections} connections, {self.messages} messages in {seconds:.0f} s: "
                f"{rate:.0f} connections a second; {len(self.failures)} failed")


def build():
    finished = subprocess.run(unit_tests.CHECKED.command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    if finished.returncode != 0:
        raise SystemExit(finished.returncode)
    return unit_tests.program_of(finished.stdout)


def command(program):
    return [program, TEST, "--exact", "--nocapture"]


def environment(first, runs, traced=False):
    return {**os.environ, "RUST_BACKTRACE": "0", "MIDISOCK_SIMULATION_SEED": str(first),
            "MIDISOCK_SIMULATION_RUNS": str(runs), "MIDISOCK_SIMULATION_TRACE": str(int(traced))}


def trace(program, seed):
    finished = subprocess.run(command(program), env=environment(seed, 1, True), check=False)
    return 1 if finished.returncode else 0


def batch(program, first, runs):
    """Runs some seeds in one process; what they came to."""
    finished = subprocess.run(command(program), env=environment(first, runs), stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace", check=False)
    total = Total(runs=runs)
    counts = re.search(r"^(\d+) runs, (\d+) connections, (\d+) messages", finished.stdout, re.MULTILINE)
    if not counts:
        total.failures.append((first, f"the process ended with status {finished.returncode}"))
        return total
    total.connections, total.messages = int(counts[2]), int(counts[3])
    before = 0
    for failed in re.finditer(r"^seed (\d+) fails$", finished.stdout, re.MULTILINE):
        said = finished.stdout[before:failed.start()]
        what = re.search(r"panicked at (\S+):\d+:\n(.*)", said)
        total.failures.append((int(failed[1]), f"{what[2]} ({what[1]})" if what else "failed"))
        before = failed.end()
    return total


def run(program, first, jobs, runs=None, connections=None, tell=None):
    """Runs seeds, so many processes at a time, until there were so many runs or connections."""
    total = Total()
    last = first + runs if runs else None
    with ThreadPoolExecutor(jobs) as pool:
        going = set()
        while True:
            while len(going) < jobs and (last is None or first < last):
                if connections and total.connections >= connections:
                    break
                count = min(BATCH, last - first) if last else BATCH
                going.add(pool.submit(batch, program, first, count))
                first += count
            if not going:
                return total
            done, going = wait(going, return_when=FIRST_COMPLETED)
            for part in (future.result() for future in done):
                total.runs += part.runs
                total.connections += part.connections
                total.messages += part.messages
                total.failures += part.failures
                for seed, what in part.failures if tell else ():
                    tell(f"seed {seed}: {what}")
