"""Programs that get midisock by find_package, add_subdirectory and FetchContent, and by pkg-config."""

import re
from pathlib import Path

from harness import OUT, ROOT, TESTS, Failed, expect, fresh, tail
from library import BUILD, LIB, PREFIX, SHARED_CARGO, generator, release

CONSUMER = TESTS / "cmake" / "consumer"


def run(harness):
    gcc = ["-DCMAKE_C_COMPILER=gcc", "-DCMAKE_CXX_COMPILER=g++"]
    clang = ["-DCMAKE_C_COMPILER=clang", "-DCMAKE_CXX_COMPILER=clang++"]
    package = ["-DHOW=package", f"-DCMAKE_PREFIX_PATH={PREFIX}"]
    in_tree = [f"-DMIDISOCK_SOURCE={ROOT}", SHARED_CARGO]
    ninja = generator(harness)

    harness.case("installed files", installed_files)
    harness.case("a build with nothing to do does nothing", nothing_to_do, harness)
    harness.case("find_package, moved prefix, gcc, Ninja, static by default", consume, harness, "package", ninja,
                 [*package, *gcc], default="static")
    if harness.needs("clang", "clang", "clang++", package="clang"):
        harness.case("find_package, moved prefix, clang, make, BUILD_SHARED_LIBS", consume, harness, "package-clang",
                     "Unix Makefiles", [*package, *clang, "-DBUILD_SHARED_LIBS=ON", "-DCMAKE_BUILD_TYPE=Release",
                      "-DCMAKE_MAP_IMPORTED_CONFIG_RELEASE=Debug"],
                     default="shared")
    harness.case("find_package says what is not there", package_refuses, harness)
    harness.case("find_package with one of the two libraries", one_library, harness)
    harness.case("find_package, C++ only", cxx_only, harness, "cxx-only", package[1:])
    harness.case("pkg-config, shared and static", pkg_config, harness)
    harness.case("nothing is built or installed unasked", unasked, harness, in_tree)
    harness.case("installed with a parent that asks for it", asked, harness, in_tree)
    harness.case("added twice, found after that; a build type, a map of configurations and unity builds of the parent's",
                 added_twice, harness, ninja)
    harness.case("JACK that is asked for and is not there", no_jack, harness)
    harness.case("FetchContent, make, BUILD_SHARED_LIBS", consume, harness, "fetch", "Unix Makefiles",
                 ["-DHOW=fetch", "-DCMAKE_BUILD_TYPE=Release", "-DBUILD_SHARED_LIBS=ON", *in_tree], default="shared")
    if harness.needs("Ninja Multi-Config", "ninja", package="ninja-build"):
        harness.case("add_subdirectory, Ninja Multi-Config, Release and Debug", multi_config, harness, in_tree)
    if harness.everything:
        harness.case("add_subdirectory, every standard, both libraries, RelWithDebInfo", consume, harness,
                     "subdirectory", ninja, ["-DHOW=subdirectory", "-DCMAKE_BUILD_TYPE=RelWithDebInfo", *in_tree,
                                             "-DEVERYTHING=ON"], default="static")
        if harness.needs("cross-compiling", "clang", package="clang"):
            harness.case("FetchContent of an archive, vendored crates, no network, cross-compiled", vendored, harness)
        harness.case("the oldest CMake", oldest_cmake, harness, package)
        harness.case("presets", presets, harness)


def configure(harness, name, generator_name, options):
    build = fresh(OUT / "consumers" / name)
    harness.run("cmake", "-S", CONSUMER, "-B", build, "-G", generator_name, "-Wno-dev", *options)
    return build


def consume(harness, name, generator_name, options, default, environment=()):
    """Configures, builds, runs all exchanges, and looks at what was linked."""
    build = configure(harness, name, generator_name, options)
    harness.run(*environment, "cmake", "--build", build, "--parallel", "2")
    exchanges(harness, build)
    linked(harness, build, build, default)


def exchanges(harness, build, *options):
    output = harness.run("ctest", "--test-dir", build, "--output-on-failure", "-j", "4", *options)
    count = re.search(r"100% tests passed(?:, 0 tests failed)? out of (\d+)", output)
    expect(count and int(count[1]) >= 17, f"too few exchanges:\n{tail(output)}")


def needed(harness, program):
    return harness.run("readelf", "-dW", program)


