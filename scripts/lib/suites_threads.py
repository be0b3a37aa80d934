"""Threads: loom's models, and ThreadSanitizer over the whole library."""

import os
import re
import signal
from pathlib import Path

import compilers
import unit_tests
from ahead import Build
from project import CORES, OUT, ROOT, SONAME, TARGET, tool
from runner import Failure, suite, tail
from suites_c import TESTS, build_programs, report, run_tests

# Debian's compiler has the source of its std, which must be instrumented too. rustup's toolchains do not.
DEBIAN_RUSTC, DEBIAN_CARGO = Path("/usr/bin/rustc"), Path("/usr/bin/cargo")
PACKAGES = ["rustc-web", "cargo-web", "rust-web-src", "clang-22", "libclang-rt-22-dev"]
TRIPLE = "x86_64-unknown-linux-gnu"
INSTRUMENTED = TARGET / "tsan" / TRIPLE / "release"
RACE = 66  # the exit status of a program that ThreadSanitizer has ended

# Places whose order could be weaker, by file, text of the line, and what is taken away there; and why.
FENCES = "the SeqCst fences beside it order it"
NUMBER = "nothing is handed over: it stands for itself"
HALF = "it is the other half of the exchange that is needed"
BEFORE = "what is published after it orders it"
SEEN = "the exchange that found the other slot taken has seen it"
SPARE = {
    ("src/realtime/client_table.rs", "slot.id.store(0, Ordering::Release);", "release"): FENCES,
    ("src/realtime/event.rs", "count.fetch_sub(1, Ordering::Release);", "release"): NUMBER,
    ("src/realtime/event.rs", "self.count.fetch_add(1, Ordering::Release);", "release"): FENCES,
    ("src/realtime/event.rs", "ANY.fetch_add(1, Ordering::Release);", "release"): FENCES,
    ("src/realtime/event.rs", "let seen = count.load(Ordering::Acquire);", "acquire"): FENCES,
    ("src/realtime/filter.rs", "self.watch(direction).seen.store(revision, Ordering::Release);", "release"): NUMBER,
    ("src/realtime/filter.rs", "self.revision() != self.watch(direction).seen.load(Ordering::Acquire)", "acquire"): NUMBER,
    ("src/realtime/sleeper.rs", "self.asleep.load(Ordering::Relaxed) && self.asleep.swap(false, Ordering::AcqRel)", "acquire"):
        FENCES,
    ("src/realtime/sleeper.rs", "self.asleep.load(Ordering::Relaxed) && self.asleep.swap(false, Ordering::AcqRel)", "release"):
        FENCES,
    ("src/realtime/pair.rs", "own.counters.pop.needs_release.store(holds, Ordering::Release);", "release"): NUMBER,
    ("src/realtime/pair.rs", "own.counters.pop.has_pending.store(owes, Ordering::Release);", "release"): NUMBER,
    ("src/realtime/readiness.rs", "Some(_) => shared.is_closed() && !shared.counters.pop.needs_release.load(Ordering::Acquire),", "acquire"): NUMBER,
    ("src/realtime/consumer.rs", "self.ring.consumer.taken.store(self.read, Ordering::Release);", "release"): NUMBER,
    ("src/realtime/ring.rs", "self.ring.consumer.taken.load(Ordering::Acquire) != self.ring.tail.load(Ordering::Acquire)",
     "acquire"): NUMBER,
    ("src/realtime/ring.rs", "self.ring.tail.load(Ordering::Acquire)", "acquire"): NUMBER,
    ("src/realtime/consumer.rs", "self.ring.tail.load(Ordering::Acquire)", "acquire"): NUMBER,
    ("src/realtime/refused.rs", "if self.slots.0[other].state.load(Ordering::Acquire) != FREE {", "acquire"): SEEN,
    ("src/realtime/requests.rs", "self.served.store(count, Ordering::Release);", "release"): NUMBER,
    ("src/realtime/requests.rs", "self.count.load(Ordering::Acquire) != self.served.load(Ordering::Acquire)", "acquire"): NUMBER,
    ("src/realtime/requests.rs", "self.count.load(Ordering::Acquire)", "acquire"): NUMBER,
    ("src/realtime/shared.rs", "self.flags.load(Ordering::Acquire) & UP != 0", "acquire"): NUMBER,
    ("src/realtime/shared.rs", "self.flags.load(Ordering::Acquire) == UP", "acquire"): NUMBER,
    ("src/realtime/shared.rs", "match self.flags.load(Ordering::Acquire) & (UP | CLOSED) {", "acquire"): NUMBER,
    ("src/realtime/shared.rs", "self.flags.load(Ordering::Acquire) & SHUT_DOWN != 0", "acquire"): NUMBER,
    ("src/realtime/shared.rs", "self.flags.fetch_or(CLOSED | SHUT_DOWN, Ordering::AcqRel) & SHUT_DOWN == 0", "acquire"): NUMBER,
    ("src/realtime/shared.rs", "self.flags.fetch_or(CLOSED | SHUT_DOWN, Ordering::AcqRel) & SHUT_DOWN == 0", "release"): NUMBER,
    ("src/realtime/shared.rs", "self.flags.fetch_or(NEEDS_RELEASE, Ordering::AcqRel);", "acquire"): HALF,
    ("src/realtime/shared.rs", "self.flags.fetch_or(NEEDS_RELEASE, Ordering::AcqRel);", "release"): BEFORE,
    ("src/realtime/shared.rs", "self.flags.fetch_and(!NEEDS_RELEASE, Ordering::AcqRel);", "acquire"): HALF,
    ("src/realtime/shared.rs", "self.flags.fetch_or(CLOSED, Ordering::AcqRel);", "acquire"): HALF,
    ("src/realtime/shared.rs", "self.flags.fetch_or(CLOSED | ENDED, Ordering::AcqRel);", "acquire"): HALF,
    ("src/realtime/shared.rs", "self.status.state.load(Ordering::Acquire)", "acquire"): NUMBER,
    ("src/sys/notified.rs", "!self.0.swap(true, Ordering::AcqRel)", "acquire"): HALF,
    ("src/sys/notified.rs", "self.0.swap(false, Ordering::AcqRel);", "release"): HALF,
}
# Files of which the same is so throughout: who came first is all that they tell. The last stands for the system.
SPARE_FILES = ("src/realtime/acceptance.rs", "src/net/life.rs", "src/sys/ready_loom.rs")
# What the argument in docs/memory-order.md needs, and no model notices: there it is the argument alone that stands.
UNSHOWN = [
    ("src/realtime/client_table.rs", "target.id.store(id, Ordering::Release);", "release"),
    ("src/realtime/client_table.rs", "id != 0 && self.slot(id).is_some_and(|slot| slot.id.load(Ordering::Acquire) == id)", "acquire"),
    ("src/realtime/client_table.rs", "let id = slot.id.load(Ordering::Acquire);", "acquire"),
    ("src/realtime/filter.rs", "self.outgoing.cut.fetch_or(closed.bits(), Ordering::Release);", "release"),
    ("src/realtime/filter.rs", "self.incoming.cut.fetch_or(closed.bits(), Ordering::Release);", "release"),
    ("src/realtime/filter.rs", "let cut = self.watch(direction).cut.swap(0, Ordering::Acquire);", "acquire"),
    # loom carries out instructions in their order, so that a swap always finds what was set before a revision it has seen.
    ("src/realtime/filter.rs", "self.revision.store(revision, Ordering::Release);", "release"),
    ("src/realtime/filter.rs", "self.revision.load(Ordering::Acquire)", "acquire"),
    ("src/realtime/refused.rs", "self.lossy = self.slots.0[self.current].state.load(Ordering::Acquire) == FULL;", "acquire"),
    ("src/realtime/refused.rs", "self.0.0.iter().any(|slot| slot.state.load(Ordering::Acquire) != FREE)", "acquire"),
    ("src/realtime/refused.rs", "slot.state.store(FREE, Ordering::Release);", "release"),
]

