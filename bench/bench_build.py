"""Builds what is measured: the release library, the benchmark programs, the peers."""

import os
import subprocess
import sys
from pathlib import Path

import compilers
import environment
import packages
import runner
import suites  # noqa: F401  registers them
import virtual_time
from project import LIB, OUT, ROOT

BENCH = ROOT / "bench"
# How long a command may take.
SECONDS = 900
PROGRAMS = OUT / "bench"
PEERS = OUT / "peers"
SOURCES = ("stream", "roundtrip", "bare_echo", "port_echo", "host_echo", "queue", "idle", "push", "arrival", "fan",
           "memory", "share", "placement", "tick", "spacing", "jitter", "stalls")
# Those that also run with another build of the library. They use only names that its header knows too.
COMPARED = ("stream", "port_echo", "push", "idle", "fan", "queue")
PARSER = PEERS / "release" / "parser"
# The queues that are compared with the library's.
QUEUE_LINKS = ["-L", PEERS / "release", "-lmidisock_bench_peers", "-L", PROGRAMS, "-lqueues",
               f"-Wl,-rpath,{PEERS / 'release'}:{PROGRAMS}"]

# What others build with; each is left out of the comparison where it is not there. By name: the Debian package, a file
# of it, and what it takes to compile and to link with.
JUCE = Path("/usr/share/juce/modules")
OTHERS = {
    "JACK": ("libjack-jackd2-dev", "/usr/include/jack/ringbuffer.h", [], ["-ljack"]),
    "BOOST": ("libboost-dev", "/usr/include/boost/lockfree/spsc_queue.hpp", [], []),
    "JUCE": ("juce-modules-source", JUCE / "juce_core" / "juce_core.h",
             ["-DJUCE_GLOBAL_MODULE_SETTINGS_INCLUDED=1", "-isystem", JUCE], []),
    "LIBLO": ("liblo-dev", "/usr/include/lo/lo.h", [], ["-llo"]),
}
PACKAGES = [package for package, *_ in OTHERS.values()]


class Runs:
    """What packages.py and virtual_time.py need of a run."""

    @staticmethod
    def command(arguments, cwd=None):
        finished = subprocess.run(list(map(str, arguments)), cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL, text=True, timeout=SECONDS, check=False)
        return runner.Finished(finished.returncode, finished.stdout)

    @staticmethod
    def must(arguments, env=None, cwd=None):
        finished = subprocess.run(list(map(str, arguments)), env={**os.environ, **(env or {})}, cwd=cwd, stdout=subprocess.PIPE,
                                  text=True, timeout=SECONDS, check=True)
        return finished.stdout


def others():
    """The names of those of OTHERS that are here."""
    return [name for name, (_, file, *_) in OTHERS.items() if Path(file).exists()]


def install_others(parts):
    """Installs what is compared with, and what these parts need, where this runs as root."""
    if packages.can_install():
        packages.install(Runs, PACKAGES + (virtual_time.PACKAGES if "virtual" in parts and virtual_time.is_possible() else []))
    missing = [OTHERS[name][0] for name in OTHERS if name not in others()]
    if missing:
        say(f"left out of the comparison, not installed: {' '.join(missing)}")


def build():
    """Builds everything; whether that succeeded. mido may be missing: see `python_with_mido`."""
    say("building: library")
    built = runner.run_one(runner.SUITES["library"], False, {})
    for case, why in built.failures:
        say(f"{case}: {why}")
    if built.failures:
        return False
    say("building: benchmark programs")
    build_programs(command)
    return True


def build_programs(execute):
    """Builds the programs and the peers; `execute` is called with each command and its directory."""
    execute(["cargo", "build", "--release", "--locked", "--quiet", "--target-dir", PEERS], cwd=BENCH / "peers")
    PROGRAMS.mkdir(parents=True, exist_ok=True)
    here = others()
    defines = [f"-DHAVE_{name}" for name in here]
    queues = PROGRAMS / "libqueues.so"
    compiler = compilers.default()
    execute([compiler.cxx, "-std=c++17", "-O2", "-fPIC", "-shared", "-DNDEBUG", *compilers.STRICT[:2], "-Werror", *defines,
             *(flag for name in here for flag in OTHERS[name][2]), BENCH / "peers" / "queues.cpp", "-o", queues,
             *(flag for name in here for flag in OTHERS[name][3])])
    links = {
        "queue": QUEUE_LINKS,
        "push": OTHERS["LIBLO"][3] if "LIBLO" in here else [],
        "liblo_echo": OTHERS["LIBLO"][3],
    }
    for name in (*SOURCES, *(["liblo_echo"] if "LIBLO" in here else [])):
        build_program(execute, name, *defines, *links.get(name, []))


def build_program(execute, name, *arguments):
    """Builds one program against the library; where it is."""
    PROGRAMS.mkdir(parents=True, exist_ok=True)
    _compile(execute, name, PROGRAMS / name, compilers.INCLUDES, *arguments, *compilers.LINK, "-lm")
    return PROGRAMS / name


def build_compared(execute, directory):
    """Builds the programs that also run with the library in `directory`, with the header that lies beside it; where they
    are. Structs may be laid out otherwise there. Without a header the programs for this build serve."""
    if not (directory / "include" / "midisock" / "midisock.h").exists():
        return PROGRAMS
    programs = PROGRAMS / "other"
    programs.mkdir(parents=True, exist_ok=True)
    for name in COMPARED:
        # No other sender than the library is measured with it.
        links = QUEUE_LINKS if name == "queue" else []
        _compile(execute, name, programs / name, ["-I", directory / "include"], *compilers.LINK, *links)
    return programs


def _compile(execute, name, program, includes, *options):
    # RUNPATH, which LD_LIBRARY_PATH overrides: the programs run with either library.
    execute([compilers.default().c, "-std=c99", "-O2", *compilers.STRICT, *includes, BENCH / f"{name}.c",
             BENCH / "bench.c", "-o", program, *options, "-Wl,--enable-new-dtags"])


def build_collector():
    """Placement by JUCE's MidiMessageCollector; None where JUCE's modules are not there."""
    if "JUCE" not in others():
        return None
    program = PROGRAMS / "placement_juce"
    if not program.exists():
        say("building: JUCE's MidiMessageCollector")
        modules = [JUCE / name / f"{name}.cpp" for name in
                   ("juce_core", "juce_events", "juce_audio_basics", "juce_audio_devices")]
        flags = ["-DNDEBUG", "-DJUCE_STANDALONE_APPLICATION=1", "-DJUCE_ALSA=0", "-DJUCE_JACK=0", "-DJUCE_USE_CURL=0",
                 "-DJUCE_WEB_BROWSER=0"]
        command([compilers.default().cxx, "-std=c++17", "-O1", "-w", *flags, *OTHERS["JUCE"][2], "-I", JUCE, "-o",
                 program, BENCH / "placement_juce.cpp", *modules, "-lpthread", "-ldl", "-lrt", "-lz"])
    return program


def python_with_mido():
    """The Python that has mido; None where it cannot be had."""
    outcome = runner.run_one(runner.SUITES["python"], False, {})
    return None if outcome.failures else environment.PYTHON


def library_environment(directory):
    """For running a program with the library in that directory."""
    return {**os.environ, "LD_LIBRARY_PATH": str(directory or LIB)}


def command(arguments, cwd=ROOT):
    subprocess.run([str(a) for a in arguments], cwd=cwd, check=True)


def say(text):
    """Progress, not the result."""
    print(text, file=sys.stderr, flush=True)
