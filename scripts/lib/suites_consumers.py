"""Programs that get midisock by find_package, add_subdirectory, FetchContent and pkg-config."""

import os
import platform
import re
import shlex
import shutil
import sys
from pathlib import Path

from project import ROOT, TESTS, fresh, version
from runner import Failure, expect, suite, tail
from suites_installed import BUILD, LIB, OUT, PREFIX, SHARED_CARGO, generator, release, set_environment

CONSUMER = TESTS / "cmake" / "consumer"


@suite("consumers", "programs that use midisock by CMake and pkg-config", budget=900, needs=["installed"],
       packages=["clang", "ninja-build", "make", "pkg-config"])
def consumers(run):
    set_environment(run)
    gcc = ["-DCMAKE_C_COMPILER=gcc", "-DCMAKE_CXX_COMPILER=g++"]
    clang = ["-DCMAKE_C_COMPILER=clang", "-DCMAKE_CXX_COMPILER=clang++"]
    package = ["-DHOW=package", f"-DCMAKE_PREFIX_PATH={PREFIX}"]
    in_tree = [f"-DMIDISOCK_SOURCE={ROOT}", SHARED_CARGO]
    ninja = generator(run)

    run.step("installed files", installed_files)
    run.step("a build with nothing to do does nothing", nothing_to_do, run)
    run.step("find_package, moved prefix, gcc, Ninja, static by default", consume, run, "package", ninja,
             [*package, *gcc], default="static")
    if run.needs("clang", "clang", "clang++", package="clang"):
        run.step("find_package, moved prefix, clang, make, BUILD_SHARED_LIBS", consume, run, "package-clang",
                 "Unix Makefiles", [*package, *clang, "-DBUILD_SHARED_LIBS=ON", "-DCMAKE_BUILD_TYPE=Release",
                      "-DCMAKE_MAP_IMPORTED_CONFIG_RELEASE=Debug"],
                 default="shared")
    run.step("find_package says what is not there", package_refuses, run)
    run.step("find_package with one of the two libraries", one_library, run)
    run.step("find_package, C++ only", cxx_only, run, "cxx-only", package[1:])
    if run.needs("pkg-config", "pkg-config", package="pkg-config"):
        run.step("pkg-config, shared and static", pkg_config, run)
        run.step("installed with a parent that asks for it", asked, run, in_tree)
    run.step("nothing is built or installed unasked", unasked, run, in_tree)
    run.step("added twice, found after that; a build type, a map of configurations and unity builds of the parent's",
             added_twice, run, ninja)
    run.step("JACK that is asked for and is not there", no_jack, run)
    if run.needs("FetchContent, make", "make", package="make"):
        run.step("FetchContent, make, BUILD_SHARED_LIBS", consume, run, "fetch", "Unix Makefiles",
                 ["-DHOW=fetch", "-DCMAKE_BUILD_TYPE=Release", "-DBUILD_SHARED_LIBS=ON", *in_tree], default="shared")
    if run.needs("Ninja Multi-Config", "ninja", package="ninja-build"):
        run.step("add_subdirectory, Ninja Multi-Config, Release and Debug", multi_config, run, in_tree)
    if run.everything:
        run.step("add_subdirectory, every standard, both libraries, RelWithDebInfo", consume, run,
                 "subdirectory", ninja, ["-DHOW=subdirectory", "-DCMAKE_BUILD_TYPE=RelWithDebInfo", *in_tree,
                                         "-DEVERYTHING=ON"], default="static")
        if run.needs("cross-compiling", "clang", package="clang"):
            run.step("FetchContent of an archive, vendored crates, no network, cross-compiled", vendored, run)
        run.step("the oldest CMake", oldest_cmake, run, package)
        run.step("presets", presets, run)


def configure(run, name, generator_name, options):
    build = fresh(OUT / "consumers" / name)
    run.must(["cmake", "-S", CONSUMER, "-B", build, "-G", generator_name, "-Wno-dev", *options])
    return build


