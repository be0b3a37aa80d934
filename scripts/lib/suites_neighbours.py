"""The static library beside another Rust static library in one plugin: every linker, every order."""

import re

import debian_rust
from project import TESTS, TARGET, declared_functions, fresh, tool
from runner import expect, suite
from suites_installed import LIB, OUT, STRICT, set_environment

SOURCES = TESTS / "static"
LINK = ["-Wl,-z,nodelete", "-lpthread", "-lm", "-ldl"]
LINKERS = {"bfd": "binutils", "gold": "binutils", "lld": "lld", "mold": "mold"}
# The other library, built as shipped libraries are, and as cargo does unless it is told otherwise.
KINDS = {"lto": ["-Copt-level=2", "-Clto=fat", "-Ccodegen-units=1"], "plain": ["-Copt-level=2"]}


@suite("neighbours", "the static library beside other Rust static libraries: linkers, orders, two plugins in a host", budget=240,
       needs=["installed"], packages=["clang", "lld", "mold"], extended=True)
def neighbours(run):
    set_environment(run)
    out = fresh(OUT / "neighbours")
    run.step("one object, in which the header's functions alone are global, and hidden", one_object, run)
    others = {kind: other_library(run, "rustc", out / kind, KINDS[kind]) for kind in KINDS}
    if tool("apt-get"):
        rustc, _ = debian_rust.get(run)
        others["old"] = other_library(run, rustc, out / "old", KINDS["lto"])
    for compiler in ("gcc", "clang"):
        if not run.needs(compiler, compiler, package=compiler):
            continue
        folder = fresh(out / compiler)
        run.must([compiler, "-std=c11", "-D_GNU_SOURCE", *STRICT, SOURCES / "two_plugins.c", "-o", folder / "host", "-ldl", "-lpthread"])
        objects = compile_plugin(run, compiler, folder)
        run.step(f"{compiler}: cargo's own archive does not link there, as a control", control, run, compiler, objects, others["lto"])
        for linker, package in LINKERS.items():
            if run.needs(f"{compiler}, {linker}", f"ld.{linker}", package=package):
                # What is in the libraries matters to the linker, not to the compiler that calls it.
                for kind, other in others.items() if compiler == "gcc" else [("lto", others["lto"])]:
                    run.step(f"{compiler}, {linker}, {kind}", two_plugins, run, compiler, linker, objects, other, folder)


def other_library(run, rustc, folder, options):
    library = fresh(folder) / "libneighbour.a"
    run.must([rustc, "--edition", "2024", "--crate-type", "staticlib", *options, "-o", library, SOURCES / "neighbour.rs"])
    return library


def one_object(run):
    archive = LIB / "libmidisock.a"
    expect(len(run.must(["ar", "t", archive]).split()) == 1, "it is not one object")
    symbols = re.findall(r" (GLOBAL|WEAK) +(\w+) +(\w+) (\S+)$", run.must(["readelf", "-sW", archive]), re.MULTILINE)
    defined = {name: visibility for _, visibility, section, name in symbols if section != "UND"}
    expect(defined.keys() == declared_functions(),
           f"only in one of header and archive: {sorted(defined.keys() ^ declared_functions())}")
    seen = [name for name, visibility in defined.items() if visibility != "HIDDEN"]
    expect(not seen, f"not hidden: {seen}")


def compile_plugin(run, compiler, folder):
    sources = (TESTS / "unload" / "plugin.c", SOURCES / "plugin_sum.c")
    for source in sources:
        run.must([compiler, "-std=c11", "-O1", "-fPIC", "-fvisibility=hidden", *STRICT, "-c", source, "-o",
                  folder / f"{source.stem}.o"])
    return [folder / f"{source.stem}.o" for source in sources]


def control(run, compiler, objects, other):
    output = run.must_fail([compiler, "-shared", *objects, TARGET / "release" / "libmidisock.a", other, *LINK,
                            "-o", objects[0].parent / "control.so"])
    expect("multiple definition" in output, f"it fails otherwise:\n{output}")


def two_plugins(run, compiler, linker, objects, other, folder):
    """Each order of the libraries is a plugin, and both are loaded in one host. The third has all of both libraries."""
    ours = LIB / "libmidisock.a"
    whole = ["-Wl,--whole-archive", ours, other, "-Wl,--no-whole-archive"]
    plugins = []
    for number, libraries in enumerate(([*objects, ours, other], [*objects, other, ours], [*whole, *objects])):
        plugin = folder / f"plugin-{number}.so"
        run.must([compiler, f"-fuse-ld={linker}", "-shared", "-o", plugin, *libraries, *LINK])
        exported = set(re.findall(r" (midisock_\w+)$", run.must(["nm", "-D", "--defined-only", plugin]), re.MULTILINE))
        expect(not exported, f"it exports {sorted(exported)}")
        plugins.append(plugin)
    quiet = {"RUST_BACKTRACE": "0"}
    for pair in (plugins[:2], plugins[1:]):
        output = run.must([folder / "host", *pair], timeout=60, env=quiet)
        expect(output.strip().endswith("ok"), output)
