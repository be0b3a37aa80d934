"""The C++ header: its tests in every language and compiler, what must not compile, and what it costs."""

import re
from concurrent.futures import ThreadPoolExecutor

from harness import INCLUDE, OUT, STRICT, TESTS, expect, fresh, tail
from library import LIB

SOURCES = TESTS / "cpp"
STANDARDS = ("c++17", "c++20", "c++2b")
CXX = [*STRICT, "-Wconversion", "-Wold-style-cast", "-Wundef"]
LINK = [f"-L{LIB}", "-lmidisock", f"-Wl,-rpath,{LIB}", "-lpthread"]


def run(harness):
    out = fresh(OUT / "cpp")
    compilers = ["g++"]
    if harness.needs("C++ header, clang", "clang++", package="clang"):
        compilers.append("clang++")
    for compiler in compilers:
        for standard in STANDARDS:
            harness.case(f"C++ header, {compiler} -std={standard}", tests, harness, out, compiler, [f"-std={standard}"])
        harness.case(f"C++ header, {compiler}, no exceptions, no RTTI", tests, harness, out, compiler,
                     ["-std=c++17", "-fno-exceptions", "-fno-rtti"])
        harness.case(f"C++ header, {compiler}, what must not compile", refused, harness, compiler)
    harness.case("C++ header, each file alone", alone, harness)
    harness.case("C++ header, one program of C++17 and C++20", mixed, harness, out)
    if harness.needs("no overhead over C", "valgrind", package="valgrind"):
        for compiler in compilers:
            harness.case(f"no overhead over C, {compiler}", overhead, harness, out, compiler)
    if harness.everything and harness.needs("realtime attributes", "clang++-22", package="clang-22"):
        harness.case("realtime attributes, clang 22", effects, harness, out)


def tests(harness, out, compiler, options):
    for source in sorted(SOURCES.glob("test_*.cpp")):
        program = out / source.stem
        harness.run(compiler, *options, *CXX, "-O1", source, "-o", program, *LINK)
        expect(harness.run(program, timeout=120).strip() == "ok", "it did not say ok")


def refused(harness, compiler):
    """Each for the reason it is there for: what the compiler says contains the word."""
    source = SOURCES / "refused.cpp"
    cases = re.findall(r"REFUSED == (\d+) // expect: (\S+)", source.read_text())
    expect(len(cases) == 17, f"{len(cases)} cases in {source.name}")
    compile_it = [compiler, "-std=c++17", *CXX, "-fsyntax-only", source]
    harness.run(*compile_it, "-DREFUSED=0")
    with ThreadPoolExecutor(2) as pool:
        outputs = list(pool.map(lambda case: harness.run(*compile_it, f"-DREFUSED={case[0]}", ok=False), cases))
    for (number, word), output in zip(cases, outputs):
        errors = "\n".join(line for line in output.splitlines() if "error:" in line or "note:" in line)
        expect(word in errors, f"case {number} is refused for another reason than {word}:\n{tail(output)}")


def alone(harness):
    for header in [INCLUDE / "midisock" / "midisock.hpp", *sorted((INCLUDE / "midisock" / "cpp").glob("*.hpp"))]:
        # Not as the main file, where #pragma and static functions are looked at otherwise.
        harness.run("g++", "-std=c++17", *CXX, "-fsyntax-only", "-include", header, "-x", "c++", "/dev/null")


def mixed(harness, out):
    """Translation units with std::span and without are linked into one program."""
    (out / "a.cpp").write_text("#include <midisock/midisock.hpp>\n"
                               "unsigned other();\n"
                               "int main() { midisock::message m; const unsigned char b[] = {0xF8}; m.data = b;\n"
                               "  m.size = 1; return m.data_bytes().size() == other() ? 0 : 1; }\n")
    (out / "b.cpp").write_text("#include <midisock/midisock.hpp>\n"
                               "unsigned other();\n"
                               "unsigned other() { midisock::message m; const unsigned char b[] = {0xF8}; m.data = b;\n"
                               "  m.size = 1; return static_cast<unsigned>(m.data_bytes().size()); }\n")
    for name, standard in (("a", "c++17"), ("b", "c++20")):
        harness.run("g++", f"-std={standard}", *CXX, "-O0", "-c", out / f"{name}.cpp", "-o", out / f"{name}.o")
    harness.run("g++", out / "a.o", out / "b.o", "-o", out / "mixed", *LINK)
    harness.run(out / "mixed")


