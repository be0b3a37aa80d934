"""Windows by the MSVC ABI, without Microsoft's SDK: both libraries linked and checked, C programs for it run under wine."""

import re
import shutil
from pathlib import Path

import cross
from cross import RUST_PACKAGES, WINE
from project import OUT, TESTS, declared_functions, fresh
from runner import expect, suite, tail
from suites_windows import PROGRAMS, TESTS as PROJECT, ready, run_wine_programs, wine, wine_environment

PLATFORM = TESTS / "platforms" / "msvc"
PACKAGES = (*RUST_PACKAGES, "clang-22", "lld-22", "llvm-22", "mingw-w64-x86-64-dev", "wine64")
TARGET = "x86_64-pc-windows-msvc"
# MinGW's stand in for Microsoft's.
HEADERS = "/usr/share/mingw-w64/include"
# The C tests use POSIX threads, which Microsoft does not have.
THREADS = Path("/usr/x86_64-w64-mingw32/lib/libwinpthread-1.dll")

# What may be imported, by DLL: each function is in Windows 10. The import libraries are made of both lists.
IMPORTS = PLATFORM / "imports.txt"
TEST_IMPORTS = PLATFORM / "test-imports.txt"
# The parts of msvcrt.lib, which stands for three libraries of Microsoft's: the C runtime is in several DLLs.
RUNTIME_DLL = re.compile(r"vcruntime140\.dll|api-ms-win-crt-.*\.dll")


def functions(path):
    """The functions of each DLL that a list has."""
    found, dll = {}, None
    for line in path.read_text().splitlines():
        if line.startswith("["):
            dll = line.strip("[]")
            found[dll] = set()
        elif line and not line.startswith("#"):
            found[dll].add(line)
    return found


def make_libraries(run):
    """The import libraries and msvcrt.lib, in place of those of Microsoft's SDK; their folder."""
    into = fresh(cross.folder("msvc-sdk"))
    known = functions(IMPORTS)
    for dll, names in functions(TEST_IMPORTS).items():
        known.setdefault(dll, set()).update(names)
    runtime = []
    for dll, names in known.items():
        library = into / f"{dll.removesuffix('.dll')}.lib"
        exports = library.with_suffix(".def")
        exports.write_text(f"LIBRARY {dll}\nEXPORTS\n" + "".join(f"    {name}\n" for name in sorted(names)))
        run.must(["llvm-lib-22", "/machine:x64", f"/def:{exports}", f"/out:{library}"])
        if RUNTIME_DLL.fullmatch(dll):
            runtime.append(library)
    for source in sorted(PLATFORM.glob("*.c")):
        part = into / f"{source.stem}.obj"
        run.must(["clang-cl-22", f"--target={TARGET}", "/nologo", "/W4", "/WX", "/Zl", "/GS-", "/clang:-fno-builtin",
                  "/c", f"/Fo{part}", "--", source])
        runtime.append(part)
    run.must(["llvm-lib-22", f"/out:{into / 'msvcrt.lib'}", *runtime])
    # clang-cl names it for every program. inline.c has the one old name that the tests use.
    run.must(["llvm-lib-22", "/machine:x64", "/llvmlibempty", f"/out:{into / 'oldnames.lib'}"])
    return into


def begin(run):
    """Makes what stands in for the SDK and configures the project in tests/windows; where, or None without the programs."""
    if not ready(run, PACKAGES, "clang-cl-22", "lld-link-22", "llvm-lib-22", "llvm-rc-22", "llvm-mt-22", "llvm-nm-22",
                 "llvm-readobj-22"):
        return None
    run.env = wine_environment()
    # Compiler and linker read them there.
    run.env |= {"INCLUDE": HEADERS, "LIB": str(make_libraries(run))}
    into = fresh(OUT / run.outcome.suite.name)
    run.must(["cmake", "-S", PROJECT, "-B", into, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release",
              f"-DCMAKE_TOOLCHAIN_FILE={PLATFORM / 'toolchain.cmake'}", f"-DMIDISOCK_CARGO={cross.CARGO}",
              f"-DMIDISOCK_CARGO_TARGET_DIR={cross.CARGO_TARGET}"])
    return into


