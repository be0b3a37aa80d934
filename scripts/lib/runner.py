"""The test runner: suites, their budgets of time, and the report.

A suite is a function that gets a Run. It records cases with `ok`, `fail` and `skip`, and runs programs with `command`, which
kills them when the suite's budget is used up. A failing suite stops only the suites that need it.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import ahead
from project import CORES, GREEN_RUNS, LOGS, ROOT, how_to_get

# This much of a failing program's output is shown. The log has all of it.
SHOWN_LINES = 60


class Failure(Exception):
    """Fails a step or a suite. Its text is printed."""


@dataclass
class Suite:
    name: str
    about: str
    budget: float  # seconds; a suite that takes longer fails
    run: callable
    needs: tuple = ()  # suites that must pass before it
    packages: tuple = ()  # Debian packages without which it skips cases
    extended: bool = False  # runs only with --all, or by name
    turn: bool = False  # long: --all runs it on its day only, see `of_the_day`
    begins_with: tuple = ()  # builds, which may be made while other suites run


@dataclass
class Outcome:
    suite: Suite
    passed: int = 0
    seconds: float = 0.0
    failures: list = field(default_factory=list)  # (case, why)
    skips: list = field(default_factory=list)  # (case, why)
    figures: list = field(default_factory=list)  # lines

    @property
    def word(self):
        if self.failures:
            return "FAILED"
        return "passed" if self.passed else "skipped"


SUITES = {}


def suite(name, about, budget, needs=(), packages=(), extended=False, turn=False, begins_with=()):
    """Registers the function as a suite."""

    def register(function):
        SUITES[name] = Suite(name, about, budget, function, tuple(needs), tuple(packages), extended, turn, begins_with)
        return function

    return register


def of_the_day(day=None):
    """The suite that takes turns whose turn it is: the next one each day (UTC, as days since 1970). So none waits longer
    than there are of them. A suite joins them with its first green run, unless its record says why it "waits". None: there
    was none yet."""
    green = json.loads(GREEN_RUNS.read_text()) if GREEN_RUNS.exists() else {}
    turns = [one for one in SUITES.values() if one.turn and "waits" not in green.get(one.name, {"waits": ""})]
    day = int(time.time() // 86400) if day is None else day
    return turns[day % len(turns)] if turns else None


class Processes:
    """The running programs, to kill them when the test run is interrupted."""

    def __init__(self):
        self._lock = threading.Lock()
        self._running = set()

    def start(self, *arguments, **keywords):
        with self._lock:
            process = subprocess.Popen(*arguments, start_new_session=True, **keywords)
            self._running.add(process)
            return process

    def done(self, process):
        with self._lock:
            self._running.discard(process)

    def kill_all(self):
        with self._lock:
            for process in self._running:
                kill_group(process)


def kill_group(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


PROCESSES = Processes()


@dataclass
class Finished:
    status: int
    output: str


class Run:
    """One run of one suite."""

    def __init__(self, one, everything):
        self.everything = everything  # --all
        self.env = {}  # for every program that the run starts; None removes a variable
        self.outcome = Outcome(one)
        self._deadline = time.monotonic() + one.budget
        self._lock = threading.Lock()
        LOGS.mkdir(parents=True, exist_ok=True)
        self.log_path = LOGS / f"{one.name}.log"
        self._log = open(self.log_path, "w", encoding="utf-8")

    def close(self):
        self._log.close()

    def log(self, text):
        with self._lock:
            self._log.write(text if text.endswith("\n") else text + "\n")
            self._log.flush()

    def ok(self, case):
        self.add(case, 1)

    def add(self, case, count):
        """Counts cases that a program reported as passed."""
        with self._lock:
            self.outcome.passed += count
        self.log(f"ok {case}" if count == 1 else f"ok {case}: {count} cases")

    def fail(self, case, why):
        with self._lock:
            self.outcome.failures.append((case, why.rstrip()))
        self.log(f"not ok {case}: {why}")

    def skip(self, case, why):
        with self._lock:
            self.outcome.skips.append((case, why))
        self.log(f"skipped {case}: {why}")

    def figure(self, line):
        """Prints a line with measured values. It does not affect the result."""
        with self._lock:
            self.outcome.figures.append(line)
        self.log(f"# {line}")

    def step(self, case, function, *arguments, **keywords):
        """Runs a case that is a function. It fails by raising Failure or OSError. The result is what the function
        returned, True if that was None, and None if the case failed."""
        started = time.monotonic()
        try:
            value = function(*arguments, **keywords)
        except (Failure, OSError) as problem:
            self.fail(case, str(problem) or repr(problem))
            return None
        self.ok(case)
        self.log(f"# {time.monotonic() - started:.1f} s")
        return True if value is None else value

    def has(self, *programs):
        path = self.env.get("PATH") or os.environ["PATH"]
        return all(shutil.which(program, path=path) for program in programs)

    def needs(self, case, *programs, package):
        """Whether the programs are here. Without them the case is skipped, or fails: see `lacks`."""
        if self.has(*programs):
            return True
        self.lacks(case, package)
        return False

    @contextlib.contextmanager
    def environment(self, **changes):
        """Changes the environment of the programs that the run starts meanwhile."""
        before = self.env
        self.env = {**before, **changes}
        try:
            yield
        finally:
            self.env = before

    def lacks(self, case, names):
        """Records that a case did not run for want of packages. It is a skip, but a failure if --all could have installed
        them."""
        if self.everything and os.geteuid() == 0:
            self.fail(case, f"not installed, though --all should have installed it: {names}")
        else:
            self.skip(case, f"not installed (as root: scripts/test --all, or apt-get install {names})")

    def check(self, case, holds, why):
        if holds:
            self.ok(case)
        else:
            self.fail(case, why)

    def left(self):
        """The seconds left of the budget."""
        return self._deadline - time.monotonic()

    def command(self, arguments, timeout=None, env=None, cwd=ROOT):
        """Runs a program without input. Its output (both streams) goes to the log."""
        arguments = [str(a) for a in arguments]
        variables = {**os.environ, "CARGO_TERM_COLOR": "never", **self.env, **(env or {})}
        variables = {name: value for name, value in variables.items() if value is not None}
        limit = max(0.1, min(self.left(), timeout or self.left()))
        started = time.monotonic()
        try:
            process = PROCESSES.start(
                arguments, cwd=cwd, env=variables, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, text=True, errors="replace",
            )
        except FileNotFoundError as error:
            raise Failure(how_to_get(arguments[0])) from error
        except OSError as error:
            raise Failure(f"cannot run {arguments[0]}: {error.strerror}") from error
        try:
            output, _ = process.communicate(timeout=limit)
            status = process.returncode
        except subprocess.TimeoutExpired:
            kill_group(process)
            output, _ = process.communicate()
            output += f"\n{arguments[0]} did not end within {limit:.0f} s: killed\n"
            status = -signal.SIGKILL
        finally:
            if process.poll() is None:  # interrupted
                kill_group(process)
            PROCESSES.done(process)
        self.log(f"$ {' '.join(arguments)}\n{output}[exit status {status}, {time.monotonic() - started:.1f} s]")
        return Finished(status, output)

    def must(self, arguments, **keywords):
        """Runs a program that must succeed, and returns its output."""
        finished = self.command(arguments, **keywords)
        if finished.status != 0:
            raise Failure(f"{command_line(arguments)}: exit status {finished.status}\n"
                          f"{tail(finished.output)}")
        return finished.output

    def build(self, build):
        """Runs a build, which may be finished already, and returns its output."""
        return self.must(build.command, env=build.environment)

    def must_fail(self, arguments, **keywords):
        """Runs a program that must report failure, and returns its output."""
        finished = self.command(arguments, **keywords)
        if finished.status <= 0:
            raise Failure(f"{command_line(arguments)}: exit status {finished.status}, where it should have failed\n"
                          f"{tail(finished.output)}")
        return finished.output

    def case(self, name, arguments, **keywords):
        """Runs a program as a case."""
        finished = self.command(arguments, **keywords)
        self.check(name, finished.status == 0,
                   f"{command_line(arguments)}: exit status {finished.status}\n"
                   f"{tail(finished.output)}")
        return finished

    def parallel(self, function, items, jobs=CORES):
        """Calls the function with each item, `jobs` at a time. Returns the results in order."""
        with ThreadPoolExecutor(jobs) as pool:
            try:
                return list(pool.map(function, items))
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                PROCESSES.kill_all()
                raise


def command_line(arguments):
    return " ".join(str(a) for a in arguments)


def tail(output):
    lines = output.rstrip().splitlines()
    if len(lines) <= SHOWN_LINES:
        return "\n".join(lines)
    return "\n".join([f"[{len(lines) - SHOWN_LINES} lines more above]", *lines[-SHOWN_LINES:]])


def expect(condition, why):
    """Fails the case that runs, unless the condition holds."""
    if not condition:
        raise Failure(why)


def with_needs(names):
    """The named suites and all that they need, each after the suites that it needs."""
    ordered = []

    def visit(name):
        if name not in ordered:
            for need in SUITES[name].needs:
                visit(need)
            if name not in ordered:
                ordered.append(name)

    for name in names:
        visit(name)
    return [SUITES[name] for name in ordered]


def run_suites(suites, everything):
    """Runs the suites one after the other. Returns their outcomes."""
    outcomes = {}
    # The first suite would only wait for its own builds.
    builds = [build for one in suites[1:] for build in one.begins_with]
    with ahead.Builder(builds, Processes()) as builder:
        for one in suites:
            builder.leave(one.begins_with)
            print(f"{one.name:<16} {one.about} ", end="", flush=True)
            outcome = run_one(one, everything, outcomes)
            outcomes[one.name] = outcome
            print(f"... {outcome.word} ({outcome.seconds:.1f} s)", flush=True)
            for line in outcome.figures:
                print(indent(line), flush=True)
            for case, why in outcome.failures:
                print(indent(f"{case}: {why}"), flush=True)
    return list(outcomes.values())


def run_one(one, everything, before):
    run = Run(one, everything)
    started = time.monotonic()
    lacking = [need for need in one.needs if need in before and before[need].failures]
    try:
        if lacking:
            raise Failure(f"not run: it needs {', '.join(lacking)}, which failed")
        one.run(run)
        if not (run.outcome.passed or run.outcome.failures or run.outcome.skips):
            raise Failure("it ran nothing")
        if run.left() < 0:
            raise Failure(f"took longer than its budget of {one.budget} s")
    except Failure as failure:
        run.fail(one.name, str(failure))
    except Exception:  # a defect in the suite's own code fails only the suite
        run.fail(one.name, traceback.format_exc())
    finally:
        run.outcome.seconds = time.monotonic() - started
        run.close()
    return run.outcome


def indent(text):
    return "\n".join("    " + line for line in text.splitlines())


def summary(outcomes, seconds):
    """Prints the table and the closing line. Returns whether all suites passed."""
    width = max(len(o.suite.name) for o in outcomes)
    print(f"\n{'suite':<{width}}  result   passed  failed  skipped  seconds  budget")
    for o in outcomes:
        print(f"{o.suite.name:<{width}}  {o.word:<7}  {o.passed:>6}  {len(o.failures):>6}  "
              f"{len(o.skips):>7}  {o.seconds:>7.1f}  {o.suite.budget:>6.0f}")
    print(f"{'all':<{width}}  {'':<7}  {'':>6}  {'':>6}  {'':>7}  {seconds:>7.1f}")

    skips = [(o.suite.name, *skip) for o in outcomes for skip in o.skips]
    if skips:
        print("\nSkipped:")
        for name, case, why in skips:
            print(f"  {name}: {case}: {why}")
    failed = [o for o in outcomes if o.failures]
    if failed:
        print("\nFailed (logs in " + str(LOGS) + "):")
        for o in failed:
            for case, why in o.failures:
                print(f"  {o.suite.name}: {case}: {why.splitlines()[0] if why else ''}")

    passed = sum(o.passed for o in outcomes)
    failures = sum(len(o.failures) for o in outcomes)
    print(f"\n{passed} passed, {failures} failed" + (f", {len(skips)} skipped" if skips else ""))
    sys.stdout.flush()
    return failures == 0
