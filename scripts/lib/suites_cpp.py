"""The C++ header: its tests by every compiler and standard, code that must not compile, and its overhead over C."""

import re

from project import CORES, INCLUDE, TESTS, fresh
from runner import expect, suite, tail
from suites_installed import LIB, OUT, STRICT, set_environment

SOURCES = TESTS / "cpp"
STANDARDS = ("c++17", "c++20", "c++2b")
CXX = [*STRICT, "-Wconversion", "-Wold-style-cast", "-Wundef"]
LINK = [f"-L{LIB}", "-lmidisock", f"-Wl,-rpath,{LIB}", "-lpthread"]


@suite("cpp", "the C++ header: tests, code that must not compile, overhead over C", budget=400, needs=["installed"],
       packages=["clang", "clang-22", "valgrind"])
def cpp(run):
    set_environment(run)
    out = fresh(OUT / "cpp")
    compilers = ["g++"]
    if run.needs("C++ header, clang", "clang++", package="clang"):
        compilers.append("clang++")
    for compiler in compilers:
        for standard in STANDARDS:
            run.step(f"C++ header, {compiler} -std={standard}", tests, run, out, compiler, [f"-std={standard}"])
        run.step(f"C++ header, {compiler}, no exceptions, no RTTI", tests, run, out, compiler,
                 ["-std=c++17", "-fno-exceptions", "-fno-rtti"])
        run.step(f"C++ header, {compiler}, code that must not compile", refused, run, compiler)
    run.step("C++ header, each file alone", alone, run)
    run.step("C++ header, one program of C++17 and C++20", mixed, run, out)
    if run.needs("no overhead over C", "valgrind", package="valgrind"):
        for compiler in compilers:
            run.step(f"no overhead over C, {compiler}", overhead, run, out, compiler)
    if run.everything and run.needs("realtime attributes", "clang++-22", package="clang-22"):
        run.step("realtime attributes, clang 22", effects, run, out)


def tests(run, out, compiler, options):
    for source in sorted(SOURCES.glob("test_*.cpp")):
        program = out / source.stem
        run.must([compiler, *options, *CXX, "-O1", source, "-o", program, *LINK])
        expect(run.must([program], timeout=120).strip() == "ok", "it did not print ok")


def refused(run, compiler):
    """Each case fails for its own reason: the compiler's errors contain the expected word."""
    source = SOURCES / "refused.cpp"
    cases = re.findall(r"REFUSED == (\d+) // expect: (\S+)", source.read_text())
    expect(len(cases) == 17, f"{len(cases)} cases in {source.name}")
    compile_it = [compiler, "-std=c++17", *CXX, "-fsyntax-only", source]
    run.must([*compile_it, "-DREFUSED=0"])
    outputs = run.parallel(lambda case: run.must_fail([*compile_it, f"-DREFUSED={case[0]}"]), cases, CORES)
    for (number, word), output in zip(cases, outputs):
        errors = "\n".join(line for line in output.splitlines() if "error:" in line or "note:" in line)
        expect(word in errors, f"case {number} is refused for another reason than {word}:\n{tail(output)}")


def alone(run):
    for header in [INCLUDE / "midisock" / "midisock.hpp", *sorted((INCLUDE / "midisock" / "cpp").glob("*.hpp"))]:
        # Included rather than compiled as the main file, which has other warnings.
        run.must(["g++", "-std=c++17", *CXX, "-fsyntax-only", "-include", header, "-x", "c++", "/dev/null"])


def mixed(run, out):
    """One program links translation units with and without std::span."""
    (out / "a.cpp").write_text("#include <midisock/midisock.hpp>\n"
                               "unsigned other();\n"
                               "int main() { midisock::message m; const unsigned char b[] = {0xF8}; m.data = b;\n"
                               "  m.size = 1; return m.data_bytes().size() == other() ? 0 : 1; }\n")
    (out / "b.cpp").write_text("#include <midisock/midisock.hpp>\n"
                               "unsigned other();\n"
                               "unsigned other() { midisock::message m; const unsigned char b[] = {0xF8}; m.data = b;\n"
                               "  m.size = 1; return static_cast<unsigned>(m.data_bytes().size()); }\n")
    for name, standard in (("a", "c++17"), ("b", "c++20")):
        run.must(["g++", f"-std={standard}", *CXX, "-O0", "-c", out / f"{name}.cpp", "-o", out / f"{name}.o"])
    run.must(["g++", out / "a.o", out / "b.o", "-o", out / "mixed", *LINK])
    run.must([out / "mixed"])


# Additional instructions of the C++ header in each round, and why. There are none for each call or message.
BEYOND = {"messages": 1,  # once for each loop: the range stores the port's address
          "built": 1}     # the same three checks in another order, with one jump less


def overhead(run, out, compiler):
    """Compares the program's own instructions for the same work in C and through the C++ header. In a thousand rounds the
    instructions that a function spends only once do not count."""
    c = {"g++": "gcc"}.get(compiler, compiler.replace("++", ""))
    program, objects, profile = out / "overhead", out / "overhead_c.o", out / "callgrind.overhead"
    # No PLT: its stubs would count as functions of the program.
    optimised = ["-O2", "-fno-plt", "-I", INCLUDE]
    run.must([c, "-std=c99", *STRICT, *optimised, "-c", SOURCES / "overhead_c.c", "-o", objects])
    run.must([compiler, "-std=c++17", *CXX, *optimised, SOURCES / "overhead_cpp.cpp", SOURCES / "overhead_main.cpp",
              objects, "-o", program, *LINK])
    kinds = re.findall(r"X\((\w+)\)", (SOURCES / "overhead.hpp").read_text())
    profile.unlink(missing_ok=True)
    run.must(["valgrind", "--tool=callgrind", "--compress-strings=no", "--compress-pos=no", "--toggle-collect=c_*",
              "--toggle-collect=cpp_*", f"--callgrind-out-file={profile}", program])
    spent = own_instructions(profile.read_text(), str(program))
    lines, more = [], []
    for kind in kinds:
        plain, header = (spent[f"{language}_{kind}"] / 1000 for language in ("c", "cpp"))
        expect(plain >= 3, f"hardly anything was counted of {kind}")
        lines.append(f"{kind} {plain:.2f} {header:.2f}")
        if round(header - plain) > BEYOND.get(kind, 0):
            more.append(kind)
    run.figure(f"instructions a round, from C and through the C++ header: {', '.join(lines)}")
    expect(not more, f"more through the header: {', '.join(more)}")


def own_instructions(profile, program):
    """Callgrind's count for each function of the program: its own instructions, and those of the program's functions that it
    calls, such as functions of the header that were not inlined."""
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


def effects(run, out):
    """A realtime function may call the functions that the header marks as realtime, and no others."""
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
        output = (run.must_fail if call else run.must)([*compile_it, source])
        expect(not call or "function-effects" in output, f"{call} is refused for another reason:\n{tail(output)}")
