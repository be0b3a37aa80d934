"""Plugins that use midisock: loading and unloading, the end of the process, name look-ups that hang, fork."""

import shutil

from project import TESTS, fresh
from runner import expect, suite
from suites_installed import LIB, OUT, STRICT, set_environment

SOURCES = TESTS / "unload"
NATIVE = ["-lpthread", "-lm", "-ldl"]


@suite("unload", "plugins in a host: loading, unloading, browsing, exit, fork", budget=900, needs=["installed"],
       packages=["iproute2"])
def unload(run):
    set_environment(run)
    out = fresh(OUT / "unload")
    if not run.step("build plugins and host", build, run, out, []):
        return
    for scenario in ("cycles", "exit", "lookup", "fork"):
        for kind in ("shared", "static"):
            run.step(f"{scenario}, plugin linked {kind}", scene, run, out, scenario, kind)
    if network := own_network(run):
        for kind in ("shared", "static"):
            run.step(f"browse, plugin linked {kind}", scene, run, out, "browse", kind, before=network)
    else:
        run.skip("browse", "no network namespaces here: neither root nor user namespaces")
    run.step("two plugins with their own copies", scene, run, out, "two-copies", "static", "static2")
    run.step("a plugin of each kind", scene, run, out, "two-copies", "static", "shared")
    run.step("two plugins with the shared library share it", scene, run, out, "two-of-one",
             "shared", "shared2")
    if run.everything:
        # The library is not instrumented, so that ThreadSanitizer does not see how its threads synchronise. Only the
        # host and the plugin are checked here.
        suppressions = out / "tsan.supp"
        frames = ("libmidisock.so", "midisock::", "^_R", "/rustc/", "^src/")
        suppressions.write_text("".join(f"race:{frame}\n" for frame in frames))
        for name, flag, env in (("AddressSanitizer", "address,undefined", {"ASAN_OPTIONS": "detect_leaks=0"}),
                                ("ThreadSanitizer", "thread",
                                 {"TSAN_OPTIONS": f"halt_on_error=1 suppressions={suppressions}"})):
            folder = fresh(OUT / f"unload-{flag.split(',')[0]}")
            if run.step(f"build with {name}", build, run, folder, [f"-fsanitize={flag}"]):
                # ThreadSanitizer sleeps for a second at each exit.
                for scenario in ("cycles", "lookup", "fork", *(["exit"] if name == "AddressSanitizer" else [])):
                    for kind in ("shared", "static"):
                        run.step(f"{scenario}, plugin linked {kind}, {name}", scene, run, folder,
                                 scenario, kind, env=env)
                run.step(f"two copies, {name}", scene, run, folder, "two-copies", "static", "static2",
                         env=env)


def own_network(run):
    """What to put before a command so that it runs on a network of its own; None where there is none to be had."""
    link = ("ip link set lo up && ip link add m0 type veth peer name m1 && ip address add 10.77.0.1/24 dev m0 &&"
            ' ip link set m0 up && ip link set m1 up && exec "$@"')
    for unshare in (["unshare", "-n"], ["unshare", "-U", "-r", "-n"]):
        prefix = [*unshare, "sh", "-c", link, "sh"]
        if run.has("unshare", "ip") and run.command([*prefix, "true"]).status == 0:
            return prefix
    return None


def build(run, out, options):
    """Each plugin in a folder of its own, as if installed. Plugins with the shared library have it beside them."""
    compile_c = ["gcc", "-std=c11", "-O1", "-g", *STRICT, *options]
    # -rdynamic: the plugins use the host's getaddrinfo.
    run.must([*compile_c, "-rdynamic", SOURCES / "host.c", "-o", out / "host", "-ldl", "-lpthread"])
    plugin = [*compile_c, "-fPIC", "-shared", "-fvisibility=hidden", SOURCES / "plugin.c"]
    for kind in ("shared", "shared2"):
        folder = fresh(out / kind)
        shutil.copy(LIB / "libmidisock.so.1", folder)
        run.must([*plugin, "-o", folder / "plugin.so", f"-L{LIB}", "-lmidisock", "-Wl,-rpath,$ORIGIN"])
    for kind in ("static", "static2"):
        folder = fresh(out / kind)
        run.must([*plugin, "-o", folder / "plugin.so", LIB / "libmidisock.a", "-Wl,-z,nodelete", *NATIVE])


def scene(run, out, scenario, *kinds, env=None, before=()):
    output = run.must([*before, out / "host", scenario, *(out / kind / "plugin.so" for kind in kinds)], timeout=240, env=env)
    expect(output.strip().endswith("ok"), output)
