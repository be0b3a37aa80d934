"""What cpack makes: an archive that works where it is unpacked, Debian packages that install, link and remove."""

import re
from pathlib import Path

from harness import OUT, ROOT, TESTS, expect, fresh, tail
from library import BUILD, SHARED_CARGO, generator

CONSUMER = TESTS / "cmake" / "consumer"
PACKAGES = ("libmidisock0", "libmidisock-dev", "midisock-tools")


def run(harness):
    out = fresh(OUT / "packages")
    if not harness.needs("packages", "dpkg-deb", "dpkg-shlibdeps", "file", package="dpkg-dev file"):
        return
    if not harness.case("cpack", pack, harness, out):
        return
    harness.case("archive: unpacked and linked", archive, harness, out)
    harness.case("packages: names, dependencies, contents", contents, harness, out)
    harness.case("cpack of a tree without a build type", pack_other, harness, "no-type", generator(harness), [])
    if harness.needs("cpack of every configuration", "ninja", package="ninja-build"):
        harness.case("cpack of the multi preset, Release and unsaid", pack_other, harness, "multi",
                     "Ninja Multi-Config", ["--preset", "multi", "-DMIDISOCK_BUILD_TESTS=OFF", *lv2(),
                                            "-DCPACK_DEBIAN_PACKAGE_RELEASE=2"], ["-C", "Release"], [])
    if harness.everything:
        import os
        if os.geteuid() != 0:
            harness.skip("packages: installed", "only root can install packages")
        elif any(installed(harness, package) for package in PACKAGES):
            harness.fail("packages: installed", "midisock is installed on this machine: not touched")
        else:
            harness.case("packages: install, link, run, remove", install, harness, out)


def lv2():
    """The LV2 plugin too, where its headers are."""
    return ["-DMIDISOCK_BUILD_LV2=ON"] if Path("/usr/include/lv2/core/lv2.h").exists() else []


def pack(harness, out, build=BUILD, options=()):
    harness.run("cpack", "-B", out, *options, cwd=build)
    expect(len(list(out.glob("*.deb"))) == 3 and len(list(out.glob("*.tar.gz"))) == 1,
           f"cpack made {sorted(f.name for f in out.iterdir())}")


def pack_other(harness, name, generator_name, options, *choices):
    """Packages of another build tree, for each choice of cpack's options: the tools' one needs the library's."""
    build = fresh(OUT / "packages" / f"build-{name}")
    harness.run("cmake", "-S", ROOT, "-B", build, "-G", generator_name, SHARED_CARGO, *options, cwd=ROOT)
    harness.run("cmake", "--build", build, *(choices[0] and ["--config", "Release"] if choices else []))
    for number, choice in enumerate(choices or [[]]):
        out = fresh(OUT / "packages" / f"{name}-{number}")
        pack(harness, out, build, choice)
        contents(harness, out)


def archive(harness, out):
    folder = fresh(out / "unpacked")
    harness.run("tar", "xzf", next(out.glob("*.tar.gz")), "-C", folder)
    prefix = next(folder.iterdir())
    build = folder / "build"
    (folder / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.22)\nproject(x C)\nfind_package(midisock CONFIG REQUIRED)\n"
        f"add_executable(x \"{CONSUMER}/exchange.c\")\ntarget_link_libraries(x midisock::shared)\n"
        f"add_executable(y \"{CONSUMER}/exchange.c\")\ntarget_link_libraries(y midisock::static)\n")
    harness.run("cmake", "-S", folder, "-B", build, f"-DCMAKE_PREFIX_PATH={prefix}")
    harness.run("cmake", "--build", build)
    for program in ("x", "y"):
        harness.run(build / program, timeout=60)
    harness.run(prefix / "bin" / "midisock-echo", "--help")


def deb(out, package):
    return next(out.glob(f"{package}_*.deb"))


def contents(harness, out):
    wanted = {
        "libmidisock0": (r"^libc6 ", ["./usr/lib/libmidisock.so.0", "LICENSE-MIT"]),
        "libmidisock-dev": (r"libmidisock0 \(= ", ["midisock.hpp", "libmidisock.a", "midisock-config.cmake", "midisock.pc",
                                                     "libmidisock.so -> libmidisock.so.0"]),
        "midisock-tools": (r"libmidisock0 \(= ", ["bin/midisock-monitor", "bin/midisock-send", "bin/midisock-echo"]),
    }
    owner = {}
    version = harness.run("dpkg-deb", "-f", deb(out, "libmidisock0"), "Version").strip()
    for package, (depends, files) in wanted.items():
        said = harness.run("dpkg-deb", "-f", deb(out, package), "Depends")
        expect(re.search(depends, said), f"{package} depends on {said}")
        exact = re.search(r"libmidisock0 \(= ([^)]*)\)", said)
        expect(not exact or exact[1] == version, f"{package} depends on {said}, and there is {version}")
        listing = harness.run("dpkg-deb", "-c", deb(out, package))
        for file in files:
            expect(file in listing, f"{package} lacks {file}")
        for line in listing.splitlines():
            path = line.split()[5]
            if not path.endswith("/"):
                expect(path not in owner, f"{path} is in {package} and in {owner.get(path)}")
                owner[path] = package
    shared = [path for path, package in owner.items()
              if package == "libmidisock0" and not re.search(r"libmidisock(0|\.so\.0)", path)]
    expect(not shared, f"in the way of another ABI's package: {shared}")


def installed(harness, package):
    return "ok installed" in harness.run("dpkg-query", "-W", "-f=${Status}", package, ok=None)


def install(harness, out):
    try:
        harness.run("dpkg", "-i", *(deb(out, package) for package in PACKAGES))
        folder = fresh(out / "installed")
        # Nothing is told of where: it is where the system looks.
        harness.run("gcc", "-std=c99", CONSUMER / "exchange.c", "-o", folder / "c", "-lmidisock")
        harness.run(folder / "c", timeout=60)
        flags = harness.run("pkg-config", "--cflags", "--libs", "midisock").split()
        harness.run("g++", "-std=c++17", CONSUMER / "exchange.cpp", "-o", folder / "cpp", *flags)
        harness.run(folder / "cpp", timeout=60)
        harness.run("cmake", "-S", CONSUMER, "-B", folder / "build", "-DHOW=package")
        harness.run("cmake", "--build", folder / "build", "--parallel", "2")
        harness.run("ctest", "--test-dir", folder / "build", "--output-on-failure", "-j", "4")
        harness.run("midisock-send", "--help")
        expect("libmidisock.so.0 " in harness.run("/sbin/ldconfig", "-p"), "ldconfig does not know it")
        listed = [line for package in PACKAGES for line in harness.run("dpkg", "-L", package).splitlines()]
    finally:
        output = harness.run("dpkg", "--purge", *reversed(PACKAGES))
    left = [path for path in listed if "midisock" in path and Path(path).exists()]
    expect(not left, f"left behind: {left}\n{tail(output)}")