MODELS = [ROOT / "src" / "realtime" / "loom_models.rs", ROOT / "src" / "net" / "loom_models.rs"]
LOOM = OUT / "loom.log"


@suite("loom", "the protocols between two threads, in all interleavings", budget=400, begins_with=(unit_tests.MODELS,))
def loom(run):
    program = models_program(run)
    listed = re.findall(r"^(\S*loom_models::\w+): test$", run.must([program, "--list"]), re.MULTILINE)
    # A process for each, so that they run on all cores.
    whole = [program, "--exact", "--nocapture", "--test-threads=1"]
    finished = run.parallel(lambda model: run.command([*whole, model]), listed)
    explored = []
    for model, output in zip(listed, finished):
        executions = re.search(r"(\d+ executions)", output.output)
        if output.status == 0 and executions:
            explored.append(model.rsplit("::", 1)[1])
            run.ok(f"{explored[-1]}: {executions[1]}")
        else:
            run.fail(model, tail(output.output))
    if not explored:
        raise Failure("no model was explored")
    LOOM.write_text("".join(output.output for output in finished))
    # None is left out, and the table says what each is for.
    models = {model for file in MODELS for model in re.findall(r"#\[test\]\nfn (\w+)\(", file.read_text())}
    run.check("every model was explored", models == set(explored), f"there are {sorted(models)}")
    table = (ROOT / "docs" / "memory-order.md").read_text()
    lacking = sorted(model for model in models if f"`{model}`" not in table)
    run.check("docs/memory-order.md has every model", not lacking, ", ".join(lacking))


