"""A hostile network: the soak test (tests/soak) and fuzzing (fuzz)."""

import os
import re
import shutil

import compilers
from compilers import INCLUDES, LINK, STRICT
from project import LOGS, OUT, ROOT, TARGET
from runner import Failure, suite, tail

SOAK = ROOT / "tests" / "soak"
HARNESS = ROOT / "tests" / "c"
SOAK_SECONDS = 20  # scripts/soak: 300

FUZZ = ROOT / "fuzz"
TOOLS = OUT / "tools"
CARGO_FUZZ = "0.13.1"
# Seconds for each target, in addition to the committed corpus.
FUZZ_SECONDS = {"parser": 10, "frame": 10, "state": 15, "address": 5, "port": 15}


@suite("soak", "a well-behaved client among storms of connections, noise, endless SysEx and slow readers", budget=120,
       needs=["library"], extended=True)
def soak(run):
    compiler = compilers.default()
    into = OUT / "soak"
    run.must([compiler.c, "-std=c99", *STRICT, "-O1", "-g", *INCLUDES, "-I", HARNESS, "-o", into,
              *sorted(SOAK.glob("*.c")), HARNESS / "check.c", HARNESS / "check_unix.c", HARNESS / "raw.c", *LINK])
    finished = run.case("soak", [into, str(SOAK_SECONDS)])
    if finished.status == 0 and not finished.output.rstrip().endswith("ok"):
        raise Failure(f"it did not come to its end\n{tail(finished.output)}")


def figures():
    """What the last soak printed."""
    log = (LOGS / "soak.log").read_text(encoding="utf-8")
    return "\n" + log[log.rfind("\n$ ") + 1:]


@suite("fuzz", "parser, frames, channel state, addresses and a port, for some seconds each", budget=400,
       extended=True)
def fuzz(run):
    # cargo-fuzz uses nightly features for coverage. The shipped library does not.
    env = {"RUSTC_BOOTSTRAP": "1", "CARGO_TARGET_DIR": str(TARGET / "fuzz")}
    tool = shutil.which("cargo-fuzz") or TOOLS / "bin" / "cargo-fuzz"
    if not os.path.exists(tool):
        run.must(["cargo", "install", "cargo-fuzz", "--version", CARGO_FUZZ, "--locked", "--root",
                  TOOLS])
    run.must([tool, "build", "--fuzz-dir", FUZZ, "--sanitizer", "none"], env=env)
    programs = TARGET / "fuzz"
    for target, seconds in FUZZ_SECONDS.items():
        found = sorted(programs.glob(f"*/release/{target}"))
        if not found:
            raise Failure(f"cargo-fuzz did not make {target}")
        corpus, new = FUZZ / "corpus" / target, OUT / "fuzz" / target
        artifacts = OUT / "fuzz" / "artifacts" / target
        for folder in (new, artifacts):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        run.check(f"{target}: a corpus", corpus.is_dir() and any(corpus.iterdir()),
                  f"there is none in {corpus}")
        # New inputs go to the first folder, not to the committed one.
        finished = run.case(target, [
            found[0], f"-max_total_time={seconds}", "-timeout=25", "-print_final_stats=1",
            f"-artifact_prefix={artifacts}/", new, corpus])
        executed = re.search(r"stat::number_of_executed_units:\s*(\d+)", finished.output)
        run.check(f"{target}: executions", executed and int(executed[1]) > 100,
                  "next to nothing was executed")