def consume(run, name, generator_name, options, default, environment=()):
    """Configures, builds, runs all exchanges and checks what was linked."""
    build = configure(run, name, generator_name, options)
    run.must([*environment, "cmake", "--build", build, "--parallel", "2"])
    exchanges(run, build)
    linked(run, build, build, default)


def exchanges(run, build, *options):
    output = run.must(["ctest", "--test-dir", build, "--output-on-failure", "-j", "4", *options])
    count = re.search(r"100% tests passed(?:, 0 tests failed)? out of (\d+)", output)
    expect(count and int(count[1]) >= 17, f"too few exchanges:\n{tail(output)}")


def needed(run, program):
    return run.must(["readelf", "-dW", program])


def linked(run, build, binaries, default):
    expect("libmidisock.so.1" in needed(run, binaries / "c99-shared"), "c99-shared is not linked to the SONAME")
    expect("libmidisock" not in needed(run, binaries / "c99-static"), "c99-static needs a libmidisock")
    is_shared = "libmidisock.so.1" in needed(run, binaries / "default")
    expect(is_shared == (default == "shared"), f"midisock::midisock is not the {default} one")
    plugin_hides(run, next(binaries.glob("libplugin-static.*")))


def plugin_hides(run, plugin):
    """A plugin with the static library exports only its own symbols and stays mapped."""
    exported = run.must(["nm", "-D", "--defined-only", plugin])
    expect(" plugin_" in exported, f"the plugin exports nothing:\n{exported}")
    others = [line for line in exported.splitlines() if not re.search(r" (plugin_\w+|_init|_fini)$", line)]
    expect(not others, "a plugin with the static library exports what is not its own:\n" + tail("\n".join(others)))
    expect("NODELETE" in needed(run, plugin), "a plugin with the static library can be unmapped")


def installed_files():
    wanted = ["bin/midisock-echo", "bin/midisock-monitor", "bin/midisock-send", "include/midisock/midisock.h",
              "include/midisock/midisock.hpp", "include/midisock/juce.hpp", "include/midisock_juce/midisock_juce.h",
              "lib/libmidisock.a", "lib/libmidisock.so", "lib/libmidisock.so.1",
              "lib/cmake/midisock/midisock-config.cmake", "lib/cmake/midisock/midisock-config-version.cmake",
              "lib/pkgconfig/midisock.pc", "share/licenses/midisock/LICENSE-MIT",
              "share/licenses/midisock/LICENSE-APACHE", "share/licenses/libmidisock1/LICENSE-MIT", "share/doc/midisock/CHANGELOG.md"]
    if Path("/usr/include/jack/midiport.h").exists():
        wanted.append("bin/midisock-jack")
    missing = [name for name in wanted if not (PREFIX / name).exists()]
    expect(not missing, f"not installed: {missing}")
    link, soname = LIB / "libmidisock.so", LIB / "libmidisock.so.1"
    expect(link.is_symlink() and link.readlink().name == "libmidisock.so.1", "libmidisock.so is not a link to .so.1")
    expect(soname.is_symlink() and re.fullmatch(r"libmidisock\.so\.1\.\d+\.\d+", soname.readlink().name),
           "libmidisock.so.1 is not a link to .so.1.x.y")
    for file in PREFIX.rglob("*"):
        if file.suffix in (".cmake", ".pc") and str(OUT) in file.read_text():
            raise Failure(f"{file.name} names the place where it was built or installed")


def nothing_to_do(run):
    before = (BUILD / "midisock-send").stat().st_mtime_ns
    run.must(["cmake", "--build", BUILD])
    expect((BUILD / "midisock-send").stat().st_mtime_ns == before, "a program was linked again")


def package_refuses(run):
    for request, says in (("9.0", "version"), ("0.0.1", "version"), ("0.2 COMPONENTS nonsense", "nonsense")):
        folder = fresh(OUT / "consumers" / "refused")
        (folder / "CMakeLists.txt").write_text(
            "cmake_minimum_required(VERSION 3.22)\nproject(x C)\n"
            f"find_package(midisock {request} CONFIG REQUIRED)\n")
        output = run.must_fail(["cmake", "-S", folder, "-B", folder / "build", f"-DCMAKE_PREFIX_PATH={PREFIX}"])
        expect(says in output, f"find_package(midisock {request}) printed:\n{tail(output)}")