# Instructions of the header beyond C's in a round, and why; there are none in a call, nor for a message.
BEYOND = {"messages": 1,  # once a loop: the port's address is put beside the message, in the range
          "built": 1}     # the same three checks, laid out otherwise, with one jump less


def overhead(harness, out, compiler):
    """Instructions of the same work in C, and in C++ through the header: the program's own, those of the library being the
    same. A thousand rounds: what a function spends once, and only once, does not count."""
    c = {"g++": "gcc"}.get(compiler, compiler.replace("++", ""))
    program, objects, profile = out / "overhead", out / "overhead_c.o", out / "callgrind.overhead"
    # Called without a detour, which would be a function of the program.
    optimised = ["-O2", "-fno-plt", "-I", INCLUDE]
    harness.run(c, "-std=c99", *STRICT, *optimised, "-c", SOURCES / "overhead_c.c", "-o", objects)
    harness.run(compiler, "-std=c++17", *CXX, *optimised, SOURCES / "overhead_cpp.cpp", SOURCES / "overhead_main.cpp",
                objects, "-o", program, *LINK)
    kinds = re.findall(r"X\((\w+)\)", (SOURCES / "overhead.hpp").read_text())
    profile.unlink(missing_ok=True)
    harness.run("valgrind", "--tool=callgrind", "--compress-strings=no", "--compress-pos=no", "--toggle-collect=c_*",
                "--toggle-collect=cpp_*", f"--callgrind-out-file={profile}", program)
    spent = own_instructions(profile.read_text(), str(program))
    lines, more = [], []
    for kind in kinds:
        plain, header = (spent[f"{language}_{kind}"] / 1000 for language in ("c", "cpp"))
        expect(plain >= 3, f"hardly anything was counted of {kind}")
        lines.append(f"{kind} {plain:.2f} {header:.2f}")
        if round(header - plain) > BEYOND.get(kind, 0):
            more.append(kind)
    print(f"        instructions a round, from C and through the C++ header: {', '.join(lines)}")
    expect(not more, f"more through the header: {', '.join(more)}")


def own_instructions(profile, program):
    """What callgrind counted for each function of the program: its own instructions, and those of the program's functions
    that it calls, such as one of the header that was not inlined, with all they call."""
    spent, where, name, callee, pending = {}, None, None, None, False
    for line in profile.splitlines():
        if line.startswith("ob="):
            where = line[3:]
        elif line.startswith("fn="):
            name, callee = line[3:].split("'")[0], None
        elif line.startswith("cob="):
            callee = line[4:]
        elif line.startswith("cfn="):
            called = line[4:]
        elif line.startswith("calls="):
            pending = True
        elif re.match(r"[\d+*-]+ \d+$", line):
            ours = where == program and (not pending or (callee or where) == program and called != "fill")
            if name and ours:
                spent[name] = spent.get(name, 0) + int(line.split()[1])
            pending, callee = False, None
    return spent


def effects(harness, out):
    """A realtime function may call what the header marks as realtime, and nothing else of it."""
    program = """#include <midisock/midisock.hpp>
    void process(midisock::port &p, midisock::server &s) noexcept [[clang::nonblocking]];
    void process(midisock::port &p, midisock::server &s) noexcept [[clang::nonblocking]] {
        midisock::message m;
        (void)p.push(midisock::note_on(0, 60, 100)); (void)p.pop(m); (void)p.skip(); (void)p.panic(); (void)p.reset();
        (void)s.push_to(1, midisock::stop()); (void)s.client_count(); (void)p.state(); (void)p.stats();
        for (const midisock::message &in : p.messages()) { (void)p.push(in.data_bytes()); }
        for (const midisock::message &in : p.begin_block({64, 48000.0})) { (void)in.is_note_on(); }
        %s
    }
    """
    compile_it = ["clang++-22", "-std=c++20", "-Wfunction-effects", *STRICT, "-fsyntax-only"]
    for number, call in enumerate(("", "p.close();", "(void)p.flush();", "(void)p.wait(midisock::event::message);",
                                   "(void)p.poll_notification();", "midisock::port q = static_cast<midisock::port &&>(p);")):
        source = out / f"effects{number}.cpp"
        source.write_text(program % call)
        output = harness.run(*compile_it, source, ok=not call)
        expect(not call or "function-effects" in output, f"{call} is refused for another reason:\n{tail(output)}")
