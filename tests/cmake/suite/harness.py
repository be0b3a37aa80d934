"""Running programs and keeping count. A case is a line of output; one that fails says why, and the run goes on."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target").resolve()
OUT = TARGET / "cmake-tests"
TESTS = ROOT / "tests"
INCLUDE = ROOT / "include"
STRICT = ["-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Werror", f"-I{INCLUDE}"]


class Failed(Exception):
    pass


class Harness:
    def __init__(self, everything):
        self.everything = everything
        self.passed = self.skipped = 0
        self.failures = []
        OUT.mkdir(parents=True, exist_ok=True)
        # The build tools that scripts/test puts into .venv come before the system's.
        venv = ROOT / ".venv" / "bin"
        if (venv / "cmake").exists():
            os.environ["PATH"] = f"{venv}{os.pathsep}{os.environ['PATH']}"
        for name in ("CMAKE_GENERATOR", "CMAKE_BUILD_TYPE", "CC", "CXX", "CFLAGS", "CXXFLAGS", "LD_LIBRARY_PATH",
                     "PKG_CONFIG_PATH", "DESTDIR"):
            os.environ.pop(name, None)

    def has(self, *programs):
        return all(shutil.which(program) for program in programs)

    def needs(self, what, *programs, package):
        """Whether the programs are here; without them `what` is skipped, and with --all it fails."""
        if self.has(*programs):
            return True
        if self.everything:
            self.fail(what, f"apt-get install {package}")
        else:
            self.skip(what, f"needs {package}")
        return False

    def run(self, *command, timeout=600, cwd=None, env=None, ok=True):
        """A program's output; with `ok` it must succeed, with ok=False it must not."""
        command = [str(part) for part in command]
        process = subprocess.Popen(command, cwd=cwd, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                                   start_new_session=True)
        try:
            output, _ = process.communicate(timeout=timeout)
        except BaseException as problem:
            os.killpg(process.pid, signal.SIGKILL)
            output, _ = process.communicate()
            if isinstance(problem, subprocess.TimeoutExpired):
                raise Failed(f"{' '.join(command)}\nnot done after {timeout} s\n{tail(output)}") from None
            raise
        if ok is not None and (process.returncode == 0) != ok:
            raise Failed(f"{' '.join(command)}\nexit status {process.returncode}\n{tail(output)}")
        return output

    def case(self, name, function, *arguments, **keywords):
        """Runs one case; what it returns, or None where it failed."""
        started = time.monotonic()
        try:
            value = function(*arguments, **keywords)
        except (Failed, AssertionError, OSError) as problem:
            self.fail(name, str(problem) or repr(problem))
            return None
        self.passed += 1
        print(f"ok      {name}  ({time.monotonic() - started:.1f} s)", flush=True)
        return True if value is None else value

    def fail(self, name, why):
        self.failures.append(name)
        print(f"FAILED  {name}\n        " + why.replace("\n", "\n        "), flush=True)

    def skip(self, name, why):
        self.skipped += 1
        print(f"skipped {name}: {why}", flush=True)

    def summary(self, seconds):
        print(f"{self.passed} passed, {len(self.failures)} failed, {self.skipped} skipped, {seconds:.0f} s")
        for name in self.failures:
            print(f"  failed: {name}")
        return 1 if self.failures or not self.passed else 0


def expect(condition, why):
    """As assert, and also where Python optimises."""
    if not condition:
        raise Failed(why)


def fresh(path):
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path


def tail(text, lines=40):
    return "\n".join(text.splitlines()[-lines:])
