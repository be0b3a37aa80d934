"""macOS, built here: both libraries linked, their names, exports and imports checked, the programs compiled. And the systems
that are only compiled: iOS, Android, FreeBSD."""

import re
import shutil
from pathlib import Path

import cross
import environment
from cross import RUST_PACKAGES
from project import ROOT, TESTS, declared_functions, fresh
from runner import expect, suite

PLATFORMS = TESTS / "platforms"
PACKAGES = (*RUST_PACKAGES, "clang-22", "lld-22", "llvm-22")
ARCHITECTURES = ("arm64", "x86_64")
# The least macOS. rustc's own is lower for x86_64.
LEAST = "11.0"
# What the library may take from the system: each is in macOS 11. Apple's headers name the version of each function, and the
# suite asks them.
IMPORTS = PLATFORMS / "macos-imports.txt"
# Of the linker, the compiler and the unwinder, and one of macOS 10.10 in CommonCrypto, whose headers zig does not have.
UNDECLARED = re.compile(r"_Unwind_\w+|__bzero|dyld_stub_binder|CCRandomGenerateBytes")


def make_sdk(run):
    """A folder like Apple's SDK, of the headers and the libSystem.tbd that zig has."""
    environment.add(run, PLATFORMS / "requirements.txt")
    zig = run.must([environment.PYTHON, "-c", "import ziglang; print(ziglang.__path__[0])"]).strip()
    libc = Path(zig) / "lib" / "libc"
    sdk = fresh(cross.folder("macos-sdk"))
    libraries = sdk / "usr" / "lib"
    libraries.mkdir(parents=True)
    shutil.copytree(next(libc.glob("include/any-macos-any")), sdk / "usr" / "include")
    for name in ("System", "c", "m", "iconv", "pthread"):
        shutil.copy(libc / "darwin" / "libSystem.tbd", libraries / f"lib{name}.tbd")
    return sdk


@suite("macos", "macOS: both libraries linked and checked, tools and tests compiled", budget=600, needs=["python"],
       packages=PACKAGES, extended=True, turn=True)
def macos(run):
    if cross.lacks(run, PACKAGES, "clang-22", "ld64.lld-22", "llvm-nm-22"):
        return
    sdk = make_sdk(run)
    run.step(f"Apple's headers have each imported function in macOS {LEAST}", versions, run, sdk)
    libraries = []
    for architecture in ARCHITECTURES:
        run.env = {**cross.rust(), "MIDISOCK_MACOS_SDK": str(sdk), "SDKROOT": str(sdk), "MACOSX_DEPLOYMENT_TARGET": LEAST,
                   "MIDISOCK_MACOS_ARCH": architecture, "RUSTFLAGS": "-Clink-arg=-fuse-ld=lld"}
        into = fresh(cross.folder(f"macos-{architecture}"))
        run.must(cross.configure(into, PLATFORMS / "macos.cmake", "-DMIDISOCK_BUILD_TESTS=ON",
                                 "-DMIDISOCK_BUILD_CXX_TESTS=OFF"))
        run.must(["cmake", "--build", into])
        run.ok(f"{architecture}: the library, the tools and the tests are built")
        library = next((into / "lib").glob("libmidisock.1.*.dylib"))
        libraries.append(library)
        run.step(f"{architecture}: name and least version", name_and_version, run, library)
        run.step(f"{architecture}: exports", exports, run, library)
        run.step(f"{architecture}: imports", imports, run, library)
        run.step(f"{architecture}: the C++ tests compile", compile_cxx, run, architecture)
    universal = cross.folder("macos-arm64") / "libmidisock.1.dylib"
    run.must(["llvm-lipo-22", "-create", *libraries, "-output", universal])
    found = run.must(["llvm-lipo-22", "-archs", universal]).split()
    run.check("one universal library", sorted(found) == sorted(ARCHITECTURES), f"it has {found}")
    cross.record(run)


def compile_cxx(run, architecture):
    """By zig, which has the headers of libc++."""
    target = {"arm64": "aarch64"}.get(architecture, architecture)
    sources = sorted((TESTS / "cpp").glob("test_*.cpp"))
    expect(sources, "there are none")
    into = fresh(cross.folder(f"macos-{architecture}-cxx"))
    for source in sources:
        run.must([environment.PYTHON, "-m", "ziglang", "c++", "-target", f"{target}-macos.{LEAST}", "-std=c++17", "-Wall",
                  "-Wextra", "-Wpedantic", "-Werror", "-I", ROOT / "include", "-c", source, "-o", into / f"{source.stem}.o"])


def name_and_version(run, library):
    text = run.must(["llvm-otool-22", "-l", library])
    name = re.search(r"cmd LC_ID_DYLIB\s+cmdsize \d+\s+name (\S+)", text)
    expect(name and name[1] == "@rpath/libmidisock.1.dylib", f"the install name is {name and name[1]}")
    least = re.search(r"cmd LC_BUILD_VERSION\s+cmdsize \d+\s+platform \S+\s+(?:sdk \S+\s+)?minos (\S+)", text)
    expect(least and least[1] == LEAST, f"it asks for macOS {least and least[1]}")


def names(run, library, which):
    text = run.must(["llvm-nm-22", "--extern-only", which, "--just-symbol-name", library])
    return {line.strip().removeprefix("_") for line in text.splitlines() if line.strip()}


def exports(run, library):
    found, declared = names(run, library, "--defined-only"), declared_functions()
    expect(found == declared, f"more than the header: {sorted(found - declared)}; less: {sorted(declared - found)}")


def known_imports():
    return {line for line in IMPORTS.read_text().splitlines() if line and not line.startswith("#")}


USE = """#include "{headers}"
void *use_{name}(void);
void *use_{name}(void) {{ return (void *)&{name}; }}
"""


def versions(run, sdk):
    """By clang, which knows from the headers in which version of macOS each function came."""
    into = fresh(cross.folder("macos-versions"))
    command = ["clang-22", f"--target=arm64-apple-macosx{LEAST}", "-isysroot", sdk, "-fsyntax-only", "-Wno-deprecated-declarations",
               "-Werror=unguarded-availability", "-Werror=unguarded-availability-new"]

    def use(name):
        source = into / f"{name}.c"
        source.write_text(USE.format(headers=PLATFORMS / "macos-headers.h", name=name))
        return [*command, source]

    names = sorted({name.split("$")[0] for name in known_imports()})
    declared = [name for name in names if not UNDECLARED.fullmatch(name)]
    for name in declared:
        run.must(use(name))
    said = run.must_fail(use("freadlink"))
    expect("macOS 13.0" in said, f"a function of macOS 13 is not found:\n{said}")


def imports(run, library):
    found = names(run, library, "--undefined-only")
    expect(found, "it imports nothing")
    expect(found <= known_imports(), f"is it in macOS {LEAST}? {sorted(found - known_imports())}")


# Systems that nothing here can link or run.
CHECKED = ("aarch64-linux-android", "armv7-linux-androideabi", "aarch64-apple-ios", "x86_64-unknown-freebsd")


@suite("compiles", "the library compiles for systems that nothing here can link: Android, iOS, FreeBSD",
       budget=600, packages=RUST_PACKAGES, extended=True, turn=True)
def compiles(run):
    if cross.lacks(run, RUST_PACKAGES):
        return
    run.env = cross.rust()
    for target in CHECKED:
        run.case(target, [cross.CARGO, "check", "--lib", "--locked", "--target", target, "--target-dir", cross.CARGO_TARGET,
                          "--manifest-path", ROOT / "Cargo.toml"])
    cross.record(run)
