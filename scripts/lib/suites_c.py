"""The C test programs in tests/c."""

import re

import compilers
from compilers import CLANG, INCLUDES, LINK, STRICT
from project import BIN, CORES, OUT, ROOT, tool
from runner import Failure, suite, tail

TESTS = ROOT / "tests" / "c"
EXAMPLES = ROOT / "examples" / "c"
# The example that needs OpenSSL: see suites_examples.
TLS = "tls-midi"

# One program with all its cases; each case has its own deadline, well below this.
PROGRAM_SECONDS = 150
# Mostly they wait: more of them than cores.
JOBS = 4 * CORES

SANITIZE = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer")
SANITIZER_OPTIONS = {
    "ASAN_OPTIONS": "detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1",
    "UBSAN_OPTIONS": "print_stacktrace=1",
}


@suite("c", "C test programs against the release library", budget=300, needs=["library"])
def c_tests(run):
    run_tests(run, build_tests(run, compilers.default(), "plain"))


@suite("c-sanitized", "the same under AddressSanitizer and UndefinedBehaviorSanitizer", budget=400,
       needs=["library"])
def c_sanitized(run):
    programs = build_tests(run, compilers.default(), "sanitized", SANITIZE)
    run_tests(run, programs, env=SANITIZER_OPTIONS)


@suite("c-clang", "the C test programs and examples built by clang", budget=400,
       needs=["library"], packages=["clang"], extended=True)
def c_clang(run):
    if not tool("clang"):
        run.lacks("clang", "clang")
        return
    build_examples(run, CLANG, OUT / "examples-clang")
    run_tests(run, build_tests(run, CLANG, "clang"))


# Run under valgrind, which is slow and runs one thread at a time: every kind of port, all kinds of
# messages, and nothing that needs speed.
VALGRIND_PROGRAMS = ("test_accept", "test_arguments", "test_config", "test_merged", "test_pair",
                     "test_push_pop")


@suite("valgrind", "memcheck of C test programs", budget=600, needs=["library"],
       packages=["valgrind"], extended=True)
def valgrind(run):
    if not tool("valgrind"):
        run.lacks("valgrind", "valgrind")
        return
    programs = {p.name: p for p in build_tests(run, compilers.default(), "plain")}
    lacking = [name for name in VALGRIND_PROGRAMS if name not in programs]
    run.check("programs", not lacking, f"there is no {', '.join(lacking)}")
    chosen = [programs[name] for name in VALGRIND_PROGRAMS if name in programs]
    run_tests(run, chosen, seconds=400, jobs=2 * CORES, before=[
        "valgrind", "--quiet", "--error-exitcode=99", "--leak-check=full",
        "--errors-for-leak-kinds=definite,indirect", "--num-callers=30"])


def has_main(source):
    return re.search(r"^int main\(", source.read_text(), re.MULTILINE) is not None


def build_examples(run, compiler, into):
    """Compiles the examples that need nothing else; each that is a program is a case."""
    for program in build_programs(run, compiler, EXAMPLES, into, ["-O2"], leave=[TLS]):
        run.ok(f"{compiler.name} {program.name}")


def build_tests(run, compiler, variant, options=()):
    """Compiles the test programs; the paths of those that compiled."""
    return build_programs(run, compiler, TESTS, OUT / f"tests-{variant}", ["-O1", "-g", *options])


def build_programs(run, compiler, folder, into, options, link_flags=LINK, leave=()):
    """Compiles every program of a folder, but for those to leave; the paths of those that compiled, the others are failed
    cases. A source with a main is a program, the rest belongs to all of them."""
    sources = sorted(source for source in folder.glob("*.c") if source.stem not in leave)
    mains = [s for s in sources if has_main(s)]
    if not mains:
        raise Failure(f"there is no program in {folder}")
    into.mkdir(parents=True, exist_ok=True)
    flags = ["-std=c99", *STRICT, *options, *INCLUDES]

    def compile_object(source):
        result = into / f"{source.stem}.o"
        finished = run.command([compiler.c, *flags, "-c", "-o", result, source])
        if finished.status != 0:
            run.fail(f"{compiler.name} {source.name}", tail(finished.output))
            return None
        return result

    objects = run.parallel(compile_object, [s for s in sources if not has_main(s)])

    def link(source):
        program = into / source.stem
        program.unlink(missing_ok=True)  # an old one must not pass for this one
        if None in objects:
            return None
        finished = run.command([compiler.c, *flags, "-o", program, source, *objects, *link_flags])
        if finished.status != 0:
            run.fail(f"{compiler.name} {source.name}", tail(finished.output))
            return None
        return program

    return [program for program in run.parallel(link, mains) if program]


def run_tests(run, programs, env=None, before=(), seconds=PROGRAM_SECONDS, jobs=JOBS):
    def one(program):
        finished = run.command([*before, program], timeout=seconds, env=env)
        report(run, program.name, finished)

    run.parallel(one, programs, jobs)


def report(run, program, finished, faults=None):
    """Counts the cases by what tests/c/check.c prints: `ok`, `not ok`, `# skipped`. What is printed
    before a `not ok`, as by a sanitizer, belongs to it. `faults`: why some cases, as "program case", may fail, for a fault of
    what they run on; they count as skipped then."""
    passed, failed, other = {}, {}, []
    for line in finished.output.splitlines():
        if verdict := re.fullmatch(r"not ok ([^\s:]+):? ?(.*)", line):
            failed.setdefault(verdict[1], tail("\n".join([verdict[2], *other])))
            other = []
        elif verdict := re.fullmatch(r"ok (\S+)(?: # skipped: (.*))?", line):
            # Not final: a case may still fall over after its last check, as by a leak.
            passed[verdict[1]] = verdict[2]
        else:
            other.append(line)
    for case, why in failed.items():
        if fault := (faults or {}).get(f"{program} {case}"):
            run.skip(f"{program} {case}", fault)
        else:
            run.fail(f"{program} {case}", why)
    for case in passed.keys() - failed.keys():
        if passed[case]:
            run.skip(f"{program} {case}", passed[case])
        else:
            run.ok(f"{program} {case}")
    # Killed, it may not have come to all its cases.
    if finished.status < 0 or (finished.status != 0 and not failed):
        run.fail(program, f"exit status {finished.status}\n{tail(finished.output)}")
    elif not passed and not failed:
        run.fail(program, "it reported no case")