def models_program(run):
    return unit_tests.program_of(run.build(unit_tests.MODELS))


@suite("memory-order", "an atomic whose order is weaker than it is fails a model", budget=120, needs=["loom"])
def memory_order(run):
    output, binary = LOOM.read_text(), models_program(run)
    places, executions, model = {}, {}, None
    for line in output.splitlines():
        if found := re.match(r"test (\S*loom_models::\w+) \.\.\.", line):
            model = found[1]
        if found := re.search(r": (\d+) executions", line):
            executions[model] = int(found[1])
        if found := re.match(r"place: (src/(?!realtime/loom_models|net/loom_models).*)", line):
            places.setdefault(found[1], set()).add(model)
    texts = {place: text_of(place) for place in places}
    left_out = {**SPARE, **dict.fromkeys(UNSHOWN)}
    stale = sorted(str(entry) for entry in left_out if entry not in texts.values())
    run.check("what is left out is there", not stale, f"no model comes through {'; '.join(stale)}")

    def weaken(place):
        """The model that fails without this order. The smallest models are tried first."""
        for model in sorted(places[place], key=executions.get):
            finished = run.command([binary, model, "--exact"], env={"MIDISOCK_WEAKEN": place}, timeout=60)
            if finished.status == -signal.SIGKILL:
                raise Failure(f"{model} without {place} did not end in time")
            # The failure must be an assertion of the model, not a smaller number of executions.
            if finished.status != 0 and "executions were explored" not in finished.output:
                return model
        return None

    wanted = [place for place in sorted(places)
              if texts[place] not in left_out and not place.startswith(SPARE_FILES)]
    run.check("there are places", len(wanted) >= 20, f"only {len(wanted)}")
    for place, model in zip(wanted, run.parallel(weaken, wanted)):
        run.check(f"{place} is needed by {model}", model, f"no model fails without it: {texts[place]}")


def text_of(place):
    """The file, the text of the line and the removed order, which stay the same when lines move."""
    file, line, half = re.match(r"(.*):(\d+) (\w+)$", place).groups()
    return file, (ROOT / file).read_text().splitlines()[int(line) - 1].strip(), half