def linked(harness, build, binaries, default):
    expect("libmidisock.so.0" in needed(harness, binaries / "c99-shared"), "c99-shared is not linked to the SONAME")
    expect("libmidisock" not in needed(harness, binaries / "c99-static"), "c99-static needs a libmidisock")
    is_shared = "libmidisock.so.0" in needed(harness, binaries / "default")
    expect(is_shared == (default == "shared"), f"midisock::midisock is not the {default} one")
    plugin_hides(harness, next(binaries.glob("libplugin-static.*")))


def plugin_hides(harness, plugin):
    """What a plugin with the static library shows, and that it stays mapped."""
    exported = harness.run("nm", "-D", "--defined-only", plugin)
    expect(" plugin_" in exported, f"the plugin exports nothing:\n{exported}")
    others = [line for line in exported.splitlines() if not re.search(r" (plugin_\w+|_init|_fini)$", line)]
    expect(not others, "a plugin with the static library exports what is not its own:\n" + tail("\n".join(others)))
    expect("NODELETE" in needed(harness, plugin), "a plugin with the static library can be unmapped")


def installed_files():
    wanted = ["bin/midisock-echo", "bin/midisock-monitor", "bin/midisock-send", "include/midisock/midisock.h",
              "include/midisock/midisock.hpp", "include/midisock/juce.hpp", "include/midisock_juce/midisock_juce.h",
              "lib/libmidisock.a", "lib/libmidisock.so", "lib/libmidisock.so.0",
              "lib/cmake/midisock/midisock-config.cmake", "lib/cmake/midisock/midisock-config-version.cmake",
              "lib/pkgconfig/midisock.pc", "share/licenses/midisock/LICENSE-MIT",
              "share/licenses/midisock/LICENSE-APACHE", "share/licenses/libmidisock0/LICENSE-MIT", "share/doc/midisock/CHANGELOG.md"]
    if Path("/usr/include/jack/midiport.h").exists():
        wanted.append("bin/midisock-jack")
    missing = [name for name in wanted if not (PREFIX / name).exists()]
    expect(not missing, f"not installed: {missing}")
    link, soname = LIB / "libmidisock.so", LIB / "libmidisock.so.0"
    expect(link.is_symlink() and link.readlink().name == "libmidisock.so.0", "libmidisock.so is not a link to .so.0")
    expect(soname.is_symlink() and re.fullmatch(r"libmidisock\.so\.0\.\d+\.\d+", soname.readlink().name),
           "libmidisock.so.0 is not a link to .so.0.x.y")
    for file in PREFIX.rglob("*"):
        if file.suffix in (".cmake", ".pc") and str(OUT) in file.read_text():
            raise Failed(f"{file.name} names the place where it was built or installed")


def nothing_to_do(harness):
    before = (BUILD / "midisock-send").stat().st_mtime_ns
    harness.run("cmake", "--build", BUILD)
    expect((BUILD / "midisock-send").stat().st_mtime_ns == before, "a program was linked again")


def package_refuses(harness):
    for request, says in (("9.0", "version"), ("0.0.1", "version"), ("0.1 COMPONENTS nonsense", "nonsense")):
        folder = fresh(OUT / "consumers" / "refused")
        (folder / "CMakeLists.txt").write_text(
            "cmake_minimum_required(VERSION 3.22)\nproject(x C)\n"
            f"find_package(midisock {request} CONFIG REQUIRED)\n")
        output = harness.run("cmake", "-S", folder, "-B", folder / "build", f"-DCMAKE_PREFIX_PATH={PREFIX}", ok=False)
        expect(says in output, f"find_package(midisock {request}) says:\n{tail(output)}")


def one_library(harness):
    """A distribution may ship the development files without one of the libraries."""
    import shutil
    prefix = fresh(OUT / "consumers" / "one")
    for gone, chosen in (("libmidisock.a", "shared"), ("libmidisock.so*", "static")):
        shutil.rmtree(prefix)
        shutil.copytree(PREFIX, prefix, symlinks=True)
        for file in (prefix / "lib").glob(gone):
            file.unlink()
        other = "static" if chosen == "shared" else "shared"
        (prefix / "CMakeLists.txt").write_text(
            "cmake_minimum_required(VERSION 3.22)\nproject(x C)\nset(BUILD_SHARED_LIBS "
            f"{'OFF' if chosen == 'shared' else 'ON'})\nfind_package(midisock CONFIG REQUIRED)\n"
            "get_target_property(libraries midisock::midisock INTERFACE_LINK_LIBRARIES)\n"
            f"if(NOT libraries STREQUAL midisock::{chosen} OR TARGET midisock::{other})\n"
            "  message(FATAL_ERROR \"${libraries}\")\nendif()\n"
            f"find_package(midisock CONFIG COMPONENTS {other})\nif(midisock_FOUND)\n"
            "  message(FATAL_ERROR \"found what is not there\")\nendif()\n")
        harness.run("cmake", "-S", prefix, "-B", prefix / "build", f"-DCMAKE_PREFIX_PATH={prefix}")


