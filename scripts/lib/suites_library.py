"""The shared library as it ships, and the C header."""

import re

import compilers
from project import LIB, OUT, ROOT, SONAME, TARGET, declared_functions, what_lacks
from runner import Failure, suite, tail

RELEASE = TARGET / "release"


@suite("library", "release build", budget=420)
def library(run):
    command = ["cargo", "build", "--release", "--locked"]
    finished = run.command(command)
    if finished.status != 0:
        lacking = what_lacks(finished.output)
        raise Failure("\n".join([*lacking, f"{' '.join(command)}: exit status {finished.status}", tail(finished.output)]))
    built = RELEASE / "libmidisock.so"
    if not built.exists():
        raise Failure(f"cargo did not make {built}")
    LIB.mkdir(parents=True, exist_ok=True)
    for name in ("libmidisock.so", SONAME):
        link = LIB / name
        link.unlink(missing_ok=True)
        link.symlink_to(built)
    run.ok("cargo build --release")


@suite("shipped", "the library's LTO, SONAME, link flags and exported symbols", budget=60,
       needs=["library"])
def shipped(run):
    built = RELEASE / "libmidisock.so"
    dynamic = run.must(["readelf", "-dW", built])
    run.check("SONAME", re.search(rf"\(SONAME\).*\[{re.escape(SONAME)}\]", dynamic),
              f"it is not {SONAME}")
    flags = set(re.findall(r"\w+", "".join(re.findall(r"\((?:FLAGS|FLAGS_1)\)(.*)", dynamic))))
    run.check("never unmapped", "NODELETE" in flags, "the flag NODELETE is not set")
    run.check("immediate binding", "NOW" in flags or "BIND_NOW" in flags,
              "the flag NOW is not set")
    run.check("no text relocations", "(TEXTREL)" not in dynamic, "it has a TEXTREL entry")
    needed = set(re.findall(r"\(NEEDED\).*\[([^\]]+)\]", dynamic))
    system = r"(libc|libm|libgcc_s|libpthread|libdl|librt|ld-linux[\w-]*)\.so\.\d+"
    foreign = sorted(n for n in needed if not re.fullmatch(system, n))
    run.check("system libraries only", not foreign, f"it needs {', '.join(foreign)}")

    # With LTO all Rust code, including std, comes from one compilation unit. The compiler's own helpers
    # never take part.
    symbols = run.must(["readelf", "-sW", built])
    units = [u for u in re.findall(r"\sFILE\s+LOCAL\s+DEFAULT\s+ABS\s+(\S+)", symbols)
             if re.search(r"-cgu\.\d+$", u) and not u.startswith("compiler_builtins.")]
    run.check("link-time optimisation", len(units) == 1,
              f"code of {len(units)} compilation units, not 1: {', '.join(units)}")

    exported = {line.split()[-1] for line in
                run.must(["nm", "-D", "--defined-only", built]).splitlines() if line}
    declared = declared_functions()
    run.check("exports all of the header", declared and declared <= exported,
              f"declared only: {', '.join(sorted(declared - exported)) or 'nothing at all'}")
    run.check("exports no more than the header", exported <= declared,
              f"not declared: {', '.join(sorted(exported - declared))}")


@suite("static", "the static library in a host that has guard pages in its image", budget=60,
       needs=["library"])
def static(run):
    OUT.mkdir(parents=True, exist_ok=True)
    program = OUT / "guard_page"
    native = ["-lgcc_s", "-lutil", "-lrt", "-lpthread", "-lm", "-ldl", "-lc"]
    run.must([compilers.default().c, "-std=c99", *compilers.STRICT, *compilers.INCLUDES, "-o", program,
              ROOT / "tests" / "static" / "guard_page.c", RELEASE / "libmidisock.a", *native])
    run.case("reads none of the host's pages", [program])
    symbols = run.must(["nm", RELEASE / "libmidisock.so"])
    run.check("the shared library knows that it is one", " a midisock_shared_object\n" in symbols,
              "the link did not define midisock_shared_object")


@suite("header", "the header alone, C99 to C23 and C++11 to C++23, no warning", budget=120)
def header(run):
    program = ("#include <midisock/midisock.h>\n#include <midisock/midisock.h>\n"
               "midisock_config the_config = MIDISOCK_CONFIG_INIT;\nmidisock_block the_block = MIDISOCK_BLOCK_INIT;\n"
               "midisock_message the_message;\n")
    source = OUT / "header"
    source.mkdir(parents=True, exist_ok=True)
    for suffix in ("c", "cpp"):
        (source / f"alone.{suffix}").write_text(program)
    for compiler in compilers.available(run):
        for suffix, standards in compilers.STANDARDS.items():
            for standard in standards:
                if not compiler.knows(run, suffix, standard):
                    continue  # an older compiler: it has no such language
                run.case(f"{compiler.name} -std={standard}", [
                    compiler.program(suffix), f"-std={standard}", *compilers.STRICT,
                    *compiler.stricter(suffix), *compilers.INCLUDES, "-fsyntax-only",
                    source / f"alone.{suffix}"])
    names_are_ours(run)


def names_are_ours(run):
    """The header defines only macros MIDISOCK_*: any other could collide with a program's own."""
    compiler = compilers.default()

    def macros(name, text):
        source = OUT / "header" / name
        source.write_text(text)
        output = run.must([compiler.c, *compilers.INCLUDES, "-dM", "-E", source])
        return set(re.findall(r"^#define (\w+)", output, re.MULTILINE))

    system = macros("system.c", "#include <stddef.h>\n#include <stdint.h>\n")
    ours = macros("ours.c", "#include <midisock/midisock.h>\n") - system
    foreign = sorted(name for name in ours if not name.startswith("MIDISOCK_"))
    run.check("macros are MIDISOCK_*", ours and not foreign, f"these are not: {foreign}")