@suite("tsan", "ThreadSanitizer over the library, its std and all C tests", budget=900,
       packages=PACKAGES, extended=True)
def tsan(run):
    if os.uname().machine != "x86_64":
        run.skip("tsan", "the recipe is for x86-64")
        return
    clang = tool("clang-22")
    if clang is None or not DEBIAN_RUSTC.exists() or not DEBIAN_CARGO.exists():
        run.lacks("tsan", " ".join(PACKAGES))
        return
    run.must([
        DEBIAN_CARGO, "rustc", "--release", "--locked", "--lib", "--crate-type", "cdylib", *unit_tests.QUICK,
        "-Zbuild-std", "--target", TRIPLE, "--target-dir", TARGET / "tsan"],
        env={"RUSTC_BOOTSTRAP": "1", "RUSTC": str(DEBIAN_RUSTC),
             "RUSTFLAGS": f"-Zsanitizer=thread -Zexternal-clangrt -Clinker={clang} "
                          "-Clink-arg=-fsanitize=thread"})
    library = INSTRUMENTED / "libmidisock.so"
    name = INSTRUMENTED / SONAME
    name.unlink(missing_ok=True)
    name.symlink_to(library.name)
    watched = run.must(["nm", "-D", "--undefined-only", library])
    run.check("the library is instrumented", "__tsan_read8" in watched and "__tsan_atomic64_load" in watched,
              "it does not call ThreadSanitizer")

    compiler = compilers.Compiler("clang-22", clang, "clang++-22")
    link = ["-L", INSTRUMENTED, "-lmidisock", f"-Wl,-rpath,{INSTRUMENTED}", "-lpthread"]
    options = ["-O1", "-g", "-fsanitize=thread"]
    programs = build_programs(run, compiler, TESTS, OUT / "tests-tsan", options, link)
    control = OUT / "tests-tsan" / "race"
    run.must([clang, "-std=c99", *compilers.STRICT, *options, *compilers.INCLUDES, "-o", control,
              ROOT / "tests" / "tsan" / "race.c", TESTS / "check.c", TESTS / "check_unix.c", TESTS / "raw.c", *link])

    env = {"TSAN_OPTIONS": f"halt_on_error=1:exitcode={RACE}"}
    run_tests(run, programs, env=env, jobs=CORES)
    # Control: a caller that breaks the contract causes a race inside the library.
    finished = run.command([control, "two_threads_push"], env=env, timeout=60)
    run.check("control: two threads that push at once are seen",
              finished.status != 0 and "ThreadSanitizer: data race" in finished.output
              and "libmidisock.so" in finished.output, tail(finished.output))
    report(run, "race", run.command([control, "a_message_hands_over"], env=env, timeout=60))


DEFECT = Build(["cargo", "build", "--locked", "--lib", "--target-dir", TARGET / "defect", "--config", "profile.dev.opt-level=0"],
               {"RUSTFLAGS": "--cfg midisock_defect"})


@suite("panics", "a panic inside the library is contained, in every function and in the network thread",
       budget=300, begins_with=(DEFECT,))
def panics(run):
    run.build(DEFECT)
    library = TARGET / "defect" / "debug"
    name = library / SONAME
    name.unlink(missing_ok=True)
    name.symlink_to("libmidisock.so")
    program = OUT / "test_panics"
    run.must([compilers.default().c, "-std=c99", *compilers.STRICT, "-O1", "-g", *compilers.INCLUDES,
              "-o", program, ROOT / "tests" / "defect" / "test_panics.c",
              TESTS / "check.c", TESTS / "check_unix.c", TESTS / "raw.c",
              "-L", library, "-lmidisock", f"-Wl,-rpath,{library}", "-lpthread"])
    report(run, program.name, run.command([program], timeout=120))