@suite("msvc", "the library for Windows by the MSVC ABI: linked, checked, run under wine", budget=600, needs=["python"],
       packages=PACKAGES, extended=True, turn=True)
def msvc(run):
    into = begin(run)
    if into is None:
        return
    run.must(["cmake", "--build", into])
    run.ok("both libraries and the programs are built")
    built = into / "midisock" / "lib"
    run.step("midisock.dll exports the header's functions", exports, run, built / "midisock.dll")
    run.step("midisock.dll.lib imports them from midisock.dll", import_library, run, built / "midisock.dll.lib")
    run.step("midisock.lib defines them", static_library, run, built / "midisock.lib")
    run.step("midisock.dll imports what Windows 10 has", imports, run, built / "midisock.dll")
    with wine(run):
        output = run.command(["ctest", "--test-dir", into, "--output-on-failure"])
    passed = set(re.findall(r"Test +#\d+: (\S+) .*Passed", output.output))
    for program in PROGRAMS:
        run.check(program, program in passed, tail(output.output))
    cross.record(run)


@suite("msvc-c", "the C tests for Windows by the MSVC ABI, under wine", budget=900, needs=["python"], packages=PACKAGES,
       extended=True, turn=True)
def msvc_c(run):
    programs = begin(run)
    if programs is None:
        return
    run.must(["cmake", "--build", programs, "--target", "bcryptprimitives"])
    into = fresh(cross.folder("msvc-c"))
    run.must(cross.configure(into, PLATFORM / "toolchain.cmake", "-DCMAKE_C_FLAGS_RELEASE=/Od", "-DMIDISOCK_BUILD_TESTS=ON",
                             "-DMIDISOCK_BUILD_CXX_TESTS=OFF", f"-DCMAKE_C_STANDARD_LIBRARIES=kernel32.lib {THREADS.stem}.lib"))
    run.must(["cmake", "--build", into])
    run.ok("the tools and the C tests are built")
    for library in (into / "lib" / "midisock.dll", programs / "bcryptprimitives.dll", THREADS):
        shutil.copy(library, into)
    cross.record(run, run_wine_programs(run, into))


def expect_header(found):
    declared = declared_functions()
    expect(found == declared, f"more than the header: {sorted(found - declared)}; less: {sorted(declared - found)}")


def exports(run, library):
    text = run.must(["llvm-readobj-22", "--coff-exports", library])
    expect_header(set(re.findall(r"^ +Name: (\S+)", text, re.MULTILINE)))


def import_library(run, library):
    text = run.must(["llvm-readobj-22", "--file-header", library])
    expect_header(set(re.findall(r"^Symbol: (?!__imp_)(midisock_\w+)", text, re.MULTILINE)))
    dlls = set(re.findall(r"^File: (\S+)\nFormat: COFF-import-file", text, re.MULTILINE))
    expect(dlls == {"midisock.dll"}, f"it names {sorted(dlls)}")


def static_library(run, library):
    text = run.must(["llvm-nm-22", "--extern-only", "--defined-only", "--just-symbol-name", library])
    expect_header({name for name in text.split() if name.startswith("midisock_")})


def imports(run, library):
    text = run.must(["llvm-readobj-22", "--coff-imports", library])
    found = {(dll.lower(), name) for dll, body in re.findall(r"^Import \{\n +Name: (\S+)\n(.*?)^\}", text, re.DOTALL | re.MULTILINE)
             for name in re.findall(r"^ +Symbol: (\S+)", body, re.MULTILINE)}
    known = {(dll.lower(), name) for dll, names in functions(IMPORTS).items() for name in names}
    run.figure(f"midisock.dll imports from {', '.join(sorted({dll for dll, _ in found}))}")
    expect(found, "it imports nothing")
    expect(found <= known, f"is it in Windows 10? {sorted(found - known)}")
