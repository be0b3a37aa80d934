"""The ABI against its committed baseline, and structs that grow."""

import re

from project import HEADER, TESTS, fresh
from runner import Failure, expect, suite, tail
from suites_installed import LIB, OUT, PREFIX, STRICT, set_environment

FOLDER = TESTS / "abi"
SYMBOLS = FOLDER / "symbols.txt"
CONSTANTS = FOLDER / "constants.txt"
BASELINE = FOLDER / "midisock.abi"

UPDATE = "after a compatible change run tests/abi/update; for an incompatible one see docs/abi.md"
# Bits of abidiff's exit status.
CHANGED, INCOMPATIBLE = 4, 8


@suite("abi", "the ABI against its committed baseline, and structs that grow", budget=200, needs=["installed"],
       packages=["abigail-tools"])
def abi(run):
    set_environment(run)
    run.step("exported symbols", symbols, run)
    run.step("constants", same_constants, run)
    out = fresh(OUT / "abi")
    for age in ("older", "newer"):
        run.step(f"a caller built with a {age} header", growth, run, out, age)
    if run.needs("abidiff", "abidw", "abidiff", package="abigail-tools"):
        run.step("abidiff with the baseline", abidiff, run, out)
        run.step("abidiff reports incompatible changes", abidiff_notices, run, out)


def lines(path):
    return path.read_text().split("\n")[:-1]


def compare_lists(committed, present, what):
    removed, added = sorted(set(committed) - set(present)), sorted(set(present) - set(committed))
    expect(not removed and not added, f"{what} removed: {removed}\n{what} added: {added}\n{UPDATE}")


def symbols(run):
    """The library exports the listed functions, and the header declares the same ones. No symbol is versioned or weak."""
    committed = lines(SYMBOLS)
    expect(len(committed) > 20, "hardly any symbols are listed")
    compare_lists(committed, declared(run, HEADER), "functions of the header")
    exported = []
    for line in run.must(["nm", "-D", "--defined-only", LIB / "libmidisock.so"]).splitlines():
        _, kind, name = line.split()
        expect(kind == "T", f"{name} is exported as {kind}")
        exported.append(name)
    compare_lists(committed, exported, "exported symbols")


def preprocessed(run, header):
    return run.must(["gcc", "-E", "-P", f"-I{header.parents[1]}", "-x", "c", header])


def declared(run, header):
    return re.findall(r"\b(midisock_\w+)\s*\([^;{}]*\)\s*;", preprocessed(run, header))


def constants(run, header):
    """The values of the header's macros but its version: callers have them compiled in."""
    macros = run.must(["gcc", "-dM", "-E", "-x", "c", header])
    found = []
    for name, value in re.findall(r"^#define (MIDISOCK_\w+) (\S+)$", macros, re.MULTILINE):
        if re.fullmatch(r"-?\d+|UINT64_MAX", value) and not name.startswith("MIDISOCK_VERSION_"):
            found.append(f"{name} {value}")
    return sorted(found)


def same_constants(run):
    committed = lines(CONSTANTS)
    expect(len(committed) > 40, "hardly any constants are listed")
    compare_lists(committed, constants(run, HEADER), "constants")


def stub(run, header, folder):
    """A library with the header's functions and types as C programs see them. The real library's debug information also
    describes its internal Rust types, which are no part of the ABI."""
    source = re.sub(r"(\bmidisock_\w+\s*\([^;{}]*\))\s*;", r"\1 { __builtin_trap(); }", preprocessed(run, header))
    (folder / "midisock.c").write_text(source)
    run.must(["gcc", "-std=c99", "-g", "-O0", "-shared", "-fPIC", "-Wl,-soname,libmidisock.so.1", "-o", "libmidisock.so",
              "midisock.c"], cwd=folder)
    return folder / "libmidisock.so"


def describe(run, header, folder):
    text = run.must(["abidw", "--no-show-locs", "--no-corpus-path", "--no-comp-dir-path", "--no-elf-needed",
                     stub(run, header, folder)])
    expect("midisock_message" in text and str(folder) not in text, "abidw does not describe the C types")
    return text


def compare(run, folder, header):
    """abidiff's exit status and output."""
    finished = run.command(["abidiff", "--harmless", BASELINE, stub(run, header, folder)], timeout=120)
    expect(finished.status >= 0 and not finished.status & 3, f"abidiff failed: {tail(finished.output)}")
    return finished.status, finished.output


def abidiff(run, out):
    status, output = compare(run, fresh(out / "now"), HEADER)
    expect(not status & INCOMPATIBLE, f"incompatible:\n{tail(output)}\nsee docs/abi.md")
    expect(not status & CHANGED, f"changed:\n{tail(output)}\n{UPDATE}")


def changed_header(folder, *changes):
    """A copy of the header with some text replaced, as another version of midisock might have it."""
    text = HEADER.read_text()
    for old, new in changes:
        expect(len(re.findall(old, text, re.DOTALL)) == 1, f"the header does not have {old} exactly once")
        text = re.sub(old, new, text, flags=re.DOTALL)
    header = fresh(folder) / "midisock" / "midisock.h"
    header.parent.mkdir()
    header.write_text(text)
    return header


def abidiff_notices(run, out):
    incompatible = {
        "a wider field": (r"uint32_t size;", "uint64_t size;"),
        "a removed field": (r"  uint32_t frame;\n", ""),
        "two fields exchanged": (r"uint64_t messages_in;(.*?)uint64_t messages_out;",
                                 r"uint64_t messages_out;\1uint64_t messages_in;"),
        "another type of argument": (r"(midisock_listen\(const char \*host,\s*)uint16_t", r"\1uint32_t"),
        "a removed function": (r"MIDISOCK_API\s+midisock_result midisock_skip\([^;]*;", ""),
    }
    for name, change in incompatible.items():
        status, output = compare(run, fresh(out / "stub"), changed_header(out / "changed", change))
        if not status & (CHANGED | INCOMPATIBLE):
            raise Failure(f"abidiff does not report {name}:\n{output}")


# Fields are removed from the end, or added there.
OLDER = [(r"  uint32_t tick_us;.*?\n} midisock_config;", "} midisock_config;"),
        (r"  uint64_t rejected;.*?\n} midisock_stats;", "} midisock_stats;"),
        (r"  int64_t position;\n} midisock_block;", "} midisock_block;")]
NEWER = [(r"\} midisock_config;", "  uint32_t future_number;\n  const char *future_pointer;\n} midisock_config;"),
          (r"\} midisock_stats;", "  uint64_t future_count;\n} midisock_stats;"),
          (r"\} midisock_block;", "  uint32_t future_number;\n  uint32_t future_reserved;\n} midisock_block;")]


def growth(run, out, age):
    header = changed_header(out / age, *(OLDER if age == "older" else NEWER))
    program = out / f"growth-{age}"
    flags = [flag for flag in STRICT if not flag.startswith("-I")]
    run.must(["gcc", "-std=c99", *flags, f"-D{age.upper()}", f"-I{header.parents[1]}", FOLDER / "growth.c", "-o", program,
              f"-L{LIB}", "-lmidisock", f"-Wl,-rpath,{LIB}"])
    expect(run.must([program], timeout=60).strip() == "ok", "it did not print ok")
    expect((PREFIX / "include" / "midisock" / "midisock.h").read_text() != header.read_text(), "it is the present header")
