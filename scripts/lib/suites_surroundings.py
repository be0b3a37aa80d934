"""midisock in unusual projects: old policies, clashing target names, several ways in one build, odd directories, a Cargo
workspace above."""

import re
import shlex

from project import ROOT, fresh
from runner import expect, suite, tail
from suites_consumers import CONSUMER, cxx_only, plugin_hides
from suites_installed import OUT, PREFIX, SHARED_CARGO, generator, release, set_environment


@suite("surroundings", "midisock in unusual CMake projects and directories", budget=400, needs=["installed"],
       packages=["pkg-config"])
def surroundings(run):
    set_environment(run)
    package = ["-DHOW=package", f"-DCMAKE_PREFIX_PATH={PREFIX}"]
    for how, options in (("find_package", package), ("add_subdirectory", ["-DHOW=subdirectory", SHARED_CARGO])):
        run.step(f"{how}, policies of CMake 3.10, targets called m, util, c", strange, run, how, options)
    run.step("find_package and add_subdirectory in one build", both_ways, run)
    run.step("the static library's native libraries are those that rustc prints, or fewer", native_libraries, run)
    if run.needs("install directories", "pkg-config", package="pkg-config"):
        run.step("install directories: absolute, nested, with spaces", directories, run)
    run.step("not a member of a Cargo workspace above", workspace_above, run)
    run.step("cross-compiling without a Rust target is refused", cross_asks, run)


PLUGIN = """
const char *between_version(void);
__attribute__((visibility("default"))) const char *plugin_version(void);
const char *plugin_version(void) { return between_version(); }
"""


def get(options):
    """The line of CMake that brings midisock in as the options say."""
    if "-DHOW=package" in options:
        return "find_package(midisock CONFIG REQUIRED)"
    return f"add_subdirectory(\"{ROOT}\" midisock)"


def strange(run, how, options):
    """A project for an old CMake, with targets named like the system's libraries. The static library goes into a static
    library of the project, and that into its plugin."""
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
    run.must(["cmake", "-S", folder, "-B", folder / "build", "-Wno-dev", "-DCMAKE_WARN_DEPRECATED=OFF", *options])
    run.must(["cmake", "--build", folder / "build"])
    plugin_hides(run, folder / "build" / "libplugin.so")
    run.must([folder / "build" / "program"], timeout=60)


# Two parts of one build that each bring midisock in: both in one file, or in two folders.
TOGETHER = {
    "package, folder": ["find_package(midisock CONFIG REQUIRED)", 'add_subdirectory("{0}" one)'],
    "folder, package": ['add_subdirectory("{0}" one)', "find_package(midisock 0.2 CONFIG REQUIRED)"],
    "folder, folder": ['add_subdirectory("{0}" one)', 'add_subdirectory("{0}" two)'],
    "package, fetched": ["find_package(midisock CONFIG REQUIRED)",
                         'include(FetchContent)\nFetchContent_Declare(midisock SOURCE_DIR "{0}")\n'
                         "FetchContent_MakeAvailable(midisock)"],
}


def both_ways(run):
    options = [f"-DCMAKE_PREFIX_PATH={PREFIX}", SHARED_CARGO, "-DCMAKE_BUILD_TYPE=Release"]
    for name, parts in TOGETHER.items():
        for folders in (False, True) if run.everything else (False,):
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
            run.must(["cmake", "-S", top, "-B", top / "build", *options])
            run.must(["cmake", "--build", top / "build"])
            for number in range(len(parts)):
                program = top / "build" / (str(number) if folders else ".") / f"x{number}"
                run.must([program], timeout=60)
    said = run.must_fail(["cmake", "-S", OUT / "consumers" / "both-package-folder-file", "-B",
                       fresh(OUT / "consumers" / "both-refused"), "-DMIDISOCK_INSTALL=ON", *options])
    expect("from elsewhere already" in said, f"installing a midisock that is not built here gives another message:\n{tail(said)}")


# The compiler adds the first two itself. Nothing of the others is used: see UNUSED.
NOT_NAMED = {"-lgcc_s", "-lc", "-lutil", "-lrt"}
UNUSED = r"(openpty|forkpty|login\w*|logout|logwtmp|shm_\w+|aio_\w+|lio_listio|mq_\w+|timer_\w+)"


