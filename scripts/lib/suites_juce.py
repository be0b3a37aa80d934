"""midisock in JUCE plugins, in third-party hosts: tests/juce."""

import os
import platform
import re
import shutil
from pathlib import Path

import environment
from project import CORES, OUT, ROOT, SONAME, TARGET, tool
from runner import Failure, suite, tail
from suites_c import report
from suites_loops import exchange
from suites_python import pytest

TESTS = ROOT / "tests" / "juce"
BUILD = OUT / "juce"
PREFIX = BUILD / "prefix"
LINES = BUILD / "ten-lines"

JUCE = ["juce-modules-source", "juce-tools"]
# Headers for JUCE's modules, and JACK for the Standalone.
HEADERS = ["pkg-config", "libasound2-dev", "libfreetype-dev", "libx11-dev", "libxcomposite-dev", "libxcursor-dev",
           "libxext-dev", "libxinerama-dev", "libxrandr-dev", "libxrender-dev", "libjack-jackd2-dev", "lv2-dev"]
# Little optimisation, for quick builds: the library itself is a release build.
QUICK = {"bridge": "-O1", "module": "-O0", "plugin": "-O0"}
# Given in every run, because an interrupted run leaves other options in the build folder.
OPTIONS = {"bridge": ["-DMIDISOCK_BRIDGE_SHARED=OFF"], "module": [], "plugin": [f"-DTEN_LINES={LINES}"]}


@suite("juce", "midisock/juce.hpp: as a module, in a small plugin, in midisock Bridge; realtime traps", budget=1200,
       needs=["library", "python", "examples"], packages=[*JUCE, *HEADERS], extended=True)
def juce(run):
    if not has_juce(run):
        return
    install(run)
    take_the_ten_lines(run)
    for name, sources in (("bridge", TESTS), ("module", TESTS / "module"), ("plugin", TESTS / "plugin")):
        build(run, name, sources)
    report(run, "midisock/juce.hpp", run.command([program("module", "test_juce")], timeout=120))
    run.step("JUCE's message thread", exchange, run, program("module", "juce_loop"))
    report(run, "midisock Bridge", run.command([program("bridge", "test_bridge")], timeout=120))
    report(run, "the Bridge's words", run.command([program("bridge", "test_words")], timeout=120))
    report(run, "processBlock", run.command([program("bridge", "test_traps")], timeout=120))
    linked_as_a_plugin_should_be(run)
    with_the_shared_library(run)


@suite("juce-vst3", "midisock Bridge as VST3 in pedalboard and dawdreamer", budget=300, needs=["juce"], extended=True)
def juce_vst3(run):
    if not has_juce(run):
        return
    environment.add(run, TESTS / "requirements.txt")
    pytest(run, "juce-vst3", TESTS / "hosts" / "test_pedalboard.py", TESTS / "hosts" / "test_dawdreamer.py")


@suite("juce-ardour", "midisock Bridge as VST3 in Ardour: in real time, suspended, bypassed, transport, sessions", budget=240,
       needs=["juce"], packages=["ardour"], extended=True)
def juce_ardour(run):
    if not has_juce(run):
        return
    pytest(run, "juce-ardour", TESTS / "hosts" / "test_ardour.py")


@suite("juce-lv2", "midisock Bridge as LV2: lv2_validate, jalv under JACK", budget=180, needs=["juce"],
       packages=["lilv-utils", "lv2-dev", "sordi", "jalv", "jackd2"], extended=True)
def juce_lv2(run):
    if not has_juce(run):
        return
    pytest(run, "juce-lv2", TESTS / "hosts" / "test_lv2.py")


@suite("juce-standalone", "midisock Bridge alone, under Xvfb and JACK: keyboard, states, pictures of them", budget=180,
       needs=["juce"], packages=["xvfb", "xdotool", "imagemagick", "jackd2", "fonts-inter"], extended=True)
def juce_standalone(run):
    if not has_juce(run):
        return
    pytest(run, "juce-standalone", TESTS / "hosts" / "test_standalone.py")


def has_juce(run):
    if platform.system() != "Linux":
        run.skip("juce", "the hosts and the recipes are Linux'")
        return False
    if list(Path("/usr").glob("lib*/**/cmake/JUCE-*/JUCEConfig.cmake")) or os.environ.get("JUCE_DIR"):
        return True
    run.lacks("JUCE", " ".join(JUCE))
    return False


def cmake(run, *arguments):
    return run.must([environment.VENV / "bin" / "cmake", *arguments],
                    env={"PATH": environment.path_with_tools()})


