"""The programs in tools: compiling them, their behaviour, and their readers with any bytes."""

import compilers
from compilers import INCLUDES, LINK, STRICT
from project import BIN, OUT, ROOT
from runner import suite, tail
from suites_c import SANITIZE, SANITIZER_OPTIONS, TESTS as HARNESS, report
from suites_python import TESTS as PYTESTS, pytest

TOOLS = ROOT / "tools"
TESTS = ROOT / "tests" / "tools"

# The folders that a program takes sources from, beside its own and tools/common.
PARTS = {"monitor": (), "send": ("midi-file",), "echo": (), "jack": ()}

# Random inputs for each reader. `tests/tools/README.md` says how to run more.
FUZZ_INPUTS = 100_000


def folder(compiler):
    return BIN if compiler is compilers.default() else OUT / f"tools-{compiler.name}"


def sources(name):
    """The C files of midisock-NAME."""
    folders = (name, *PARTS[name], "common")
    return [source for one in folders for source in sorted((TOOLS / one).glob("*.c"))]


def build(run, compiler, name, *libraries):
    """Compiles midisock-NAME as a case."""
    program = folder(compiler) / f"midisock-{name}"
    if compile_one(run, compiler, program, sources(name), "-O2", *LINK, *libraries):
        run.ok(f"{compiler.name} {program.name}")


def compile_one(run, compiler, program, files, *options):
    """Compiles a program. The result is whether that worked."""
    program.parent.mkdir(parents=True, exist_ok=True)
    program.unlink(missing_ok=True)  # an old one must not pass for this one
    finished = run.command([compiler.c, "-std=c99", *STRICT, "-g", "-o", program, *INCLUDES, *files, *options])
    if finished.status != 0:
        run.fail(f"{compiler.name} {program.name}", tail(finished.output))
    return finished.status == 0


@suite("programs", "the tools compile without a warning", budget=120, needs=["library"])
def programs(run):
    for compiler in compilers.available(run, cxx=False):
        run.parallel(lambda name, one=compiler: build(run, one, name), [name for name in PARTS if name != "jack"])


@suite("readers", "the tools' readers under the sanitizers: cases, and any bytes", budget=180, needs=["library"])
def readers(run):
    """The C tests in tests/tools, each linked with the parts that read."""
    files = [source for source in sources("send") if source.name != "midisock-send.c"]
    files += [HARNESS / "check.c", HARNESS / "check_unix.c"]

    def one(source):
        program = OUT / "tests-tools" / source.stem
        if not compile_one(run, compilers.default(), program, [source, *files], "-O1", *SANITIZE, "-I", HARNESS, *LINK):
            return
        arguments = [FUZZ_INPUTS] if source.stem.startswith("fuzz_") else []
        finished = run.command([program, *map(str, arguments)], timeout=150, env=SANITIZER_OPTIONS)
        report(run, source.stem, finished)

    run.parallel(one, [*sorted(TESTS.glob("test_*.c")), *sorted(TESTS.glob("fuzz_*.c"))])


@suite("tools", "the command-line tools, and the simplest server and client", budget=240, needs=["programs", "examples", "python"])
def tools(run):
    pytest(run, "tools", *sorted(PYTESTS.glob("test_tool*.py")), "-m", "not long")
