"""Release archives, and midisock as a package of Conan, of vcpkg and as a Meson subproject."""

import json
import os
import re
import shutil

import environment
from project import ROOT, RUST, TARGET, TESTS, fresh, version
from runner import expect, suite, tail
from suites_consumers import CONSUMER, plugin_hides
from suites_installed import OUT, PREFIX, SHARED_CARGO, set_environment

PACKAGES = TESTS / "packages"
PLUGIN = TESTS / "unload" / "plugin.c"


@suite("release", "scripts/release makes an archive that programs without Rust link to", budget=200, needs=["installed"],
       extended=True)
def release(run):
    set_environment(run)
    out = OUT / "release"
    archive = run.step("scripts/release: archive, checksum, programs that link to it", make, run, out)
    if archive:
        run.step("another file than the checksum's, version and archive are refused", refused, run, archive)
        run.step("a folder in place of the archive, and the tools", folder, run, archive)
    environment.add(run, PACKAGES / "requirements.txt")
    run.step("the release workflow: systems, compilers, oldest and newest Rust, scripts", workflow, run)


def make(run, out):
    run.must([ROOT / "scripts" / "release", "--into", out, SHARED_CARGO])
    [archive] = out.glob("midisock-*.tar.gz")
    run.must(["sha256sum", "--check", f"{archive.name}.sha256"], cwd=out)
    return archive


def prebuilt(run, build, archive, *options):
    return ["cmake", "-S", ROOT, "-B", fresh(build), f"-DMIDISOCK_PREBUILT={archive}", "-DMIDISOCK_CARGO=no-cargo", *options]


def refused(run, archive):
    folder = fresh(OUT / "release-refused")
    changed = shutil.copy(archive, folder)
    shutil.copy(f"{archive}.sha256", folder)
    with open(changed, "ab") as file:
        file.write(b"\0")
    for path, says in ((changed, "checksum"), (folder / "nowhere.tar.gz", "no such archive"), (PREFIX / "bin", "not an archive")):
        refuses(run, says, prebuilt(run, folder / "build", path))
    older = folder / "older"
    run.must(["cmake", "-E", "make_directory", older])
    run.must(["tar", "xzf", archive, "-C", older])
    [stated] = older.rglob("midisock-config-version.cmake")
    stated.write_text(stated.read_text().replace(f'"{version()}"', '"0.1.9"'))
    refuses(run, "has version 0.1.9", prebuilt(run, folder / "build", older))
    refuses(run, "MIDISOCK_INSTALL installs what cargo builds", prebuilt(run, folder / "build", archive, "-DMIDISOCK_INSTALL=ON"))


def refuses(run, says, command):
    """CMake wraps messages."""
    output = run.must_fail(command)
    expect(says in " ".join(output.split()), f"it does not say \"{says}\":\n{tail(output)}")


def folder(run, archive):
    unpacked = fresh(OUT / "release unpacked")
    run.must(["tar", "xzf", archive, "-C", unpacked])
    build = OUT / "release-tools"
    run.must(prebuilt(run, build, unpacked))
    run.must(["cmake", "--build", build, "--parallel", "2"])
    run.must([build / "midisock-send", "--help"])


READ_YAML = "import json, sys, yaml; print(json.dumps(yaml.load(open(sys.argv[1]), yaml.BaseLoader)))"


def workflow(run):
    """What can be checked of it where no such CI runs: that it is YAML, and that what it names is there."""
    path = ROOT / ".github" / "workflows" / "release.yml"
    jobs = json.loads(run.must([environment.PYTHON, "-c", READ_YAML, path]))["jobs"]
    matrix = jobs["archive"]["strategy"]["matrix"]
    rows = [{"system": system, "compiler": compiler, "rust": rust} for system in matrix["system"]
            for compiler in matrix["compiler"] for rust in matrix["rust"]] + matrix["include"]
    oldest = ".".join(map(str, RUST))
    for system, compiler in (("ubuntu", "gcc"), ("ubuntu", "clang"), ("macos", "clang"), ("windows", "msvc")):
        of = [row["rust"] for row in rows if row["system"].startswith(system) and row["compiler"] == compiler]
        expect({oldest, "stable"} <= set(of), f"{system}, {compiler}: only Rust {of}")
    called = re.findall(r"scripts/\w+", path.read_text())
    missing = [name for name in called if not os.access(ROOT / name, os.X_OK)]
    expect(called and not missing, f"it calls {missing}, which is not there")
    for job in jobs.values():
        for need in [job["needs"]] if isinstance(job.get("needs"), str) else job.get("needs", []):
            expect(need in jobs, f"there is no job {need}")


@suite("meson", "midisock in a Meson project: as a subproject, and by pkg-config", budget=180, needs=["installed"],
       packages=["pkg-config"], extended=True)
def meson(run):
    set_environment(run)
    environment.add(run, PACKAGES / "requirements.txt")
    out = fresh(OUT / "meson")
    run.check("meson.build has the version in Cargo.toml", f"version: '{version()}'" in (ROOT / "meson.build").read_text(),
              f"it is not {version()}")
    run.step("subproject", meson_project, run, out / "subproject", {"PKG_CONFIG_LIBDIR": str(out)}, True)
    if run.needs("pkg-config", "pkg-config", package="pkg-config"):
        only_static = out / "prefix"
        shutil.copytree(PREFIX, only_static, symlinks=True)
        for file in (only_static / "lib").glob("libmidisock.so*"):
            file.unlink()
        run.step("pkg-config", meson_project, run, out / "installed",
                 {"PKG_CONFIG_LIBDIR": str(only_static / "lib" / "pkgconfig")}, False)


