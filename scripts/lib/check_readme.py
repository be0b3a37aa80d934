"""Checks the project's Markdown files against the project.

In README.md and docs: if the line above a C block names a file, the block is that file's text; every other C block compiles by
itself. In all files: links inside the project lead somewhere, and paths in backticks exist. README.md is short.
"""

import re
import subprocess
import sys

import compilers
from project import ROOT

# README.md is an introduction: details belong into docs.
README_LINES = 200

# README.md shows these files.
SHOWN = ("examples/c/simple-server.c", "examples/c/simple-client.c")

# The last line of text before a block, then the block.
BLOCK = re.compile(r"([^\n]*)\n+```c\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r"\(([\w./-]+\.[ch])\)")
# A path of the project in backticks, perhaps with a wildcard.
PATH = re.compile(r"`((?:bench|cmake|docs|examples|fuzz|include|scripts|src|tests|tools)/[\w./*-]+)`")
# Links that doxygen resolves are left out.
LINK = re.compile(r"\[[^\]]*\]\((?!@ref)([^)\s#]+)[^)]*\)")


def main(root=ROOT):
    """Prints the problems. The result is 0 if there are none."""
    problems = []
    for guide in [root / "README.md", *sorted((root / "docs").glob("*.md"))]:
        problems += [f"{guide.relative_to(root)}: {problem}" for problem in check(root, guide)]
    for page in pages(root):
        problems += [f"{page.relative_to(root)}: {problem}" for problem in check_paths(root, page)]
    for problem in problems:
        print(problem)
    return 1 if problems else 0


def check(root, guide):
    """The problems of one guide."""
    if not guide.exists():
        yield "there is none"
        return
    text = guide.read_text(encoding="utf-8")
    shown = set()
    for before, code in BLOCK.findall(text):
        named = NAMED.search(before)
        if named is None:
            yield from compile_alone(code)
        elif not (root / named[1]).is_file():
            yield f"there is no {named[1]}"
        else:
            shown.add(named[1])
            if code != (root / named[1]).read_text(encoding="utf-8"):
                yield f"the block after {named[1]} is not that file's text"
    if guide == root / "README.md":
        yield from (f"it does not show {path}" for path in SHOWN if path not in shown)
        if text.count("\n") >= README_LINES:
            yield f"it has {README_LINES} lines or more"


def pages(root):
    """All Markdown files that belong to the project."""
    for folder in (".", "bench", "docs", "examples", "fuzz", "tests", "tools"):
        yield from sorted((root / folder).glob("*.md" if folder == "." else "**/*.md"))


def check_paths(root, page):
    """The links and the paths in backticks that lead nowhere."""
    text = FENCED.sub("", page.read_text(encoding="utf-8"))
    for target in LINK.findall(text):
        if "://" not in target and not (page.parent / target).exists():
            yield f"the link to {target} leads nowhere"
    for path in PATH.findall(text):
        if not any(root.glob(path.rstrip("/."))):
            yield f"there is no {path}"


def compile_alone(code):
    """The compiler's errors for a block, with the warnings of the tests and examples."""
    finished = subprocess.run(
        [compilers.default().c, "-std=c99", *compilers.STRICT, *compilers.INCLUDES,
         "-fsyntax-only", "-x", "c", "-"],
        input=code, text=True, capture_output=True)
    if finished.returncode != 0:
        yield f"a C block does not compile:\n{finished.stderr.strip()}"


if __name__ == "__main__":
    sys.exit(main())
