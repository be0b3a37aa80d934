"""Loading and unloading plugins that use midisock, processes that end, look-ups that hang, fork."""

import shutil

from harness import OUT, STRICT, TESTS, expect, fresh
from library import LIB

SOURCES = TESTS / "unload"
NATIVE = ["-lgcc_s", "-lutil", "-lrt", "-lpthread", "-lm", "-ldl", "-lc"]


def run(harness):
    out = fresh(OUT / "unload")
    if not harness.case("unload: build plugins and host", build, harness, out, []):
        return
    for scenario in ("cycles", "exit", "lookup", "fork"):
        for kind in ("shared", "static"):
            harness.case(f"unload: {scenario}, plugin linked {kind}", scene, harness, out, scenario, kind)
    harness.case("unload: two plugins with their own copies", scene, harness, out, "two-copies", "static", "static2")
    harness.case("unload: a plugin of each kind", scene, harness, out, "two-copies", "static", "shared")
    harness.case("unload: two plugins that bring the shared library share it", scene, harness, out, "two-of-one",
                 "shared", "shared2")
    if harness.everything:
        # The library is not instrumented: ThreadSanitizer sees what it allocates and frees, and not how its threads
        # agree about that. Host and plugin are what is watched here.
        suppressions = out / "tsan.supp"
        frames = ("libmidisock.so", "midisock::", "^_R", "/rustc/", "^src/")
        suppressions.write_text("".join(f"race:{frame}\n" for frame in frames))
        for name, flag, env in (("AddressSanitizer", "address,undefined", {"ASAN_OPTIONS": "detect_leaks=0"}),
                                ("ThreadSanitizer", "thread",
                                 {"TSAN_OPTIONS": f"halt_on_error=1 suppressions={suppressions}"})):
            folder = fresh(OUT / f"unload-{flag.split(',')[0]}")
            if harness.case(f"unload: build with {name}", build, harness, folder, [f"-fsanitize={flag}"]):
                # ThreadSanitizer sleeps for a second at each exit.
                for scenario in ("cycles", "lookup", "fork", *(["exit"] if name == "AddressSanitizer" else [])):
                    for kind in ("shared", "static"):
                        harness.case(f"unload: {scenario}, plugin linked {kind}, {name}", scene, harness, folder,
                                     scenario, kind, env=env)
                harness.case(f"unload: two copies, {name}", scene, harness, folder, "two-copies", "static", "static2",
                             env=env)


def build(harness, out, options):
    """Each plugin in a folder of its own, as they are installed; the shared library beside those that bring it."""
    compile_c = ["gcc", "-std=c11", "-O1", "-g", *STRICT, *options]
    # The host shows its getaddrinfo to what it loads.
    harness.run(*compile_c, "-rdynamic", SOURCES / "host.c", "-o", out / "host", "-ldl", "-lpthread")
    plugin = [*compile_c, "-fPIC", "-shared", "-fvisibility=hidden", SOURCES / "plugin.c"]
    for kind in ("shared", "shared2"):
        folder = fresh(out / kind)
        shutil.copy(LIB / "libmidisock.so.0", folder)
        harness.run(*plugin, "-o", folder / "plugin.so", f"-L{LIB}", "-lmidisock", "-Wl,-rpath,$ORIGIN")
    for kind in ("static", "static2"):
        folder = fresh(out / kind)
        harness.run(*plugin, "-o", folder / "plugin.so", LIB / "libmidisock.a", "-Wl,--exclude-libs,libmidisock.a",
                    "-Wl,-z,nodelete", *NATIVE)


def scene(harness, out, scenario, *kinds, env=None):
    output = harness.run(out / "host", scenario, *(out / kind / "plugin.so" for kind in kinds), timeout=240, env=env)
    expect(output.strip().endswith("ok"), output)
