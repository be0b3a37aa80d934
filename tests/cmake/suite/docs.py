"""The guides in docs: each C and C++ program in them compiles; the API reference has no warning."""

import re

from harness import OUT, ROOT, STRICT, expect, fresh
from library import LIB

PYTHON = ROOT / ".venv" / "bin" / "python"

COMPILERS = {"c": ("gcc", "-std=c99", "c"), "cpp": ("g++", "-std=c++17", "cpp")}


def run(harness):
    out = fresh(OUT / "docs")
    harness.case("docs: the programs in the guides compile", programs, harness, out)
    harness.case("docs: functions that are named exist", names)
    if harness.needs("docs: mido call by call", str(PYTHON), package="python3-venv; .venv is made by scripts/test"):
        harness.case("docs: mido call by call", mido_calls, harness)
    if harness.needs("docs: API reference", "doxygen", package="doxygen"):
        harness.case("docs: API reference", reference, harness, out)


def guides():
    return sorted((ROOT / "docs").glob("*.md"))


def programs(harness, out):
    count = 0
    for guide in guides():
        for number, (language, text) in enumerate(re.findall(r"^```(c|cpp)\n(.*?)^```", guide.read_text(), re.M | re.S)):
            if "main(" not in text:
                continue  # a fragment, shown within a text that explains it
            compiler, standard, suffix = COMPILERS[language]
            source = out / f"{guide.stem}{number}.{suffix}"
            source.write_text(text)
            harness.run(compiler, standard, *STRICT, source, "-o", out / "program", f"-L{LIB}", "-lmidisock")
            count += 1
    expect(count >= 6, f"only {count} programs were found")


def names():
    declared = (ROOT / "include" / "midisock" / "midisock.h").read_text()
    for guide in guides():
        for name in set(re.findall(r"\b(midisock_\w+|MIDISOCK_[A-Z_]+)\b", guide.read_text())):
            known = name in declared or any(name in f.read_text() for f in (ROOT / "cmake").iterdir()) or \
                name in (ROOT / "CMakeLists.txt").read_text()
            expect(known, f"{guide.name} names {name}, which there is not")


# What mido shows of its socket ports, and of what works on several ports at once.
PUBLIC = """
import mido.ports, mido.sockets
def own(module):
    return {n for n, v in vars(module).items() if getattr(v, "__module__", None) == module.__name__ and n[0] != "_"}
names = own(mido.sockets) | {n for n in own(mido.ports) if "Port" not in n and n not in ("DummyLock", "BaseInput", "BaseOutput")}
for kind in (mido.sockets.SocketPort, mido.sockets.PortServer):
    names |= {n for n in dir(kind) if n[0] != "_"}
print(*sorted(names | {"name", "closed", "autoreset", "ports"}))
"""


def mido_calls(harness):
    guide = (ROOT / "docs" / "mido.md").read_text()
    names = harness.run(PYTHON, "-c", PUBLIC).split()
    expect(len(names) > 20, f"mido shows only {names}")
    named = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`]*)`", guide))))
    missing = [name for name in names if name not in named]
    expect(not missing, f"docs/mido.md does not have {missing}")


def reference(harness, out):
    harness.run(ROOT / "scripts" / "docs", out)
    page = (out / "html" / "midisock_8h.html").read_text()
    for function in (ROOT / "tests" / "abi" / "symbols.txt").read_text().split():
        expect(function in page, f"{function} is not in the reference")
    pages = "".join(f.read_text() for f in (out / "html").glob("*.html"))
    for guide in guides():
        title = re.search(r"^# (.*?)(?: \{|$)", guide.read_text(), re.MULTILINE)
        expect(title and title[1].split(":")[0] in pages, f"{guide.name} is not in the reference")
