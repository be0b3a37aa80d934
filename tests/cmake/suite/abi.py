"""The ABI against its committed baseline, and structs that grow."""

import re
import subprocess

from harness import INCLUDE, OUT, STRICT, TESTS, Failed, expect, fresh, tail
from library import LIB, PREFIX

FOLDER = TESTS / "abi"
SYMBOLS = FOLDER / "symbols.txt"
CONSTANTS = FOLDER / "constants.txt"
BASELINE = FOLDER / "midisock.abi"
HEADER = INCLUDE / "midisock" / "midisock.h"

UPDATE = "a compatible change is recorded by tests/abi/update; for another one see docs/abi.md"
# Bits of abidiff's exit status.
CHANGED, INCOMPATIBLE = 4, 8


def run(harness):
    harness.case("ABI: exported symbols", symbols, harness)
    harness.case("ABI: constants", same_constants, harness)
    out = fresh(OUT / "abi")
    for age in ("PAST", "FUTURE"):
        harness.case(f"ABI: a caller with a header of the {age.lower()}", growth, harness, out, age)
    if harness.needs("ABI: abidiff", "abidw", "abidiff", package="abigail-tools"):
        harness.case("ABI: abidiff with the baseline", abidiff, harness, out)
        harness.case("ABI: abidiff notices what is incompatible", abidiff_notices, harness, out)


def lines(path):
    return path.read_text().split("\n")[:-1]


def difference(committed, now, what):
    gone, new = sorted(set(committed) - set(now)), sorted(set(now) - set(committed))
    expect(not gone and not new, f"{what} no longer there: {gone}\n{what} new: {new}\n{UPDATE}")


def symbols(harness):
    """The library exports what the list has, which is what the header declares; nothing is versioned or weak."""
    committed = lines(SYMBOLS)
    expect(len(committed) > 20, "hardly any symbols are listed")
    difference(committed, declared(harness, HEADER), "functions of the header")
    exported = []
    for line in harness.run("nm", "-D", "--defined-only", LIB / "libmidisock.so").splitlines():
        _, kind, name = line.split()
        expect(kind == "T", f"{name} is exported as {kind}")
        exported.append(name)
    difference(committed, exported, "exported symbols")


def preprocessed(harness, header):
    return harness.run("gcc", "-E", "-P", f"-I{header.parents[1]}", "-x", "c", header)


def declared(harness, header):
    return re.findall(r"\b(midisock_\w+)\s*\([^;{}]*\)\s*;", preprocessed(harness, header))


def constants(harness, header):
    """The values of the header's macros, those of its own version apart: callers have them compiled in."""
    macros = harness.run("gcc", "-dM", "-E", "-x", "c", header)
    found = []
    for name, value in re.findall(r"^#define (MIDISOCK_\w+) (\S+)$", macros, re.MULTILINE):
        if re.fullmatch(r"-?\d+|UINT64_MAX", value) and not name.startswith("MIDISOCK_VERSION_"):
            found.append(f"{name} {value}")
    return sorted(found)


def same_constants(harness):
    committed = lines(CONSTANTS)
    expect(len(committed) > 40, "hardly any constants are listed")
    difference(committed, constants(harness, HEADER), "constants")


def stub(harness, header, folder):
    """A library with the header's functions and types as C programs see them. The real one's debug information
    describes its insides in Rust, of which a port's are nobody's business."""
    source = re.sub(r"(\bmidisock_\w+\s*\([^;{}]*\))\s*;", r"\1 { __builtin_trap(); }", preprocessed(harness, header))
    (folder / "midisock.c").write_text(source)
    harness.run("gcc", "-std=c99", "-g", "-O0", "-shared", "-fPIC", "-Wl,-soname,libmidisock.so.0", "-o", "libmidisock.so",
                "midisock.c", cwd=folder)
    return folder / "libmidisock.so"


def describe(harness, header, folder):
    text = harness.run("abidw", "--no-show-locs", "--no-corpus-path", "--no-comp-dir-path", "--no-elf-needed",
                       stub(harness, header, folder))
    expect("midisock_message" in text and str(folder) not in text, "the description is not what it should be")
    return text


def compare(harness, folder, header):
    """abidiff's exit status, and what it says."""
    process = subprocess.run(["abidiff", "--harmless", BASELINE, stub(harness, header, folder)], capture_output=True,
                             text=True, timeout=120)
    expect(not process.returncode & 3, f"abidiff failed: {process.stderr}")
    return process.returncode, process.stdout


def abidiff(harness, out):
    status, says = compare(harness, fresh(out / "now"), HEADER)
    expect(not status & INCOMPATIBLE, f"incompatible:\n{tail(says)}\nsee docs/abi.md")
    expect(not status & CHANGED, f"changed:\n{tail(says)}\n{UPDATE}")


def changed_header(folder, *changes):
    """The header with text in it replaced, as another version of midisock would have it."""
    text = HEADER.read_text()
    for old, new in changes:
        expect(len(re.findall(old, text, re.DOTALL)) == 1, f"the header does not have {old} once")
        text = re.sub(old, new, text, flags=re.DOTALL)
    header = fresh(folder) / "midisock" / "midisock.h"
    header.parent.mkdir()
    header.write_text(text)
    return header


def abidiff_notices(harness, out):
    incompatible = {
        "a wider field": (r"uint32_t size;", "uint64_t size;"),
        "a field that has gone": (r"  uint32_t frame;\n", ""),
        "two fields exchanged": (r"uint64_t messages_in;(.*?)uint64_t messages_out;",
                                 r"uint64_t messages_out;\1uint64_t messages_in;"),
        "another argument": (r"(midisock_listen\(const char \*host,\s*)uint16_t", r"\1uint32_t"),
        "a function that has gone": (r"MIDISOCK_API\s+midisock_result midisock_skip\([^;]*;", ""),
    }
    for name, change in incompatible.items():
        status, says = compare(harness, fresh(out / "stub"), changed_header(out / "changed", change))
        if not status & (CHANGED | INCOMPATIBLE):
            raise Failed(f"{name} goes unnoticed:\n{says}")


# Fields are dropped from the end, or added there.
PAST = [(r"  uint32_t tick_us;.*?\n} midisock_config;", "} midisock_config;"),
        (r"  uint64_t rejected;.*?\n} midisock_stats;", "} midisock_stats;")]
FUTURE = [(r"\} midisock_config;", "  uint32_t future_number;\n  const char *future_pointer;\n} midisock_config;"),
          (r"\} midisock_stats;", "  uint64_t future_count;\n} midisock_stats;"),
          (r"\} midisock_block;", "  uint32_t future_number;\n  uint32_t future_reserved;\n} midisock_block;")]


def growth(harness, out, age):
    header = changed_header(out / age, *(PAST if age == "PAST" else FUTURE))
    program = out / f"growth-{age.lower()}"
    flags = [flag for flag in STRICT if not flag.startswith("-I")]
    harness.run("gcc", "-std=c99", *flags, f"-D{age}", f"-I{header.parents[1]}", FOLDER / "growth.c", "-o", program,
                f"-L{LIB}", "-lmidisock", f"-Wl,-rpath,{LIB}")
    expect(harness.run(program, timeout=60).strip() == "ok", "it did not say ok")
    expect((PREFIX / "include" / "midisock" / "midisock.h").read_text() != header.read_text(), "it is the present header")