def one_library(run):
    """A distribution may ship the development files without one of the libraries."""
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
        run.must(["cmake", "-S", prefix, "-B", prefix / "build", f"-DCMAKE_PREFIX_PATH={prefix}"])


def cxx_only(run, name, options):
    folder = fresh(OUT / "consumers" / name)
    (folder / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.22)\nproject(x CXX)\nset(CMAKE_CXX_STANDARD 17)\n"
        f"find_package(midisock CONFIG REQUIRED)\nadd_executable(x \"{CONSUMER}/exchange.cpp\")\n"
        "target_link_libraries(x midisock::static)\n")
    run.must(["cmake", "-S", folder, "-B", folder / "build", *options])
    run.must(["cmake", "--build", folder / "build"])
    run.must([folder / "build" / "x"], timeout=60)


def pkg_config(run):
    out = fresh(OUT / "consumers" / "pkg-config")
    environment = {"PKG_CONFIG_PATH": str(LIB / "pkgconfig")}
    query = lambda *what: shlex.split(run.must(["pkg-config", *what, "midisock"], env=environment))
    stated = query("--modversion")[0]
    expect(stated == version(), f"the .pc file has version {stated}")
    strict = ["gcc", "-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", CONSUMER / "exchange.c"]
    run.must([*strict, *query("--cflags"), "-o", out / "shared", *query("--libs"), f"-Wl,-rpath,{LIB}"])
    expect("libmidisock.so.1" in needed(run, out / "shared"), "not linked to the shared library")
    run.must([out / "shared"], timeout=60)

    # The linker prefers a shared library: the static one needs a folder without it.
    shutil.copytree(PREFIX, out / "prefix", symlinks=True)
    for file in (out / "prefix" / "lib").glob("libmidisock.so*"):
        file.unlink()
    environment = {"PKG_CONFIG_PATH": str(out / "prefix" / "lib" / "pkgconfig")}
    static = query("--static", "--libs")
    run.must([*strict, *query("--cflags"), "-o", out / "static", *static])
    expect("libmidisock" not in needed(run, out / "static"), "the program needs a libmidisock")
    run.must(["gcc", "-shared", "-fPIC", "-fvisibility=hidden", *query("--cflags"), TESTS / "unload" / "plugin.c",
              "-o", out / "plugin.so", *static])
    plugin_hides(run, out / "plugin.so")
    run.must([out / "static"], timeout=60)
    run.must([PREFIX / "bin" / "midisock-send", "--help"])  # finds the library relative to itself


def unasked(run, in_tree):
    cargo = OUT / "consumers" / "never built"
    build = configure(run, "unasked", generator(run),
                      ["-DHOW=subdirectory", *in_tree, f"-DMIDISOCK_CARGO_TARGET_DIR={cargo}"])
    run.must(["cmake", "--build", build, "--target", "independent"])
    expect(not cargo.exists(), "midisock was built for a program that does not use it")
    folder = fresh(OUT / "consumers" / "unasked-install")
    run.must(["cmake", "--install", build, "--prefix", folder])
    files = sorted(str(f.relative_to(folder)) for f in folder.rglob("*") if not f.is_dir())
    expect(files == ["bin/independent"], f"installed: {files}")
    targets = run.must(["cmake", "--build", build, "--target", "help"])
    for program in ("midisock-monitor", "midisock-simple-server", "midisock-test"):
        expect(program not in targets, f"a parent project gets the target {program}")