def cxx_only(harness, name, options):
    folder = fresh(OUT / "consumers" / name)
    (folder / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.22)\nproject(x CXX)\nset(CMAKE_CXX_STANDARD 17)\n"
        f"find_package(midisock CONFIG REQUIRED)\nadd_executable(x \"{CONSUMER}/exchange.cpp\")\n"
        "target_link_libraries(x midisock::static)\n")
    harness.run("cmake", "-S", folder, "-B", folder / "build", *options)
    harness.run("cmake", "--build", folder / "build")
    harness.run(folder / "build" / "x", timeout=60)


def pkg_config(harness):
    if not harness.has("pkg-config"):
        raise Failed("apt-get install pkg-config")
    import shlex
    import shutil
    out = fresh(OUT / "consumers" / "pkg-config")
    environment = {"PKG_CONFIG_PATH": str(LIB / "pkgconfig")}
    query = lambda *what: shlex.split(harness.run("pkg-config", *what, "midisock", env=environment))
    version = query("--modversion")[0]
    expect((LIB / f"libmidisock.so.{version}").exists(), f"the .pc file has version {version}")
    strict = ["gcc", "-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", CONSUMER / "exchange.c"]
    harness.run(*strict, *query("--cflags"), "-o", out / "shared", *query("--libs"), f"-Wl,-rpath,{LIB}")
    expect("libmidisock.so.0" in needed(harness, out / "shared"), "not linked to the shared library")
    harness.run(out / "shared", timeout=60)

    # Beside a shared library -lmidisock takes that: for the static one there is a folder of its own.
    shutil.copytree(PREFIX, out / "prefix", symlinks=True)
    for file in (out / "prefix" / "lib").glob("libmidisock.so*"):
        file.unlink()
    environment = {"PKG_CONFIG_PATH": str(out / "prefix" / "lib" / "pkgconfig")}
    static = query("--static", "--libs")
    harness.run(*strict, *query("--cflags"), "-o", out / "static", *static)
    expect("libmidisock" not in needed(harness, out / "static"), "the program needs a libmidisock")
    harness.run("gcc", "-shared", "-fPIC", "-fvisibility=hidden", *query("--cflags"), TESTS / "unload" / "plugin.c",
                "-o", out / "plugin.so", *static)
    plugin_hides(harness, out / "plugin.so")
    harness.run(out / "static", timeout=60)
    harness.run(PREFIX / "bin" / "midisock-send", "--help")  # finds its library from where it is


def unasked(harness, in_tree):
    cargo = OUT / "consumers" / "never built"
    build = configure(harness, "unasked", generator(harness),
                      ["-DHOW=subdirectory", *in_tree, f"-DMIDISOCK_CARGO_TARGET_DIR={cargo}"])
    harness.run("cmake", "--build", build, "--target", "independent")
    expect(not cargo.exists(), "midisock was built for a program that does not use it")
    folder = fresh(OUT / "consumers" / "unasked-install")
    harness.run("cmake", "--install", build, "--prefix", folder)
    files = sorted(str(f.relative_to(folder)) for f in folder.rglob("*") if not f.is_dir())
    expect(files == ["bin/independent"], f"installed: {files}")
    targets = harness.run("cmake", "--build", build, "--target", "help")
    for program in ("midisock-monitor", "midisock-simple-server", "midisock-test"):
        expect(program not in targets, f"a parent project gets the target {program}")


def asked(harness, in_tree):
    """A parent project that wants midisock installed with itself, in the layout of its choice."""
    build = configure(harness, "asked", generator(harness),
                      ["-DHOW=subdirectory", "-DCMAKE_BUILD_TYPE=Release", *in_tree, "-DMIDISOCK_INSTALL=ON",
                       "-DMIDISOCK_BUILD_TOOLS=ON", "-DCMAKE_INSTALL_LIBDIR=lib/some-machine"])
    harness.run("cmake", "--build", build, "--parallel", "2")
    folder = fresh(OUT / "consumers" / "asked-install")
    harness.run("cmake", "--install", build, "--prefix", folder, "--strip")
    harness.run(folder / "bin" / "midisock-echo", "--help")
    library = folder / "lib" / "some-machine" / "libmidisock.so"
    expect(".debug_line" not in harness.run("readelf", "-SW", library), "it was not stripped")
    cxx_only(harness, "asked-consumer", [f"-Dmidisock_DIR={library.parent}/cmake/midisock"])
    environment = {"PKG_CONFIG_PATH": str(library.parent / "pkgconfig")}
    said = harness.run("pkg-config", "--variable=libdir", "midisock", env=environment).strip().replace("\\ ", " ")
    expect((folder / "lib").resolve() in Path(said).resolve().parents, f"the .pc file says {said}")


