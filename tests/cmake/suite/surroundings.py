"""midisock in projects that do not make it easy: old ones, ones with names of their own, several ways in one build, unusual
directories, a Cargo workspace around."""

import re

from consumers import CONSUMER, cxx_only, plugin_hides
from harness import OUT, ROOT, expect, fresh, tail
from library import PREFIX, SHARED_CARGO, generator, release


def run(harness):
    package = ["-DHOW=package", f"-DCMAKE_PREFIX_PATH={PREFIX}"]
    for how, options in (("find_package", package), ("add_subdirectory", ["-DHOW=subdirectory", SHARED_CARGO])):
        harness.case(f"{how}, policies of CMake 3.10, targets called m, util, c", strange, harness, how, options)
    harness.case("find_package and add_subdirectory in one build", both_ways, harness)
    harness.case("what the static library needs is what Rust says", native_libraries, harness)
    harness.case("absolute install directories, and a nested one", directories, harness)
    harness.case("no member of a Cargo workspace above", workspace_above, harness)
    harness.case("cross-compiling asks for Rust's target", cross_asks, harness)


PLUGIN = """
const char *between_version(void);
__attribute__((visibility("default"))) const char *plugin_version(void);
const char *plugin_version(void) { return between_version(); }
"""


def get(options):
    """The line of CMake that gets midisock as the options for the consumer say."""
    if "-DHOW=package" in options:
        return "find_package(midisock CONFIG REQUIRED)"
    return f"add_subdirectory(\"{ROOT}\" midisock)"


def strange(harness, how, options):
    """A program written for an old CMake, with libraries of its own that have the names of the system's. The static library
    is inside a static library of the program's, which is inside its plugin."""
    folder = fresh(OUT / "consumers" / f"strange-{how}")
    (folder / "plugin.c").write_text(PLUGIN)
    (folder / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.10)\nproject(strange C)\n"
        "foreach(name IN ITEMS gcc_s util rt pthread m dl c midisock)\n"
        "  add_library(${name} INTERFACE)\n"
        "  target_compile_definitions(${name} INTERFACE \"#error taken over\")\n"
        "  target_link_libraries(${name} INTERFACE -lthere-is-no-such-library)\n"
        f"endforeach()\n{get(options)}\n"
        f"add_library(between STATIC \"{CONSUMER}/between.c\")\n"
        "set_target_properties(between PROPERTIES POSITION_INDEPENDENT_CODE ON C_VISIBILITY_PRESET hidden)\n"
        "target_link_libraries(between PRIVATE midisock::static)\n"
        "add_library(plugin MODULE plugin.c)\ntarget_link_libraries(plugin PRIVATE between)\n"
        "set_target_properties(plugin PROPERTIES C_VISIBILITY_PRESET hidden)\n"
        f"add_executable(program \"{CONSUMER}/exchange.c\")\ntarget_link_libraries(program midisock::static)\n")
    harness.run("cmake", "-S", folder, "-B", folder / "build", "-Wno-dev", "-DCMAKE_WARN_DEPRECATED=OFF", *options)
    harness.run("cmake", "--build", folder / "build")
    plugin_hides(harness, folder / "build" / "libplugin.so")
    harness.run(folder / "build" / "program", timeout=60)


# Parts of one build that get midisock each in a way of its own: as one file, or as folders beside each other.
TOGETHER = {
    "package, folder": ["find_package(midisock CONFIG REQUIRED)", 'add_subdirectory("{0}" one)'],
    "folder, package": ['add_subdirectory("{0}" one)', "find_package(midisock 0.1 CONFIG REQUIRED)"],
    "folder, folder": ['add_subdirectory("{0}" one)', 'add_subdirectory("{0}" two)'],
    "package, fetched": ["find_package(midisock CONFIG REQUIRED)",
                         'include(FetchContent)\nFetchContent_Declare(midisock SOURCE_DIR "{0}")\n'
                         "FetchContent_MakeAvailable(midisock)"],
}


def both_ways(harness):
    options = [f"-DCMAKE_PREFIX_PATH={PREFIX}", SHARED_CARGO, "-DCMAKE_BUILD_TYPE=Release"]
    for name, parts in TOGETHER.items():
        for folders in (False, True) if harness.everything else (False,):
            top = fresh(OUT / "consumers" / f"both-{name.replace(', ', '-')}-{'folders' if folders else 'file'}")
            lines = ["cmake_minimum_required(VERSION 3.22)", "project(x C)"]
            for number, part in enumerate(parts):
                text = [part.format(ROOT), f"add_executable(x{number} \"{CONSUMER}/exchange.c\")",
                        f"target_link_libraries(x{number} PRIVATE midisock::midisock)"]
                if folders:
                    (top / str(number)).mkdir()
                    (top / str(number) / "CMakeLists.txt").write_text("\n".join(text) + "\n")
                    lines.append(f"add_subdirectory({number})")
                else:
                    lines += text
            (top / "CMakeLists.txt").write_text("\n".join(lines) + "\n")
            harness.run("cmake", "-S", top, "-B", top / "build", *options)
            harness.run("cmake", "--build", top / "build")
            for number in range(len(parts)):
                program = top / "build" / (str(number) if folders else ".") / f"x{number}"
                harness.run(program, timeout=60)
    said = harness.run("cmake", "-S", OUT / "consumers" / "both-package-folder-file", "-B",
                       fresh(OUT / "consumers" / "both-refused"), "-DMIDISOCK_INSTALL=ON", *options, ok=False)
    expect("from elsewhere already" in said, f"installing what is not built here is refused otherwise:\n{tail(said)}")


