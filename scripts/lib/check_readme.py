"""Checks the guides, README.md and docs/*.md, against the project.

A C block of which the line above names a file is that file's text. Every other C block compiles by
itself. Links inside the project lead somewhere. No other suite notices when one of these goes wrong.
"""

import re
import subprocess
import sys
from pathlib import Path

import compilers
from project import ROOT

# What README.md must show, whatever else it does.
SHOWN = ("examples/c/simple-server.c", "examples/c/simple-client.c")

# The last line of text before a block, then the block.
BLOCK = re.compile(r"([^\n]*)\n+```c\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r"\(([\w./-]+\.[ch])\)")
# Not what doxygen resolves.
LINK = re.compile(r"\[[^\]]*\]\((?!@ref)([^)\s#]+)[^)]*\)")


def main(root=ROOT):
    """Prints what is wrong; 0 if nothing is."""
    problems = []
    for guide in [root / "README.md", *sorted((root / "docs").glob("*.md"))]:
        name = guide.relative_to(root)
        problems += [f"{name}: {problem}" for problem in check(root, guide)]
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
    for target in LINK.findall(FENCED.sub("", text)):
        if "://" not in target and not (guide.parent / target).exists():
            yield f"the link to {target} leads nowhere"


def compile_alone(code):
    """What the compiler says of a block, held to what the tests and examples are held to."""
    finished = subprocess.run(
        [compilers.default().c, "-std=c99", *compilers.STRICT, *compilers.INCLUDES,
         "-fsyntax-only", "-x", "c", "-"],
        input=code, text=True, capture_output=True)
    if finished.returncode != 0:
        yield f"a C block does not compile:\n{finished.stderr.strip()}"


if __name__ == "__main__":
    sys.exit(main())
