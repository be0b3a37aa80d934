"""The project's own files: scripts, changelog, licences; and what happens on machines that lack programs."""

import ast
import json
import os
import re
import sys
from pathlib import Path
from unittest import mock

import environment
import python_version
from project import OUT, ROOT, RUST, fresh, tool, version
from runner import Failure, Finished, expect, suite, tail


@suite("scripts", "shell and Python scripts parse, files are tidy", budget=60)
def scripts(run):
    for path in tracked_files():
        name = str(path.relative_to(ROOT))
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # binary
        first = text.split("\n", 1)[0]
        if path.suffix == ".sh" or (first.startswith("#!") and "bash" in first):
            run.case(f"bash -n {name}", ["bash", "-n", path])
        elif path.suffix == ".py" or (first.startswith("#!") and "python" in first):
            try:
                lines = stars_in_subscripts(ast.parse(text, name, feature_version=python_version.LEAST))
                run.check(f"parse {name}", not lines, f"lines {lines}: a star in a subscript needs a later Python")
            except SyntaxError as error:
                run.fail(f"parse {name}", f"line {error.lineno}: {error.msg}")
        problems = untidy(text)
        run.check(f"tidy {name}", not problems, "; ".join(problems))


def tracked_files():
    """The project's files, in a checkout or an unpacked archive, without ignored ones."""
    # A fuzzer's corpus is arbitrary bytes.
    ignored = {".git", "target", ".venv", "__pycache__", ".pytest_cache", "corpus"}
    for path in sorted(ROOT.rglob("*")):
        if path.is_file() and not ignored.intersection(path.relative_to(ROOT).parts):
            yield path


def stars_in_subscripts(tree):
    """The lines with subscripts like `a[0, *b]`. Python 3.10 cannot read them, and the parser for 3.10 does not say so."""
    return [node.lineno for node in ast.walk(tree)
            if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Tuple)
            and any(isinstance(one, ast.Starred) for one in node.slice.elts)
            # In parentheses the tuple begins before its first element.
            and node.slice.col_offset == node.slice.elts[0].col_offset]


def untidy(text):
    problems = []
    if text and not text.endswith("\n"):
        problems.append("no newline at the end")
    if "\r" in text:
        problems.append("a carriage return")
    for number, line in enumerate(text.split("\n"), 1):
        if line != line.rstrip():
            problems.append(f"white space at the end of line {number}")
            break
    return problems


CXX_COMPILERS = r"(.+-)?(g\+\+|c\+\+|clang\+\+)(-[\d.]+)?"
C_COMPILERS = r"(.+-)?(gcc|cc|c99|c89|clang|tcc)(-[\d.]+)?"


@suite("prerequisites", "scripts/demo and scripts/test on machines that lack programs", budget=200, needs=["library", "python"])
def prerequisites(run):
    run.step("the demo needs no C++ compiler", demo_without_cxx, run)
    for program, pattern, how in (("cargo", "cargo|rustup", "https://rustup.rs"),
                                  ("a C compiler", f"{C_COMPILERS}|{CXX_COMPILERS}", "apt-get install gcc")):
        run.step(f"the demo names {program} where it is missing", demo_names, run, pattern, how)
    for program in ("make", "pkg-config", "g++"):
        pattern = CXX_COMPILERS if program == "g++" else re.escape(program)
        run.step(f"the tests name {program} where it is missing", tests_name, run, pattern, program)
    run.step("all that is missing is named on an empty PATH", empty_path, run)
    run.step("an old Rust is named", old_rust_is_named, run)
    run.step("an old Python is named", old_python_is_named, run)
    run.step("python3-venv is named where Python has neither venv nor pip", venv_is_named)


def path_without(pattern):
    """A folder with links to all programs on PATH but those whose name matches."""
    folder = fresh(OUT / "path")
    for directory in os.environ["PATH"].split(os.pathsep):
        for program in Path(directory).iterdir() if os.path.isdir(directory) else ():
            link = folder / program.name
            if not re.fullmatch(pattern, program.name) and not link.is_symlink() and os.access(program, os.X_OK):
                link.symlink_to(program)
    return {"PATH": str(folder)}


def demo_without_cxx(run):
    run.must([sys.executable, ROOT / "scripts" / "demo"], env=path_without(CXX_COMPILERS))