def asked(run, in_tree):
    """A parent project installs midisock with itself, in a layout of its own."""
    build = configure(run, "asked", generator(run),
                      ["-DHOW=subdirectory", "-DCMAKE_BUILD_TYPE=Release", *in_tree, "-DMIDISOCK_INSTALL=ON",
                       "-DMIDISOCK_BUILD_TOOLS=ON", "-DCMAKE_INSTALL_LIBDIR=lib/some-machine"])
    run.must(["cmake", "--build", build, "--parallel", "2"])
    folder = fresh(OUT / "consumers" / "asked-install")
    run.must(["cmake", "--install", build, "--prefix", folder, "--strip"])
    run.must([folder / "bin" / "midisock-echo", "--help"])
    library = folder / "lib" / "some-machine" / "libmidisock.so"
    expect(".debug_line" not in run.must(["readelf", "-SW", library]), "it was not stripped")
    cxx_only(run, "asked-consumer", [f"-Dmidisock_DIR={library.parent}/cmake/midisock"])
    environment = {"PKG_CONFIG_PATH": str(library.parent / "pkgconfig")}
    said = run.must(["pkg-config", "--variable=libdir", "midisock"], env=environment).strip().replace("\\ ", " ")
    expect((folder / "lib").resolve() in Path(said).resolve().parents, f"the .pc file has {said}")


