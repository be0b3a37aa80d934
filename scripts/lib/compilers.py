"""The installed C and C++ compilers and their flags."""

from dataclasses import dataclass

from project import INCLUDE, LIB, SOURCES, tool
from runner import Failure

# The header, the tests and the examples compile without these warnings.
STRICT = ("-Wall", "-Wextra", "-Wpedantic", "-Werror")
INCLUDES = ("-I", INCLUDE)
LINK = ("-L", LIB, "-lmidisock", f"-Wl,-rpath,{LIB}", "-lpthread")

# The language standards that the header supports. A standard that a compiler does not know is left out, except the first.
STANDARDS = {"c": ("c99", "c11", "c17", "c2x"), "cpp": ("c++11", "c++14", "c++17", "c++20", "c++2b")}


@dataclass(frozen=True)
class Compiler:
    name: str
    c: str
    cxx: str

    def program(self, suffix):
        return self.c if suffix == "c" else self.cxx

    def knows(self, run, suffix, standard):
        if standard == STANDARDS[suffix][0]:
            return True
        language = "c" if suffix == "c" else "c++"
        return run.command([self.program(suffix), f"-std={standard}", "-x", language,
                            "-fsyntax-only", "/dev/null"]).status == 0

    def stricter(self, suffix):
        """Further warnings for the header, which must compile cleanly in every program."""
        common = ["-Wshadow", "-Wundef", "-Wconversion"]
        if suffix == "c":
            return [*common, "-Wstrict-prototypes", "-Wmissing-prototypes"]
        return [*common, "-Wold-style-cast", "-Wzero-as-null-pointer-constant"]


GCC = Compiler("gcc", "gcc", "g++")
CLANG = Compiler("clang", "clang", "clang++")


def default():
    """The compiler for programs that are compiled by only one."""
    if tool("gcc"):
        return GCC
    if tool("clang"):
        return CLANG
    raise Failure(f"no C compiler: {SOURCES['gcc']}")


def available(run, cxx=True):
    """gcc and clang, each where it is installed, with its C++ compiler where that is asked for. A missing one is skipped, or
    fails: see Run.lacks."""
    found = []
    for compiler, packages in ((GCC, "gcc g++" if cxx else "gcc"), (CLANG, "clang")):
        if tool(compiler.c) and (tool(compiler.cxx) or not cxx):
            found.append(compiler)
        else:
            run.lacks(compiler.name, packages)
    if not found:
        raise Failure("no C and C++ compiler: apt-get install gcc g++" if cxx else f"no C compiler: {SOURCES['gcc']}")
    return found