def demo_names(run, pattern, how):
    output = run.must_fail([sys.executable, ROOT / "scripts" / "demo"], env=path_without(pattern))
    expect(how in output and "Traceback" not in output, f"the demo printed:\n{tail(output)}")


def tests_name(run, pattern, program):
    output = run.must([sys.executable, ROOT / "scripts" / "test", "changelog"], env=path_without(pattern))
    expect(f"{program} is not installed: apt-get install {program}" in output, f"scripts/test printed:\n{tail(output)}")


def empty_path(run):
    empty = {"PATH": str(fresh(OUT / "path"))}
    for script, programs, finish in (("demo", ("cargo", "gcc"), run.must_fail),
                                     ("test", ("cargo", "gcc", "g++", "make", "pkg-config"), run.must)):
        output = finish([sys.executable, ROOT / "scripts" / script, *(["changelog"] if script == "test" else [])], env=empty)
        for program in programs:
            expect(f"{program} is not installed: " in output, f"scripts/{script} printed:\n{tail(output)}")
        expect("Traceback" not in output, f"scripts/{script} printed:\n{tail(output)}")


def old_rust_is_named(run):
    """With a rustc that says another version."""
    path = path_without("rustc")
    rustc = Path(path["PATH"]) / "rustc"
    rustc.write_text("#!/bin/sh\necho rustc 1.84.1\n")
    rustc.chmod(0o755)
    for script, finish, least in (("demo", run.must_fail, "1.85"), ("test", run.must, "1.88")):
        output = finish([sys.executable, ROOT / "scripts" / script, *(["changelog"] if script == "test" else [])], env=path)
        expect(f"rustc is version 1.84, and this needs {least} or later: https://rustup.rs" in output,
               f"scripts/{script} printed:\n{tail(output)}")
    stated = re.search(r'^rust-version = "(.*?)"', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)[1]
    expect(stated == ".".join(map(str, RUST)), f"Cargo.toml states Rust {stated}, and scripts/lib/project.py {RUST}")


def old_python_is_named(run):
    """With a Python that says another version."""
    for script in ("demo", "test"):
        start = (f"import runpy, sys; sys.version_info = (3, 9, 2); "
                 f"sys.argv = ['{script}']; runpy.run_path({str(ROOT / 'scripts' / script)!r}, run_name='__main__')")
        output = run.must_fail([sys.executable, "-c", start])
        expect(output.strip() == "Python is version 3.9, and this needs 3.10 or later", f"scripts/{script} printed:\n{tail(output)}")


def venv_is_named():
    """With a run whose every program fails, as `python3 -m venv` and `python3 -m pip` do on Debian without the packages."""
    failing = mock.Mock()
    failing.command.return_value = Finished(1, "")
    with mock.patch.object(environment, "VENV", OUT / "no-venv"), \
            mock.patch.object(environment, "ready", lambda: False), \
            mock.patch.object(environment.packages, "can_install", lambda: False):
        try:
            environment.prepare(failing)
        except Failure as failure:
            expect("apt-get install python3-venv" in str(failure), f"it says: {failure}")
            return
    raise Failure("no failure")


@suite("changelog", "CHANGELOG.md and the JUCE module have the version in Cargo.toml", budget=10)
def changelog(run):
    text = (ROOT / "CHANGELOG.md").read_text()
    run.check("unreleased section", "\n## [Unreleased]" in text, "no section [Unreleased]")
    run.check("section of this version", f"\n## [{version()}]" in text,
              f"no section [{version()}]")
    module = (ROOT / "include" / "midisock_juce" / "midisock_juce.h").read_text()
    run.check("version of the JUCE module", re.findall(r"^  version: +(.*)$", module, re.MULTILINE) == [version()],
              f"include/midisock_juce/midisock_juce.h does not have version {version()}")


@suite("licences", "crates and their licences, as deny.toml allows", budget=120, needs=["python"])
def licences(run):
    output = run.must([environment.PYTHON, ROOT / "scripts" / "lib" / "licences.py"])
    report = json.loads(output.splitlines()[-1])
    for case in report["passed"]:
        run.ok(case)
    for case, why in report["failed"]:
        run.fail(case, why)
    if tool("cargo-deny"):
        # Without advisories, which need the network.
        run.case("cargo deny", ["cargo", "deny", "--offline", "check", "licenses", "bans",
                                "sources"])
