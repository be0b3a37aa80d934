"""cpack: an archive that works where it is unpacked, and Debian packages that install, link and can be removed."""

import os
import re
from pathlib import Path

from project import ROOT, TESTS, fresh
from runner import expect, suite, tail
from suites_installed import BUILD, OUT, SHARED_CARGO, generator, set_environment

CONSUMER = TESTS / "cmake" / "consumer"
PACKAGES = ("libmidisock1", "libmidisock-dev", "midisock-tools")


@suite("cpack", "cpack's archive and Debian packages", budget=400, needs=["installed"],
       packages=["dpkg-dev", "file", "ninja-build", "pkg-config"])
def packages(run):
    set_environment(run)
    out = fresh(OUT / "packages")
    if not run.needs("packages", "dpkg-deb", "dpkg-shlibdeps", "file", package="dpkg-dev file"):
        return
    if not run.step("cpack", pack, run, out):
        return
    run.step("archive: unpacked and linked", archive, run, out)
    run.step("packages: names, dependencies, contents", contents, run, out)
    run.step("cpack of a tree without a build type", pack_other, run, "no-type", generator(run), [])
    if run.needs("cpack of every configuration", "ninja", package="ninja-build"):
        run.step("cpack of the multi preset, Release and by default", pack_other, run, "multi",
                 "Ninja Multi-Config", ["--preset", "multi", "-DMIDISOCK_BUILD_TESTS=OFF", *lv2(),
                                        "-DCPACK_DEBIAN_PACKAGE_RELEASE=2"], ["-C", "Release"], [])
    if run.everything:
        if os.geteuid() != 0:
            run.skip("packages: installed", "only root can install packages")
        elif any(installed(run, package) for package in PACKAGES):
            run.fail("packages: installed", "midisock is installed on this machine: not touched")
        else:
            run.step("packages: install, link, run, remove", install, run, out)


def lv2():
    """The LV2 plugin too, where its headers are."""
    return ["-DMIDISOCK_BUILD_LV2=ON"] if Path("/usr/include/lv2/core/lv2.h").exists() else []


def pack(run, out, build=BUILD, options=()):
    run.must(["cpack", "-B", out, *options], cwd=build)
    expect(len(list(out.glob("*.deb"))) == 3 and len(list(out.glob("*.tar.gz"))) == 1,
           f"cpack made {sorted(f.name for f in out.iterdir())}")


def pack_other(run, name, generator_name, options, *choices):
    """Packages of another build tree, for each choice of cpack's options."""
    build = fresh(OUT / "packages" / f"build-{name}")
    run.must(["cmake", "-S", ROOT, "-B", build, "-G", generator_name, SHARED_CARGO, *options], cwd=ROOT)
    run.must(["cmake", "--build", build, *(choices[0] and ["--config", "Release"] if choices else [])])
    for number, choice in enumerate(choices or [[]]):
        out = fresh(OUT / "packages" / f"{name}-{number}")
        pack(run, out, build, choice)
        contents(run, out)


def archive(run, out):
    folder = fresh(out / "unpacked")
    run.must(["tar", "xzf", next(out.glob("*.tar.gz")), "-C", folder])
    prefix = next(folder.iterdir())
    build = folder / "build"
    (folder / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.22)\nproject(x C)\nfind_package(midisock CONFIG REQUIRED)\n"
        f"add_executable(x \"{CONSUMER}/exchange.c\")\ntarget_link_libraries(x midisock::shared)\n"
        f"add_executable(y \"{CONSUMER}/exchange.c\")\ntarget_link_libraries(y midisock::static)\n")
    run.must(["cmake", "-S", folder, "-B", build, f"-DCMAKE_PREFIX_PATH={prefix}"])
    run.must(["cmake", "--build", build])
    for program in ("x", "y"):
        run.must([build / program], timeout=60)
    run.must([prefix / "bin" / "midisock-echo", "--help"])


def deb(out, package):
    return next(out.glob(f"{package}_*.deb"))


def contents(run, out):
    wanted = {
        "libmidisock1": (r"^libc6 ", ["./usr/lib/libmidisock.so.1", "LICENSE-MIT"]),
        "libmidisock-dev": (r"libmidisock1 \(= ", ["midisock.hpp", "libmidisock.a", "midisock-config.cmake", "midisock.pc",
                                                   "libmidisock.so -> libmidisock.so.1"]),
        "midisock-tools": (r"libmidisock1 \(= ", ["bin/midisock-monitor", "bin/midisock-send", "bin/midisock-echo"]),
    }
    owner = {}
    version = run.must(["dpkg-deb", "-f", deb(out, "libmidisock1"), "Version"]).strip()
    for package, (depends, files) in wanted.items():
        said = run.must(["dpkg-deb", "-f", deb(out, package), "Depends"])
        expect(re.search(depends, said), f"{package} depends on {said}")
        exact = re.search(r"libmidisock1 \(= ([^)]*)\)", said)
        expect(not exact or exact[1] == version, f"{package} depends on {said}, and there is {version}")
        listing = run.must(["dpkg-deb", "-c", deb(out, package)])
        for file in files:
            expect(file in listing, f"{package} lacks {file}")
        for line in listing.splitlines():
            path = line.split()[5]
            if not path.endswith("/"):
                expect(path not in owner, f"{path} is in {package} and in {owner.get(path)}")
                owner[path] = package
    shared = [path for path, package in owner.items()
              if package == "libmidisock1" and not re.search(r"libmidisock(1|\.so\.1)", path)]
    expect(not shared, f"conflicts with the package of another ABI: {shared}")


def installed(run, package):
    return "ok installed" in run.command(["dpkg-query", "-W", "-f=${Status}", package]).output


def install(run, out):
    try:
        run.must(["dpkg", "-i", *(deb(out, package) for package in PACKAGES)])
        folder = fresh(out / "installed")
        # No paths are given: the compiler finds it in the system's folders.
        run.must(["gcc", "-std=c99", CONSUMER / "exchange.c", "-o", folder / "c", "-lmidisock"])
        run.must([folder / "c"], timeout=60)
        flags = run.must(["pkg-config", "--cflags", "--libs", "midisock"]).split()
        run.must(["g++", "-std=c++17", CONSUMER / "exchange.cpp", "-o", folder / "cpp", *flags])
        run.must([folder / "cpp"], timeout=60)
        run.must(["cmake", "-S", CONSUMER, "-B", folder / "build", "-DHOW=package"])
        run.must(["cmake", "--build", folder / "build", "--parallel", "2"])
        run.must(["ctest", "--test-dir", folder / "build", "--output-on-failure", "-j", "4"])
        run.must(["midisock-send", "--help"])
        expect("libmidisock.so.1 " in run.must(["/sbin/ldconfig", "-p"]), "ldconfig does not know it")
        listed = [line for package in PACKAGES for line in run.must(["dpkg", "-L", package]).splitlines()]
    finally:
        output = run.must(["dpkg", "--purge", *reversed(PACKAGES)])
    left = [path for path in listed if "midisock" in path and Path(path).exists()]
    expect(not left, f"left behind: {left}\n{tail(output)}")