ADDED_TWICE = """cmake_minimum_required(VERSION 3.22)
project(x C)
set(CMAKE_MAP_IMPORTED_CONFIG_DEBUG Release)
set(CMAKE_UNITY_BUILD ON)
add_subdirectory("{root}" one)
add_subdirectory("{root}" two)
{late}
if(NOT CMAKE_VERSION VERSION_LESS 3.24)
  find_package(midisock 0.2 REQUIRED COMPONENTS static)
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


def added_twice(run, ninja):
    # The parent sets its build type after it added midisock, in its own scope or in the cache.
    for late in ("set(CMAKE_BUILD_TYPE Debug)", "set(CMAKE_BUILD_TYPE Debug CACHE STRING \"\" FORCE)"):
        folder = fresh(OUT / "consumers" / "added-twice")
        (folder / "CMakeLists.txt").write_text(ADDED_TWICE.format(root=ROOT, consumer=CONSUMER, late=late))
        run.must(["cmake", "-S", folder, "-B", folder / "build", "-G", ninja, SHARED_CARGO, "-DMIDISOCK_INSTALL=ON",
                  "-DMIDISOCK_BUILD_TOOLS=ON", "-DMIDISOCK_WERROR=ON"])
        run.must(["cmake", "--build", folder / "build", "--parallel", "2"])
        run.must([folder / "build" / "x"], timeout=60)


def no_jack(run):
    build = fresh(OUT / "consumers" / "no-jack")
    for asked, configures in (("AUTO", True), ("ON", False)):
        configure_it = run.must if configures else run.must_fail
        output = configure_it(["cmake", "-S", ROOT, "-B", build, SHARED_CARGO, "-DMIDISOCK_JACK_LIBRARY=",
                               f"-DMIDISOCK_BUILD_JACK={asked}"])
        expect("no JACK" in output, f"MIDISOCK_BUILD_JACK={asked} says:\n{tail(output)}")


def multi_config(run, in_tree):
    build = configure(run, "multi", "Ninja Multi-Config", ["-DHOW=subdirectory", *in_tree])
    for configuration in ("Release", "Debug"):
        run.must(["cmake", "--build", build, "--config", configuration, "--parallel", "2"])
        exchanges(run, build, "-C", configuration)
        linked(run, build, build / configuration, "static")
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


def toolchain(run, folder):
    """A toolchain file that cross-compiles for this very machine. The compiler logs its arguments, which show how cargo
    linked, and is told its target."""
    compiler, log = folder / "cross-clang", folder / "calls.log"
    compiler.write_text(f'#!/bin/sh\necho "$@" >>"{log}"\nexec clang "$@"\n')
    compiler.chmod(0o755)
    file = folder / "toolchain.cmake"
    file.write_text(TOOLCHAIN.format(machine=platform.machine(), compiler=compiler, triple=clang_triple(run)))
    return file, log


def clang_triple(run):
    return run.must(["clang", "-print-target-triple"]).strip()


def vendored(run):
    out = fresh(OUT / "consumers" / "vendored")
    vendor = out / "crates"
    run.must(["cargo", "vendor", "--locked", "--quiet", "--manifest-path", ROOT / "Cargo.toml", vendor], cwd=out)
    archive = release(out / "midisock.tar.gz")
    file, calls = toolchain(run, out)
    options = ["-DHOW=fetch", f"-DMIDISOCK_URL={archive}", f"-DMIDISOCK_VENDOR_DIR={vendor}",
               "-DCMAKE_BUILD_TYPE=Release", f"-DMIDISOCK_CARGO_TARGET={host(run)}",
               f"-DCMAKE_TOOLCHAIN_FILE={file}"]
    # Its own network namespace and an empty cargo home: nothing can be downloaded or come from a cache.
    no_network = ["unshare", "-Urn"] if run.has("unshare") else []
    home = fresh(out / "cargo-home")
    with run.environment(CARGO_HOME=str(home)):
        # RUSTFLAGS in the environment replaces the flags in cargo configurations.
        consume(run, "vendored-build", generator(run), options, "static",
                [*no_network, "env", "RUSTFLAGS=-Cdebuginfo=0"])
    built = OUT / "consumers" / "vendored-build" / "_deps" / "midisock-build" / "cargo" / host(run) / "release"
    expect((built / "libmidisock.so").exists(), f"nothing was built for the explicit target in {built}")
    linked_by = [line for line in calls.read_text().splitlines() if "-soname,libmidisock.so" in line]
    expect(linked_by and all(f"--target={clang_triple(run)}" in line for line in linked_by),
           f"cargo did not link with the cross compiler, or not for its target: {linked_by}")


def host(run):
    return re.search(r"^host: (\S+)$", run.must(["rustc", "-vV"]), re.MULTILINE)[1]


def oldest_cmake(run, package):
    """CMake 3.22, which CMakeLists.txt says is enough, from PyPI."""
    venv = fresh(OUT / "cmake-3.22")
    run.must([sys.executable, "-m", "venv", venv])
    run.must([venv / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", "cmake==3.22.*"])
    with run.environment(PATH=f"{venv / 'bin'}{os.pathsep}{run.env['PATH']}"):
        expect("version 3.22." in run.must(["cmake", "--version"]), "not that version")
        # A project for CMake 3.1, where if() has no IN_LIST. Later CMakes refuse such projects.
        folder = fresh(OUT / "consumers" / "oldest-policies")
        (folder / "CMakeLists.txt").write_text(
            "cmake_minimum_required(VERSION 3.1)\nproject(x C)\n"
            "find_package(midisock CONFIG REQUIRED COMPONENTS shared static)\n"
            "cmake_policy(GET CMP0057 in_list)\nif(in_list STREQUAL NEW)\n  message(FATAL_ERROR \"policies changed\")\nendif()\n")
        run.must(["cmake", "-S", folder, "-B", folder / "build", *package])
        consume(run, "oldest-package", generator(run), package, "static")
        consume(run, "oldest-subdirectory", generator(run),
                ["-DHOW=subdirectory", f"-DMIDISOCK_SOURCE={ROOT}", SHARED_CARGO], "static")


def presets(run):
    """Every preset configures. Two are built, and ctest runs some of their tests."""
    listed = re.findall(r'^  "([\w-]+)"', run.must(["cmake", "--list-presets"], cwd=ROOT), re.MULTILINE)
    expect(set(listed) == {"release", "debug", "test", "makefiles", "multi"}, f"presets: {listed}")
    for name in listed:
        build = fresh(OUT / "presets" / name)
        run.must(["cmake", "--preset", name, "-B", build, SHARED_CARGO], cwd=ROOT)
        if name in ("test", "makefiles"):
            run.must(["cmake", "--build", build, "--parallel", "2"])
            output = run.must(["ctest", "--test-dir", build, "--output-on-failure", "-j", "4", "-R",
                               "^test_(pair|version_errors|ports|messages)"], timeout=300)
            expect(re.search(r"100% tests passed.* out of 6$", output, re.MULTILINE), tail(output))