def meson_project(run, top, env, as_subproject):
    shutil.copytree(PACKAGES / "meson", top)
    shutil.copy(CONSUMER / "exchange.c", top)
    shutil.copy(PLUGIN, top)
    if as_subproject:
        (top / "subprojects").mkdir()
        (top / "subprojects" / "midisock").symlink_to(ROOT)
    env = {**env, "CARGO_TARGET_DIR": str(TARGET)}
    run.must(["meson", "setup", top / "build", top, *(["--force-fallback-for=midisock"] if as_subproject else [])], env=env)
    run.must(["meson", "compile", "-C", top / "build"], env=env)
    run.must(["meson", "test", "-C", top / "build", "--print-errorlogs"], env=env)
    plugin_hides(run, top / "build" / "libplugin.so")


STAND_IN = """#!/bin/sh
while [ "$1" != --target-dir ]; do shift; done
mkdir -p "$2/release" && cp "{built}/libmidisock.so" "{built}/libmidisock.a" "$2/release/"
"""


@suite("conan", "the Conan recipe, and a program that gets midisock from it", budget=120, needs=["python", "library"], extended=True)
def conan(run):
    set_environment(run)
    environment.add(run, PACKAGES / "requirements.txt")
    out = fresh(OUT / "conan")
    run.env["CONAN_HOME"] = str(out / "home")
    # The recipe is tested, not the library: what cargo has built already is given in its place.
    cargo = out / "cargo.sh"
    cargo.write_text(STAND_IN.format(built=TARGET / "release"))
    cargo.chmod(0o755)
    (out / "profile").write_text(
        "include(default)\n[conf]\ntools.cmake.cmaketoolchain:extra_variables="
        + json.dumps({"MIDISOCK_CARGO_TARGET_DIR": str(out / "cargo"), "MIDISOCK_CARGO": str(cargo)}) + "\n")
    run.must(["conan", "profile", "detect"])
    for shared in (False, True):
        run.step(f"create and use, shared={shared}", conan_package, run, out, shared)


def conan_package(run, out, shared):
    options = ["-pr", out / "profile", "-o", f"midisock/*:shared={shared}"]
    run.must(["conan", "create", ROOT / "packaging" / "conan", *options])
    consumer = out / f"consumer-{shared}"
    shutil.copytree(PACKAGES / "conan", consumer)
    shutil.copy(CONSUMER / "exchange.c", consumer)
    output = run.must(["conan", "build", consumer, *options])
    expect("100% tests passed" in output, tail(output))
    [program] = consumer.rglob("exchange")
    linked = "libmidisock.so.1" in run.must(["readelf", "-dW", program])
    expect(linked == shared, f"shared={shared}, but the program {'needs' if linked else 'does not need'} libmidisock.so.1")
    # For other build systems: the recipe's own flags, by pkg-config.
    if run.has("pkg-config"):
        [folder] = {path.parent for path in consumer.rglob("midisock.pc")}
        flags = run.must(["pkg-config", "--cflags", "--libs", "midisock"], env={"PKG_CONFIG_PATH": str(folder)}).split()
        [library] = [flag[2:] for flag in flags if flag.startswith("-L")]
        run.must(["gcc", "-std=c99", CONSUMER / "exchange.c", "-o", consumer / "by-flags", *flags, f"-Wl,-rpath,{library}"])
        run.must([consumer / "by-flags"], timeout=60)


@suite("vcpkg", "the vcpkg port's steps, with stand-ins for vcpkg's functions", budget=60, needs=["python", "library"])
def vcpkg(run):
    set_environment(run)
    port = ROOT / "packaging" / "vcpkg" / "midisock"
    stated = json.loads((port / "vcpkg.json").read_text())
    run.check("vcpkg.json has the version in Cargo.toml", stated["version"] == version(), f"it has {stated['version']}")
    for linkage, library, other in (("static", "libmidisock.a", "libmidisock.so.1"), ("dynamic", "libmidisock.so.1", "libmidisock.a")):
        run.step(linkage, vcpkg_port, run, port, linkage, library, other)


def vcpkg_port(run, port, linkage, library, other):
    out = fresh(OUT / f"vcpkg-{linkage}")
    run.must(["cmake", f"-DPORT={port}", f"-DWORK={out}", f"-DLINKAGE={linkage}", SHARED_CARGO.replace("MIDISOCK_", ""),
              "-P", PACKAGES / "vcpkg" / "run-port.cmake"])
    package = out / "package"
    there = [name for name in (library, "pkgconfig/midisock.pc") if (package / "lib" / name).exists()]
    expect(there == [library, "pkgconfig/midisock.pc"] and not (package / "lib" / other).exists(), f"lib has {there}")
    for name in ("share/midisock/copyright", "share/midisock/usage", "include/midisock/midisock.h"):
        expect((package / name).exists(), f"there is no {name}")
    empty = [str(path.relative_to(package)) for path in package.rglob("*") if path.is_dir() and not any(path.iterdir())]
    expect(not empty, f"vcpkg refuses empty folders: {empty}")
    project = fresh(out / "consumer")
    example = re.findall(r"^    (.*)$", (port / "usage").read_text(), re.MULTILINE)
    (project / "CMakeLists.txt").write_text("cmake_minimum_required(VERSION 3.22)\nproject(x C)\n"
                                            f"{example[0]}\nadd_executable(main \"{CONSUMER}/exchange.c\")\n{example[1]}\n")
    # As vcpkg's toolchain file does it. The triplet's linkage is the project's default too.
    run.must(["cmake", "-S", project, "-B", project / "build", f"-Dmidisock_DIR={package}/share/midisock",
              f"-DBUILD_SHARED_LIBS={'ON' if linkage == 'dynamic' else 'OFF'}"])
    run.must(["cmake", "--build", project / "build"])
    run.must([project / "build" / "main"], timeout=60)