def install(run):
    """Installs midisock as a user would. Cargo's output is shared with the suite `library`."""
    shutil.rmtree(PREFIX, ignore_errors=True)
    folder = BUILD / "midisock"
    cmake(run, "-S", ROOT, "-B", folder, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release", "-DMIDISOCK_BUILD_TOOLS=OFF",
          f"-DMIDISOCK_CARGO_TARGET_DIR={TARGET}", f"-DCMAKE_INSTALL_PREFIX={PREFIX}")
    cmake(run, "--build", folder)
    cmake(run, "--install", folder)


def take_the_ten_lines(run):
    """Copies the ten lines from the header and the guide, for the small plugin's TenLines.cpp."""
    LINES.mkdir(parents=True, exist_ok=True)
    for name, document, margin in (("header", "include/midisock/juce.hpp", r"[ ]\*   "), ("guide", "docs/juce.md", "")):
        text = (ROOT / document).read_text()
        found = re.findall(rf"^{margin}struct MyPlugin\b.*?^{margin}}};\n", text, re.MULTILINE | re.DOTALL)
        # An empty line has no spaces behind the asterisk.
        lines = re.sub(rf"^({margin}|{margin.strip(' ')}$)", "", found[0] if len(found) == 1 else "", flags=re.MULTILINE)
        run.check(f"ten lines of {document}", lines.count("override") >= 8 and lines.count("    ...\n") == 1, lines)
        # The other members that JUCE needs are in the base class.
        lines = lines.replace("    ...\n", "").replace(": juce::AudioProcessor,", ": Rest,")
        path = LINES / f"{name}.inc"
        if not path.exists() or path.read_text() != lines:
            path.write_text(lines)


def build(run, name, sources):
    cmake(run, "-S", sources, "-B", BUILD / name, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release",
          f"-DCMAKE_CXX_FLAGS_RELEASE={QUICK[name]}", f"-DCMAKE_PREFIX_PATH={PREFIX}",
          "-DCMAKE_CXX_FLAGS=-Wall -Wextra", *OPTIONS[name])
    output = cmake(run, "--build", BUILD / name, "--parallel", CORES)
    run.ok(f"build of {sources.relative_to(ROOT)}")
    # JUCE's own warnings are ignored.
    ours = [line for line in re.findall(r"^(\S+): warning: .*$", output, re.MULTILINE) if "/juce/modules/" not in line]
    run.check(f"no warning in {sources.relative_to(ROOT)}", not ours, tail("\n".join(ours)))


def program(project, name):
    found = [p for p in (BUILD / project).rglob(name) if p.is_file()]
    if not found:
        raise Failure(f"{project} has made no {name}")
    return found[0]


def linked_as_a_plugin_should_be(run):
    """It brings no second libmidisock, exports none of its symbols, and is never unmapped."""
    for kind, name in (("VST3", "midisock Bridge.so"), ("LV2", "libmidisock Bridge.so")):
        plugin = program("bridge", name)
        if not tool("readelf"):
            raise Failure("readelf is missing: apt-get install binutils")
        dynamic = run.must(["readelf", "-dW", plugin])
        run.check(f"{kind}: stays mapped", "NODELETE" in dynamic, "the flag NODELETE is not set")
        run.check(f"{kind}: needs no libmidisock", "libmidisock.so" not in dynamic, "it needs libmidisock.so")
        exported = run.must(["nm", "-D", "--defined-only", plugin])
        run.check(f"{kind}: exports nothing of midisock", " midisock_" not in exported, "it does")


def with_the_shared_library(run):
    """The option to ship libmidisock.so beside each plugin. This only links again. The build itself loads the plugins, to read
    their manifests."""
    folder = BUILD / "bridge"
    plugins = {"VST3": "midisock Bridge.so", "LV2": "libmidisock Bridge.so", "Standalone": "midisock Bridge"}
    beside = []
    try:
        cmake(run, "-DMIDISOCK_BRIDGE_SHARED=ON", folder)
        cmake(run, "--build", folder, "--target", *(f"MidisockBridge_{kind}" for kind in plugins))
        for kind, name in plugins.items():
            plugin = program("bridge", name)
            beside.append(plugin.parent / SONAME)
            dynamic = run.must(["readelf", "-dW", plugin])
            run.check(f"shared {kind}: needs libmidisock, beside itself",
                      f"[{SONAME}]" in dynamic and "[$ORIGIN]" in dynamic and beside[-1].is_file(), dynamic)
            found = run.must(["ldd", plugin])
            run.check(f"shared {kind}: finds that one", f"{beside[-1]}" in found, found)
    finally:
        cmake(run, "-DMIDISOCK_BRIDGE_SHARED=OFF", folder)
        cmake(run, "--build", folder)
        for library in beside:
            library.unlink(missing_ok=True)
