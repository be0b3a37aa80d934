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
# What the library may take from the system: each is in macOS 11. A new one needs a look at Apple's header, which names the
# version of each function.
IMPORTS = PLATFORMS / "macos-imports.txt"


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
    libraries = []
    for architecture in ARCHITECTURES:
        run.env = {**cross.rust(), "MIDISOCK_MACOS_SDK": str(sdk), "SDKROOT": str(sdk), "MACOSX_DEPLOYMENT_TARGET": LEAST,
                   "MIDISOCK_MACOS_ARCH": architecture, "RUSTFLAGS": "-Clink-arg=-fuse-ld=lld"}
        into = fresh(cross.folder(f"macos-{architecture}"))
        run.must(cross.configure(into, PLATFORMS / "macos.cmake", "-DMIDISOCK_BUILD_TESTS=ON"))
        run.must(["cmake", "--build", into])
        run.ok(f"{architecture}: the library, the tools and the tests are built")
        library = next((into / "lib").glob("libmidisock.1.*.dylib"))
        libraries.append(library)
        run.step(f"{architecture}: name and least version", name_and_version, run, library)
        run.step(f"{architecture}: exports", exports, run, library)
        run.step(f"{architecture}: imports", imports, run, library)
    universal = cross.folder("macos-arm64") / "libmidisock.1.dylib"
    run.must(["llvm-lipo-22", "-create", *libraries, "-output", universal])
    found = run.must(["llvm-lipo-22", "-archs", universal]).split()
    run.check("one universal library", sorted(found) == sorted(ARCHITECTURES), f"it has {found}")
    cross.record(run)


def name_and_version(run, library):
    text = run.must(["llvm-otool-22", "-l", library])
    name = re.search(r"cmd LC_ID_DYLIB\s+cmdsize \d+\s+name (\S+)", text)
    expect(name and name[1] == "@rpath/libmidisock.1.dylib", f"the install name is {name and name[1]}")
    least = re.search(r"cmd LC_BUILD_VERSION\s+cmdsize \d+\s+platform \S+\s+minos (\S+)", text)
    expect(least and least[1] == LEAST, f"it asks for macOS {least and least[1]}")


def names(run, library, which):
    text = run.must(["llvm-nm-22", "--extern-only", which, "--just-symbol-name", library])
    return {line.strip().removeprefix("_") for line in text.splitlines() if line.strip()}


def exports(run, library):
    found, declared = names(run, library, "--defined-only"), declared_functions()
    expect(found == declared, f"more than the header: {sorted(found - declared)}; less: {sorted(declared - found)}")


def imports(run, library):
    found = names(run, library, "--undefined-only")
    known = {line for line in IMPORTS.read_text().splitlines() if line and not line.startswith("#")}
    expect(found, "it imports nothing")
    expect(found <= known, f"is it in macOS {LEAST}? {sorted(found - known)}")


# Systems that nothing here can link or run.
CHECKED = ("aarch64-linux-android", "armv7-linux-androideabi", "aarch64-apple-ios", "x86_64-unknown-freebsd",
           "x86_64-pc-windows-msvc")


@suite("compiles", "the library compiles for systems that nothing here can link: Android, iOS, FreeBSD, Windows by MSVC",
       budget=400, packages=RUST_PACKAGES, extended=True, turn=True)
def compiles(run):
    if cross.lacks(run, RUST_PACKAGES):
        return
    run.env = cross.rust()
    for target in CHECKED:
        run.case(target, [cross.CARGO, "check", "--lib", "--locked", "--target", target, "--target-dir", cross.CARGO_TARGET,
                          "--manifest-path", ROOT / "Cargo.toml"])
    cross.record(run)