def native_libraries(harness):
    """rustc tells them for an empty library of its standard library."""
    out = fresh(OUT / "consumers" / "native")
    (out / "empty.rs").write_text("")
    said = harness.run("rustc", "--crate-type", "staticlib", "--print", "native-static-libs", "--out-dir", out,
                       out / "empty.rs")
    wanted = re.search(r"native-static-libs: (.*)", said)[1].split()
    (out / "print.cmake").write_text(f'set(CMAKE_SYSTEM_NAME Linux)\ninclude("{ROOT}/cmake/midisock-targets.cmake")\n'
                                     'message("${midisock_NATIVE_LIBRARIES}")\n')
    have = harness.run("cmake", "-P", out / "print.cmake").strip().split(";")
    expect(sorted(have) == sorted(wanted), f"rustc says {wanted}, midisock-targets.cmake has {have}")


def directories(harness):
    """Each of GNUInstallDirs' directories may be absolute: then it is that one, wherever the prefix is."""
    layouts = {"absolute": {"BINDIR": "{0}/programs", "LIBDIR": "{0}/libraries", "INCLUDEDIR": "{0}/headers"},
               "nested": {"BINDIR": "bin/midi", "LIBDIR": "lib/some/machine"}}
    if harness.everything:
        layouts["absolute-lib"] = {"LIBDIR": "{0}/libraries"}
        layouts["absolute-bin"] = {"BINDIR": "{0}/programs", "LIBDIR": "lib"}
    for name, choices in layouts.items():
        top = fresh(OUT / "consumers" / f"directories-{name}")
        where = {key: value.format(top) for key, value in choices.items()}
        harness.run("cmake", "-S", ROOT, "-B", top / "build", "-G", generator(harness), "-DCMAKE_BUILD_TYPE=Release",
                    SHARED_CARGO, f"-DCMAKE_INSTALL_PREFIX={top}/prefix",
                    *(f"-DCMAKE_INSTALL_{key}={value}" for key, value in where.items()))
        harness.run("cmake", "--build", top / "build")
        harness.run("cmake", "--install", top / "build", "--strip")
        binaries, libraries = (top / "prefix" / where.get(key, default)
                               for key, default in (("BINDIR", "bin"), ("LIBDIR", "lib")))
        # Not from the build tree, which it must not know.
        (top / "build").rename(top / "gone")
        harness.run(binaries / "midisock-send", "--help")
        cxx_only(harness, f"directories-{name}/consumer", [f"-Dmidisock_DIR={libraries}/cmake/midisock"])
        flags = harness.run("pkg-config", "--cflags", "--libs", "midisock",
                            env={"PKG_CONFIG_PATH": str(libraries / "pkgconfig")}).split()
        harness.run("gcc", "-std=c99", CONSUMER / "exchange.c", "-o", top / "x", *flags, f"-Wl,-rpath,{libraries}")
        harness.run(top / "x", timeout=60)


def workspace_above(harness):
    """Cargo takes a package for a member of the workspace in a folder above it, unless the package says otherwise."""
    top = fresh(OUT / "consumers" / "workspace")
    (top / "app" / "src").mkdir(parents=True)
    (top / "Cargo.toml").write_text('[workspace]\nmembers = ["app"]\nresolver = "2"\n')
    (top / "app" / "Cargo.toml").write_text('[package]\nname = "app"\nversion = "1.0.0"\nedition = "2021"\n')
    (top / "app" / "src" / "main.rs").write_text("fn main() {}\n")
    release(top / "midisock.tar.gz")
    harness.run("tar", "xzf", top / "midisock.tar.gz", "-C", top)
    # What cargo build does first, without the building.
    found = harness.run("cargo", "tree", "--offline", "--locked", "--manifest-path", top / "midisock" / "Cargo.toml",
                        "--depth", "0", cwd=top / "midisock")
    expect(found.startswith("midisock v"), found)


def cross_asks(harness):
    folder = fresh(OUT / "consumers" / "cross")
    file = folder / "toolchain.cmake"
    file.write_text("set(CMAKE_SYSTEM_NAME Linux)\nset(CMAKE_SYSTEM_PROCESSOR riscv64)\nset(CMAKE_C_COMPILER gcc)\n")
    said = harness.run("cmake", "-S", ROOT, "-B", folder / "build", f"-DCMAKE_TOOLCHAIN_FILE={file}", ok=False)
    expect("MIDISOCK_CARGO_TARGET" in said and "riscv64" in said, f"it says something else:\n{tail(said)}")