ADDED_TWICE = """cmake_minimum_required(VERSION 3.22)
project(x C)
set(CMAKE_MAP_IMPORTED_CONFIG_DEBUG Release)
set(CMAKE_UNITY_BUILD ON)
add_subdirectory("{root}" one)
add_subdirectory("{root}" two)
{late}
if(NOT CMAKE_VERSION VERSION_LESS 3.24)
  find_package(midisock 0.1 REQUIRED COMPONENTS static)
  find_package(midisock 9.0 QUIET)
  if(midisock_FOUND)
    message(FATAL_ERROR "found as 9.0")
  endif()
endif()
if(NOT midisock_JUCE_MODULE STREQUAL "{root}/include/midisock_juce")
  message(FATAL_ERROR "midisock_JUCE_MODULE is ${{midisock_JUCE_MODULE}}")
endif()
add_executable(x "{consumer}/exchange.c")
target_link_libraries(x midisock::static)
"""


def added_twice(harness, ninja):
    # The parent's build type, set after midisock was added, for itself or for all.
    for late in ("set(CMAKE_BUILD_TYPE Debug)", "set(CMAKE_BUILD_TYPE Debug CACHE STRING \"\" FORCE)"):
        folder = fresh(OUT / "consumers" / "added-twice")
        (folder / "CMakeLists.txt").write_text(ADDED_TWICE.format(root=ROOT, consumer=CONSUMER, late=late))
        harness.run("cmake", "-S", folder, "-B", folder / "build", "-G", ninja, SHARED_CARGO, "-DMIDISOCK_INSTALL=ON",
                    "-DMIDISOCK_BUILD_TOOLS=ON", "-DMIDISOCK_WERROR=ON")
        harness.run("cmake", "--build", folder / "build", "--parallel", "2")
        harness.run(folder / "build" / "x", timeout=60)


def no_jack(harness):
    build = fresh(OUT / "consumers" / "no-jack")
    for asked, configures in (("AUTO", True), ("ON", False)):
        output = harness.run("cmake", "-S", ROOT, "-B", build, SHARED_CARGO, "-DMIDISOCK_JACK_LIBRARY=",
                             f"-DMIDISOCK_BUILD_JACK={asked}", ok=configures)
        expect("no JACK" in output, f"MIDISOCK_BUILD_JACK={asked} says:\n{tail(output)}")


def multi_config(harness, in_tree):
    build = configure(harness, "multi", "Ninja Multi-Config", ["-DHOW=subdirectory", *in_tree])
    for configuration in ("Release", "Debug"):
        harness.run("cmake", "--build", build, "--config", configuration, "--parallel", "2")
        exchanges(harness, build, "-C", configuration)
        linked(harness, build, build / configuration, "static")
    sizes = [(build / "midisock" / "lib" / c / "libmidisock.a").stat().st_size for c in ("Release", "Debug")]
    expect(sizes[0] != sizes[1], "Release and Debug have the same library")


TOOLCHAIN = """
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR {machine})
set(CMAKE_C_COMPILER "{compiler}")
set(CMAKE_CXX_COMPILER clang++)
set(CMAKE_C_COMPILER_TARGET {triple})
set(CMAKE_CXX_COMPILER_TARGET {triple})
"""


def toolchain(harness, folder):
    """For this machine, as if it were another: a compiler that notes how it is called, so that one sees what cargo links
    with, and that is told what to compile for."""
    import platform
    compiler, log = folder / "cross-clang", folder / "calls.log"
    compiler.write_text(f'#!/bin/sh\necho "$@" >>"{log}"\nexec clang "$@"\n')
    compiler.chmod(0o755)
    file = folder / "toolchain.cmake"
    file.write_text(TOOLCHAIN.format(machine=platform.machine(), compiler=compiler, triple=clang_triple(harness)))
    return file, log


