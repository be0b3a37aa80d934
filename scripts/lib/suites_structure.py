"""What holds the structure of src: the direction of calls, and limits that keep each piece easy to read."""

import re

from project import ROOT
from runner import suite

SRC = ROOT / "src"
# Calls go down this list only.
LAYERS = ["ffi", "port", "net", "session", "realtime", "timing", "midi", "sys"]

MOST_LINES = 500
MOST_FUNCTION_LINES = 60
MOST_FIELDS = 15
MOST_IMPL_FILES = 2

# The C API's structs are as large as the API.
LARGE_STRUCTS = {"midisock_config", "midisock_stats"}
# Only tests and fuzzing compile these.
TEST_FILES = re.compile(r"(_tests|/tests|/loom_models|/receiver_model|/judge|/songs|/naive_model)\.rs$|/simulation/|/sync_loom\.rs$")

IMPORT = re.compile(r"\bcrate::(\w+)")
FUNCTION = re.compile(r"^( *)(?:pub(?:\([^)]*\))? )?(?:const |async |unsafe |extern \"C\" )*fn (\w+)")
STRUCT = re.compile(r"^( *)(?:pub(?:\([^)]*\))? )?struct (\w+).*\{$")
FIELD = re.compile(r"^ +(?:pub(?:\([^)]*\))? )?\w+: ")
IMPL = re.compile(r"^impl(?:<.*?>)? ([A-Z]\w*)(?:<.*>)? \{$")


def without_tests(text):
    """The file up to its tests, which end it."""
    return re.split(r"^#\[cfg\((?:test|all\(test.*)\)\]\n(?:#\[path.*\]\n)?mod \w+ \{", text, flags=re.MULTILINE)[0]


def upward_imports(layer, text):
    """The layers above one that a file of it imports."""
    above = LAYERS[:LAYERS.index(layer)]
    return sorted({name for name in IMPORT.findall(text) if name in above})


def blocks(text, pattern):
    """Name and lines of each block that a line begins and a brace at the same indentation ends."""
    lines = text.splitlines()
    for start, line in enumerate(lines):
        found = pattern.match(line)
        if not found:
            continue
        closing = found[1] + "}"
        end = next((at for at in range(start, len(lines)) if lines[at] == closing), None)
        one_line = line.endswith((";", "}"))
        if end is not None and not one_line:
            yield found[2], lines[start:end + 1]


def excesses(name, text):
    """What a file has beyond the limits."""
    found = []
    count = len(text.splitlines())
    if count > MOST_LINES:
        found.append(f"{name} has {count} lines")
    for function, lines in blocks(text, FUNCTION):
        if len(lines) > MOST_FUNCTION_LINES:
            found.append(f"{name}: fn {function} has {len(lines)} lines")
    for struct, lines in blocks(text, STRUCT):
        fields = sum(1 for line in lines[1:-1] if FIELD.match(line))
        if fields > MOST_FIELDS and struct not in LARGE_STRUCTS:
            found.append(f"{name}: struct {struct} has {fields} fields")
    return found


def sources():
    for path in sorted(SRC.rglob("*.rs")):
        name = str(path.relative_to(SRC))
        if not TEST_FILES.search("/" + name):
            yield name, path.read_text()


@suite("structure", "imports go down the layers; files, functions, structs and impls stay small", budget=20)
def structure(run):
    upward, beyond, impls = [], [], {}
    for name, text in sources():
        code = without_tests(text)
        layer = name.split("/")[0]
        if layer in LAYERS:
            upward += [f"{name} imports {above}" for above in upward_imports(layer, code)]
        elif name != "lib.rs":
            upward.append(f"{name} is in no layer")
        beyond += excesses(name, code)
        for line in code.splitlines():
            if found := IMPL.match(line):
                impls.setdefault(found[1], set()).add(name)
    spread = [f"impl {name} is in {', '.join(sorted(files))}" for name, files in impls.items() if len(files) > MOST_IMPL_FILES]
    run.check("no module imports one above it", not upward, "\n".join(upward))
    run.check("each layer has an overview", *overviews())
    run.check(f"no file over {MOST_LINES} lines, function over {MOST_FUNCTION_LINES}, struct over {MOST_FIELDS} fields",
              not beyond, "\n".join(beyond))
    run.check(f"no type has its impl in more than {MOST_IMPL_FILES} files", not spread, "\n".join(spread))
    # The control: each check fails where it should.
    run.check("an upward import is seen", upward_imports("session", "use crate::net::Network;") == ["net"], "it is not")
    long = "fn f() {\n" + "    x;\n" * MOST_FUNCTION_LINES + "}\n"
    run.check("a long function is seen", len(excesses("x.rs", long)) == 1, "it is not")
    wide = "struct S {\n" + "    pub a: u8,\n" * (MOST_FIELDS + 1) + "}\n"
    run.check("a wide struct is seen", len(excesses("x.rs", wide)) == 1, "it is not")


def overviews():
    lacking = [layer for layer in LAYERS if len(re.findall(r"^//! .", (SRC / layer / "mod.rs").read_text(), re.M)) < 4]
    return not lacking, f"mod.rs says too little: {', '.join(lacking)}"
