"""midisock built by CMake and installed, then moved: what the other suites link."""

import shutil
import tarfile

from harness import OUT, ROOT, TARGET, fresh

BUILD = OUT / "build"
# A name that a careless script would trip over.
PREFIX = OUT / "moved to here"
LIB = PREFIX / "lib"

# The cargo output is shared with a plain `cargo build`: nothing is compiled twice.
SHARED_CARGO = f"-DMIDISOCK_CARGO_TARGET_DIR={TARGET}"


def generator(harness):
    return "Ninja" if harness.has("ninja") else "Unix Makefiles"


def make(harness):
    fresh(BUILD)
    first = OUT / "first prefix"
    for prefix in (first, PREFIX):
        shutil.rmtree(prefix, ignore_errors=True)
    harness.run("cmake", "-S", ROOT, "-B", BUILD, "-G", generator(harness), "-DCMAKE_BUILD_TYPE=Release",
                SHARED_CARGO, "-DMIDISOCK_WERROR=ON", "-DMIDISOCK_BUILD_EXAMPLES=ON", "-DCMAKE_INSTALL_LIBDIR=lib",
                f"-DCMAKE_INSTALL_PREFIX={first}")
    harness.run("cmake", "--build", BUILD)
    harness.run("cmake", "--install", BUILD)
    first.rename(PREFIX)


# What a release of the sources consists of.
RELEASE = ("CMakeLists.txt", "Cargo.toml", "Cargo.lock", "build.rs", "cbindgen.toml", "cmake", "src", "include",
           "examples", "tools", "LICENSE-MIT", "LICENSE-APACHE", "CHANGELOG.md")


def release(archive):
    with tarfile.open(archive, "w:gz") as tar:
        for name in RELEASE:
            tar.add(ROOT / name, f"midisock/{name}")
    return archive
