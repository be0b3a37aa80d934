"""Linux on other processors and with another C library: built by CMake with a toolchain file, tested under qemu or natively.

These suites are long and take turns: see `turn` in runner.py. Each green run is noted in docs/platforms-runs.json."""

import re

import cross
import environment
from cross import LINUXES, RUST_PACKAGES
from project import CORES, HEADER, ROOT, TESTS, fresh
from runner import suite, tail
from suites_c import report

TOOLCHAINS = ROOT / "cmake" / "toolchains"
PROGRAM_SECONDS = 400
# Programs in an emulator are several times slower.
EMULATED = {"MIDISOCK_CASE_SECONDS": "150", "MIDISOCK_EMULATED": "1"}

# Cases that need what qemu-user 7.2 does not have. The same cases run natively on i686 and x86-64.
QEMU_INFO = "qemu gives 4 bytes of TCP_INFO"
QEMU_MEMORY = "qemu ignores RLIMIT_AS"
QEMU_OWN = "qemu's own memory counts, and grows by what it translates"
# Programs that need it altogether.
QEMU_LEFT_OUT = {"test_browse": "qemu refuses IP_MULTICAST_IF: no discovery"}
QEMU_FAULTS = {
    "test_connecting names_without_a_thread_to_look_them_up": QEMU_MEMORY,
    "test_crowd no_memory_for_a_client": QEMU_MEMORY,
    "test_crowd refusing_connections_is_cheap": QEMU_OWN,
    "test_dead_peer a_vanished_peer_is_noticed_while_data_waits": QEMU_INFO,
    "test_dead_peer a_vanished_peer_is_noticed_during_many_pushes": QEMU_INFO,
    "test_lifecycle three_hundred_cycles_leave_nothing": QEMU_OWN,
}


def run_programs(run, build, before=(), faults=None, left_out=None, env=None, server=lambda: None, seconds=PROGRAM_SECONDS):
    """Runs the C programs of a build by cases, and the C++ programs each as a case. `faults`: see `report`; `left_out`: why
    some programs do not run; `server`: the emulator's process that all programs need. A program that fails runs again if the
    server ended meanwhile, which it does only by a crash. Returns the names of those."""
    left_out = left_out or {}
    programs = sorted(path for path in build.glob("midisock-*") if "test_" in path.name or "-cxx" in path.name)
    programs = [path for path in programs if path.suffix in ("", ".exe")]
    run.check("programs", len(programs) > 40, f"only {len(programs)} programs in {build}")

    stopped = []

    def tell(program, finished):
        name = program.stem.removeprefix("midisock-")
        if "-cxx" in name:
            run.check(name, finished.status == 0, f"exit status {finished.status}\n{tail(finished.output)}")
        else:
            report(run, name, finished, faults)

    def one(program):
        name = program.stem.removeprefix("midisock-")
        if name in left_out:
            run.skip(name, left_out[name])
            return
        used = server()
        finished = run.command([*before, program], timeout=seconds, env=env)
        if finished.status != 0 and server() != used:
            stopped.append(program)
        else:
            tell(program, finished)

    # Mostly they wait: more of them than cores.
    run.parallel(one, programs, 2 * CORES)
    for program in stopped:
        run.figure(f"the emulator crashed: {program.name} runs again")
        tell(program, run.command([*before, program], timeout=seconds, env=env))
    return [program.name for program in stopped]


def build(run, name, toolchain, *options):
    """Configures and builds the library, the tools and the tests; where they are."""
    into = fresh(cross.folder(name))
    run.must(cross.configure(into, toolchain, "-DMIDISOCK_BUILD_TESTS=ON", *options))
    run.must(["cmake", "--build", into])
    run.ok("built by CMake")
    return into


def linux(run, platform):
    if cross.lacks(run, platform.packages, f"{platform.gnu}-g++", *([platform.emulator] if platform.emulator else [])):
        return
    run.env = cross.rust()
    into = build(run, platform.name, TOOLCHAINS / f"linux-{platform.name}.cmake")
    if platform.emulator:
        run_programs(run, into, platform.runner(), QEMU_FAULTS, QEMU_LEFT_OUT, EMULATED)
    else:
        run_programs(run, into, platform.runner())
    tool = run.command([*platform.runner(), into / "midisock-monitor", "--version"])
    run.check("a tool runs", tool.status == 0 and "midisock" in tool.output, tail(tool.output))
    cross.record(run)


for one in LINUXES:
    suite(one.name, f"C and C++ tests on Linux, {one.about}", budget=600, needs=["python"], packages=one.packages,
          extended=True, turn=True)(lambda run, platform=one: linux(run, platform))


@suite("musl", "C tests on Linux with musl, built by zig", budget=600, needs=["python"],
       packages=(*RUST_PACKAGES, "musl"), extended=True, turn=True)
def musl(run):
    if cross.lacks(run, (*RUST_PACKAGES, "musl")):
        return
    environment.add(run, TESTS / "platforms" / "requirements.txt")
    run.env = {**cross.rust(), "RUSTFLAGS": "-Ctarget-feature=-crt-static -Clink-self-contained=no",
               "MIDISOCK_ZIG": str(environment.PYTHON)}
    # To link C++, zig builds its own libc++ first, which takes minutes.
    into = build(run, "musl", TESTS / "platforms" / "musl-zig.cmake", "-DMIDISOCK_BUILD_CXX_TESTS=OFF")
    run_programs(run, into)
    cross.record(run)


# Each system that the sources name, with what clang calls it.
LAYOUTS = (
    "x86_64-linux-gnu", "i686-linux-gnu", "aarch64-linux-gnu", "arm-linux-gnueabihf", "riscv64-linux-gnu",
    "x86_64-w64-mingw32", "i686-w64-mingw32", "x86_64-pc-windows-msvc", "aarch64-pc-windows-msvc",
    "arm64-apple-macosx11.0.0", "x86_64-apple-macosx11.0.0", "arm64-apple-ios14.0",
    "aarch64-linux-android", "armv7a-linux-androideabi",
)


@suite("layout", "no public struct has padding on any system", budget=60, packages=["clang"], extended=True)
def layout(run):
    if not run.needs("clang", "clang", package="clang"):
        return
    source = fresh(cross.folder("layout")) / "layout.c"
    command = ["clang", "-std=c99", "-ffreestanding", "-fsyntax-only", "-Wpadded", "-Werror", "-I", ROOT / "include"]
    structs = re.findall(r"^} (midisock_\w+);", HEADER.read_text(), re.MULTILINE)
    run.check("structs", len(structs) >= 6, f"the header has only {structs}")
    # Only of a struct whose size is asked for the compiler tells.
    sizes = [f"int size_of_{name}[sizeof({name})];\n" for name in structs]
    source.write_text("#include <midisock/midisock.h>\n" + "".join(sizes))
    for target in LAYOUTS:
        run.case(target, [*command, f"--target={target}", source])
    # The check itself finds a hole.
    source.write_text("struct hole { char before; int after; };\nint a_hole[sizeof(struct hole)];\n")
    run.must_fail([*command, "--target=arm-linux-gnueabihf", source])
    run.ok("a hole is found")