def native_libraries(run):
    """rustc prints them for an empty library. One object needs fewer."""
    out = fresh(OUT / "consumers" / "native")
    (out / "empty.rs").write_text("")
    said = run.must(["rustc", "--crate-type", "staticlib", "--print", "native-static-libs", "--out-dir", out,
                     out / "empty.rs"])
    wanted = set(re.search(r"native-static-libs: (.*)", said)[1].split())
    for one_object, expected in (("OFF", wanted), ("ON", wanted - NOT_NAMED)):
        (out / "print.cmake").write_text(f'set(CMAKE_SYSTEM_NAME Linux)\nset(midisock_one_object {one_object})\n'
                                         f'include("{ROOT}/cmake/midisock-targets.cmake")\n'
                                         'message("${midisock_NATIVE_LIBRARIES}")\n')
        have = set(run.must(["cmake", "-P", out / "print.cmake"]).strip().split(";"))
        expect(have == expected, f"rustc prints {wanted}, midisock-targets.cmake has {have}, one object: {one_object}")
    undefined = run.must(["nm", "--undefined-only", PREFIX / "lib" / "libmidisock.a"])
    used = re.findall(rf" U ({UNUSED})$", undefined, re.MULTILINE)
    expect(not used, f"libutil or librt is used: {used}")


def directories(run):
    """Each of GNUInstallDirs' directories may be absolute, and is then independent of the prefix."""
    layouts = {"absolute": {"BINDIR": "{0}/programs", "LIBDIR": "{0}/libraries", "INCLUDEDIR": "{0}/headers"},
               "nested": {"BINDIR": "bin/midi", "LIBDIR": "lib/some/machine"},
               "spaces": {"LIBDIR": "{0}/some libraries", "INCLUDEDIR": "{0}/some headers"}}
    if run.everything:
        layouts["absolute-lib"] = {"LIBDIR": "{0}/libraries"}
        layouts["absolute-bin"] = {"BINDIR": "{0}/programs", "LIBDIR": "lib"}
    for name, choices in layouts.items():
        top = fresh(OUT / "consumers" / f"directories-{name}")
        where = {key: value.format(top) for key, value in choices.items()}
        run.must(["cmake", "-S", ROOT, "-B", top / "build", "-G", generator(run), "-DCMAKE_BUILD_TYPE=Release",
                  SHARED_CARGO, f"-DCMAKE_INSTALL_PREFIX={top}/prefix",
                  *(f"-DCMAKE_INSTALL_{key}={value}" for key, value in where.items())])
        run.must(["cmake", "--build", top / "build"])
        run.must(["cmake", "--install", top / "build", "--strip"])
        binaries, libraries = (top / "prefix" / where.get(key, default)
                               for key, default in (("BINDIR", "bin"), ("LIBDIR", "lib")))
        # The installed programs must not depend on the build tree.
        (top / "build").rename(top / "gone")
        run.must([binaries / "midisock-send", "--help"])
        cxx_only(run, f"directories-{name}/consumer", [f"-Dmidisock_DIR={libraries}/cmake/midisock"])
        flags = shlex.split(run.must(["pkg-config", "--cflags", "--libs", "midisock"],
                                     env={"PKG_CONFIG_PATH": str(libraries / "pkgconfig")}))
        run.must(["gcc", "-std=c99", CONSUMER / "exchange.c", "-o", top / "x", *flags, f"-Wl,-rpath,{libraries}"])
        run.must([top / "x"], timeout=60)


def workspace_above(run):
    """Cargo takes a package for a member of a workspace in a folder above, unless the package forbids it."""
    top = fresh(OUT / "consumers" / "workspace")
    (top / "app" / "src").mkdir(parents=True)
    (top / "Cargo.toml").write_text('[workspace]\nmembers = ["app"]\nresolver = "2"\n')
    (top / "app" / "Cargo.toml").write_text('[package]\nname = "app"\nversion = "1.0.0"\nedition = "2021"\n')
    (top / "app" / "src" / "main.rs").write_text("fn main() {}\n")
    release(top / "midisock.tar.gz")
    run.must(["tar", "xzf", top / "midisock.tar.gz", "-C", top])
    manifest = top / "midisock" / "Cargo.toml"
    found = run.must(["cargo", "locate-project", "--workspace", "--message-format", "plain", "--manifest-path", manifest])
    expect(found.strip() == str(manifest), f"cargo takes {found.strip()} for its workspace")


def cross_asks(run):
    folder = fresh(OUT / "consumers" / "cross")
    file = folder / "toolchain.cmake"
    file.write_text("set(CMAKE_SYSTEM_NAME Linux)\nset(CMAKE_SYSTEM_PROCESSOR riscv64)\nset(CMAKE_C_COMPILER gcc)\n")
    said = run.must_fail(["cmake", "-S", ROOT, "-B", folder / "build", f"-DCMAKE_TOOLCHAIN_FILE={file}"])
    expect("MIDISOCK_CARGO_TARGET" in said and "riscv64" in said, f"it printed:\n{tail(said)}")
