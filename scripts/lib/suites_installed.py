"""midisock built by CMake, installed and then moved: the suites about C and C++ projects link that."""

import shutil
import tarfile

import compilers
import environment
from project import INCLUDE, ROOT, TARGET, fresh
from runner import suite

OUT = TARGET / "cmake-tests"
BUILD = OUT / "build"
# The space is on purpose.
PREFIX = OUT / "moved to here"
LIB = PREFIX / "lib"

# One cargo target folder for all, so that nothing is compiled twice.
SHARED_CARGO = f"-DMIDISOCK_CARGO_TARGET_DIR={TARGET}"


STRICT = [*compilers.STRICT, "-Wshadow", f"-I{INCLUDE}"]

# Variables that would change what CMake, a compiler or pkg-config does.
IGNORED = ("CMAKE_BUILD_TYPE", "CC", "CXX", "CFLAGS", "CXXFLAGS", "LD_LIBRARY_PATH", "PKG_CONFIG_PATH",
           "DESTDIR")


def set_environment(run):
    """The environment of every program of the run: the build tools in .venv come first, and nothing that is inherited
    changes a build. CMake uses Ninja unless a case asks for another generator."""
    run.env = {"PATH": environment.path_with_tools(), **{name: None for name in IGNORED}}
    run.env["CMAKE_GENERATOR"] = generator(run)
    # Nothing depends on how fast a Debug build is, and without optimization it is built sooner.
    run.env["CARGO_PROFILE_DEV_OPT_LEVEL"] = "0"


@suite("installed", "CMake configures, builds and installs midisock; the installed files are moved", budget=200,
       needs=["python", "library"])
def installed(run):
    set_environment(run)
    run.step("configure, build, install, move", make, run)


def generator(run):
    return "Ninja" if run.has("ninja") else "Unix Makefiles"


def make(run):
    fresh(BUILD)
    first = OUT / "first prefix"
    for prefix in (first, PREFIX):
        shutil.rmtree(prefix, ignore_errors=True)
    run.must(["cmake", "-S", ROOT, "-B", BUILD, "-G", generator(run), "-DCMAKE_BUILD_TYPE=Release",
              SHARED_CARGO, "-DMIDISOCK_WERROR=ON", "-DMIDISOCK_BUILD_EXAMPLES=ON", "-DCMAKE_INSTALL_LIBDIR=lib",
              f"-DCMAKE_INSTALL_PREFIX={first}"])
    run.must(["cmake", "--build", BUILD])
    run.must(["cmake", "--install", BUILD])
    first.rename(PREFIX)


# What a release of the sources consists of.
RELEASE = ("CMakeLists.txt", "Cargo.toml", "Cargo.lock", "build.rs", "cbindgen.toml", "cmake", "src", "include",
           "examples", "tools", "LICENSE-MIT", "LICENSE-APACHE", "CHANGELOG.md")


def release(archive):
    with tarfile.open(archive, "w:gz") as tar:
        for name in RELEASE:
            tar.add(ROOT / name, f"midisock/{name}")
    return archive
