"""README.md and docs: their links lead somewhere, their programs compile, and the functions that they name exist."""

import contextlib
import io
import re

import check_readme
import environment
from project import HEADER, LIB, OUT, ROOT, fresh
from runner import expect, suite
from suites_installed import STRICT

COMPILERS = {"c": ("gcc", "-std=c99", "c"), "cpp": ("g++", "-std=c++17", "cpp")}


@suite("guides", "README.md and docs: links, programs, names of functions, the API reference", budget=120,
       needs=["library", "python"], packages=["doxygen", "graphviz"])
def guides_are_right(run):
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        status = check_readme.main()
    run.check("links, C blocks, files shown", status == 0, printed.getvalue())
    out = fresh(OUT / "docs")
    run.step("programs in the guides compile", programs, run, out)
    run.step("functions that the guides name exist", names)
    run.step("docs/mido.md has every call of mido's", mido_calls, run)
    if run.needs("API reference", "doxygen", package="doxygen"):
        run.step("API reference", reference, run, out)


def guides():
    return sorted((ROOT / "docs").glob("*.md"))


def programs(run, out):
    count = 0
    for guide in guides():
        for number, (language, text) in enumerate(re.findall(r"^```(c|cpp)\n(.*?)^```", guide.read_text(), re.M | re.S)):
            if "main(" not in text:
                continue  # a fragment
            compiler, standard, suffix = COMPILERS[language]
            source = out / f"{guide.stem}{number}.{suffix}"
            source.write_text(text)
            run.must([compiler, standard, *STRICT, source, "-o", out / "program", f"-L{LIB}", "-lmidisock"])
            count += 1
    expect(count >= 6, f"only {count} programs were found")


def names():
    """Functions and constants that the guides name are in the header, options in CMake's files, environment variables where
    a test reads them."""
    known = HEADER.read_text() + (ROOT / "CMakeLists.txt").read_text()
    known += "".join(file.read_text() for file in (ROOT / "cmake").rglob("*") if file.is_file())
    sources = [*(ROOT / "src").rglob("*.rs"), *(ROOT / "tests" / "c").glob("*.c")]
    for source in sources:
        known += " ".join(re.findall(r'(?:getenv|env::var)\("(\w+)"\)', source.read_text())) + " "
    for guide in guides():
        for name in set(re.findall(r"\b(midisock_\w+|MIDISOCK_[A-Z_]+)\b", guide.read_text())):
            expect(name in known, f"{guide.name} names {name}, which does not exist")


# mido's public names for socket ports and for several ports at once.
PUBLIC = """
import mido.ports, mido.sockets
def own(module):
    return {n for n, v in vars(module).items() if getattr(v, "__module__", None) == module.__name__ and n[0] != "_"}
names = own(mido.sockets) | {n for n in own(mido.ports) if "Port" not in n and n not in ("DummyLock", "BaseInput", "BaseOutput")}
for kind in (mido.sockets.SocketPort, mido.sockets.PortServer):
    names |= {n for n in dir(kind) if n[0] != "_"}
print(*sorted(names | {"name", "closed", "autoreset", "ports"}))
"""


def mido_calls(run):
    guide = (ROOT / "docs" / "mido.md").read_text()
    names = run.must([environment.PYTHON, "-c", PUBLIC]).split()
    expect(len(names) > 20, f"mido has only {names}")
    named = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`]*)`", guide))))
    missing = [name for name in names if name not in named]
    expect(not missing, f"docs/mido.md does not have {missing}")


def reference(run, out):
    run.must([ROOT / "scripts" / "docs", out])
    page = (out / "html" / "midisock_8h.html").read_text()
    for function in (ROOT / "tests" / "abi" / "symbols.txt").read_text().split():
        expect(function in page, f"{function} is not in the reference")
    pages = "".join(f.read_text() for f in (out / "html").glob("*.html"))
    for guide in guides():
        title = re.search(r"^# (.*?)(?: \{|$)", guide.read_text(), re.MULTILINE)
        expect(title and title[1].split(":")[0] in pages, f"{guide.name} is not in the reference")
