"""What plain peers make of the frames of the sender-time extension: the table in docs/sender-time.md against the peers."""

import re
import subprocess
import threading
from pathlib import Path

import compilers
import environment
from compilers import STRICT
from project import OUT, ROOT
from runner import PROCESSES, Failure, expect, kill_group, suite, tail

TESTS = ROOT / "tests" / "peers"
INTO = OUT / "peers"
GUIDE = ROOT / "docs" / "sender-time.md"

FRAMES = {
    "hello": "f4 6d 73 01 00 12 34 56 78 01 04 00 54 00 65 00 73 00 74",
    "stamp": "f4 01 12 34 56 78",
    "ping": "f4 02 05 01 12 34 56 78",
}
# A frame stands between messages. The one before it may rely on running status.
BETWEEN = ("90 3c 40", "80 3c 40"), ("90 3c 40 3e 40", "80 3c 40")
# Behind it a note relies on the running status before it.
RUNNING = "90 3c 40", "3e 40"
END = "b0 7f 7f"

# JUCE without what these parts of it do not need.
JUCE_FLAGS = ["-std=c++17", "-O0", "-DNDEBUG=1", "-DJUCE_GLOBAL_MODULE_SETTINGS_INCLUDED=1", "-DJUCE_STANDALONE_APPLICATION=1",
              "-DJUCE_USE_CURL=0"]
JUCE_UNITS = ("juce_core", "juce_audio_basics")

PEERS = ("mido as a client", "mido as a server", "ALSA's library", "FluidSynth", "JUCE's inputs", "JUCE's `MidiMessage`")


def streams():
    """Streams with a frame, by the frame and what is before and behind it; without one by None."""
    return {(name, *around): f"{around[0]} {frame} {around[1]} {END}".replace("  ", " ")
            for around in (*BETWEEN, RUNNING) for name, frame in {None: "", **FRAMES}.items()}


def cells(meanings):
    """The cells of a peer's row, from what it made of each stream."""
    found = []
    for name in FRAMES:
        extras = set()
        for around in BETWEEN:
            plain, got = meanings[(None, *around)], meanings[(name, *around)]
            if [message for message in got if message != "f4"] != plain:
                extras.add(f"not the same messages: {got} rather than {plain}")
            elif got != plain:
                extras.add("`F4`")
            else:
                extras.add("nothing")
        found.append(" or ".join(sorted(extras)))
    without = "90 3e 40" in meanings[(None, *RUNNING)]
    behind = {"90 3e 40" in meanings[(name, *RUNNING)] for name in FRAMES}
    words = {(True, False): "lost", (True, True): "arrives", (False, False): "lost, also without a frame"}
    return [*found, " or ".join(sorted(words.get((without, one), "made up") for one in behind))]


def table():
    """The rows of the table in the guide."""
    rows = re.findall(r"^\| (.+?) \|$", GUIDE.read_text(), re.MULTILINE)
    split = [row.split(" | ") for row in rows]
    return {row[0]: row[1:] for row in split if row[0] in PEERS}


def ask(run, program):
    """What a program makes of each stream."""
    asked = streams()
    process = PROCESSES.start([str(word) for word in program], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
    late = threading.Timer(max(0.1, run.left()), kill_group, [process])
    late.start()
    try:
        output, _ = process.communicate("".join(stream + "\n" for stream in asked.values()))
    finally:
        late.cancel()
        PROCESSES.done(process)
    run.log(f"$ {program}\n{output}")
    lines = output.splitlines()
    if process.returncode != 0 or len(lines) != len(asked):
        raise Failure(f"{program[0]}: exit status {process.returncode}\n{tail(output)}")
    return dict(zip(asked, (line.split(" / ") for line in lines)))


def compare(run, peer, program):
    def compared():
        found, documented = cells(ask(run, program)), table().get(peer)
        expect(found == documented, f"{GUIDE.name} says {documented}, but it is {found}")

    run.step(peer, compared)


def compiled(run, name, *libraries):
    """A program in C, or None if its library is not here."""
    program = INTO / name
    program.unlink(missing_ok=True)
    run.must([compilers.default().c, "-std=c99", *STRICT, "-O1", "-o", program, TESTS / f"{name}.c", *libraries])
    return program


def juce(run, modules):
    """The program in C++. JUCE's own parts are compiled only if they are not there yet."""
    compiler = compilers.default().cxx
    flags = [*JUCE_FLAGS, "-isystem", modules]

    def unit(name):
        source, into = modules / name / f"{name}.cpp", INTO / f"{name}.o"
        if not into.exists() or into.stat().st_mtime < source.stat().st_mtime:
            run.must([compiler, *flags, "-w", "-c", source, "-o", into])
        return into

    objects = run.parallel(unit, JUCE_UNITS)
    program = INTO / "juce"
    run.must([compiler, *flags, "-Wall", "-Wextra", "-Werror", "-o", program, TESTS / "juce.cpp", *objects, "-ldl", "-lpthread",
              "-lrt", "-lz"])
    return program


@suite("peers", "what mido, ALSA, FluidSynth and JUCE make of the frames of sender time: the table in docs", budget=240,
       needs=["python"], packages=["libasound2-dev", "libfluidsynth-dev", "juce-modules-source", "zlib1g-dev"], extended=True)
def peers(run):
    INTO.mkdir(parents=True, exist_ok=True)
    # The control: a peer that makes something else of a frame is seen.
    wrong = {key: ["90 3c 40"] if key[0] is None else ["90 3c 40", "90 12 34"] for key in streams()}
    run.check("a made-up note is seen", "not the same messages" in cells(wrong)[0], cells(wrong)[0])
    for role in ("client", "server"):
        compare(run, f"mido as a {role}", [environment.PYTHON, "-B", TESTS / "mido_streams.py", role])
    if Path("/usr/include/alsa/asoundlib.h").exists():
        compare(run, "ALSA's library", [compiled(run, "alsa", "-lasound")])
    else:
        run.lacks("ALSA", "libasound2-dev")
    if Path("/usr/include/fluidsynth.h").exists():
        compare(run, "FluidSynth", [compiled(run, "fluidsynth", "-lfluidsynth", "-lpthread"), INTO / "fifo"])
    else:
        run.lacks("FluidSynth", "libfluidsynth-dev")
    modules = Path("/usr/share/juce/modules")
    if modules.is_dir():
        program = juce(run, modules)
        compare(run, "JUCE's inputs", [program])
        compare(run, "JUCE's `MidiMessage`", [program, "message"])
    else:
        run.lacks("JUCE", "juce-modules-source")