def clang_triple(harness):
    return harness.run("clang", "-print-target-triple").strip()


def vendored(harness):
    out = fresh(OUT / "consumers" / "vendored")
    vendor = out / "crates"
    harness.run("cargo", "vendor", "--locked", "--quiet", "--manifest-path", ROOT / "Cargo.toml", vendor, cwd=out)
    archive = release(out / "midisock.tar.gz")
    file, calls = toolchain(harness, out)
    options = ["-DHOW=fetch", f"-DMIDISOCK_URL={archive}", f"-DMIDISOCK_VENDOR_DIR={vendor}",
               "-DCMAKE_BUILD_TYPE=Release", f"-DMIDISOCK_CARGO_TARGET={host(harness)}",
               f"-DCMAKE_TOOLCHAIN_FILE={file}"]
    # In a network namespace of its own, and with nothing that cargo may have kept.
    no_network = ["unshare", "-Urn"] if harness.has("unshare") else []
    import os
    home = fresh(out / "cargo-home")
    os.environ["CARGO_HOME"], before = str(home), os.environ.get("CARGO_HOME")
    try:
        # Flags for Rust in the environment, which take the place of those in cargo configurations.
        consume(harness, "vendored-build", generator(harness), options, "static",
                [*no_network, "env", "RUSTFLAGS=-Cdebuginfo=0"])
    finally:
        if before is None:
            del os.environ["CARGO_HOME"]
        else:
            os.environ["CARGO_HOME"] = before
    built = OUT / "consumers" / "vendored-build" / "_deps" / "midisock-build" / "cargo" / host(harness) / "release"
    expect((built / "libmidisock.so").exists(), f"nothing was built for the explicit target in {built}")
    linked_by = [line for line in calls.read_text().splitlines() if "-soname,libmidisock.so" in line]
    expect(linked_by and all(f"--target={clang_triple(harness)}" in line for line in linked_by),
           f"cargo did not link with the cross compiler, or not for its target: {linked_by}")


def host(harness):
    return re.search(r"^host: (\S+)$", harness.run("rustc", "-vV"), re.MULTILINE)[1]


def oldest_cmake(harness, package):
    """CMake 3.22, which CMakeLists.txt says is enough, from PyPI."""
    import os
    import sys
    venv = fresh(OUT / "cmake-3.22")
    harness.run(sys.executable, "-m", "venv", venv)
    harness.run(venv / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", "cmake==3.22.*")
    before = os.environ["PATH"]
    os.environ["PATH"] = f"{venv / 'bin'}{os.pathsep}{before}"
    try:
        expect("version 3.22." in harness.run("cmake", "--version"), "not that version")
        # A program for CMake 3.1, where if() has no IN_LIST; later CMakes do not know such programs any more.
        folder = fresh(OUT / "consumers" / "oldest-policies")
        (folder / "CMakeLists.txt").write_text(
            "cmake_minimum_required(VERSION 3.1)\nproject(x C)\nfind_package(midisock CONFIG REQUIRED COMPONENTS shared static)\n"
            "cmake_policy(GET CMP0057 in_list)\nif(in_list STREQUAL NEW)\n  message(FATAL_ERROR \"policies changed\")\nendif()\n")
        harness.run("cmake", "-S", folder, "-B", folder / "build", *package)
        consume(harness, "oldest-package", generator(harness), package, "static")
        consume(harness, "oldest-subdirectory", generator(harness),
                ["-DHOW=subdirectory", f"-DMIDISOCK_SOURCE={ROOT}", SHARED_CARGO], "static")
    finally:
        os.environ["PATH"] = before


def presets(harness):
    """Every preset configures; two are built, and what they build for ctest runs."""
    listed = re.findall(r'^  "([\w-]+)"', harness.run("cmake", "--list-presets", cwd=ROOT), re.MULTILINE)
    expect(set(listed) == {"release", "debug", "test", "makefiles", "multi"}, f"presets: {listed}")
    for name in listed:
        build = fresh(OUT / "presets" / name)
        harness.run("cmake", "--preset", name, "-B", build, SHARED_CARGO, cwd=ROOT)
        if name in ("test", "makefiles"):
            harness.run("cmake", "--build", build, "--parallel", "2")
            output = harness.run("ctest", "--test-dir", build, "--output-on-failure", "-j", "4", "-R",
                                 "^test_(pair|version_errors|ports|messages)", timeout=300)
            expect(re.search(r"100% tests passed.* out of 6$", output, re.MULTILINE), tail(output))
