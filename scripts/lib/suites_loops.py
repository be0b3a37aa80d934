"""Ports in the event loops of other libraries: the examples that wait with midisock_wait_handle."""

import re
import subprocess
import threading

import compilers
from compilers import INCLUDES, LINK, STRICT
from project import BIN, OUT, ROOT
from runner import PROCESSES, expect, kill_group, suite

# Far more than an exchange takes.
SECONDS = 60


@suite("loops", "the examples with poll(2) and with GLib's main loop, and a client", budget=120, needs=["examples"],
       packages=["libglib2.0-dev", "pkg-config"])
def loops(run):
    run.step("poll(2)", exchange, run, BIN / "poll_loop")
    run.case("without a thread it ends with its input", ["sh", "-c", "printf 'a\\nb\\n' | \"$1\" 0", "sh", BIN / "host_loop"])
    flags = ["pkg-config", "--cflags", "--libs", "glib-2.0"]
    if run.has("pkg-config") and run.command(flags).status == 0:
        run.step("GLib", exchange, run, glib(run, run.must(flags).split()))
    else:
        run.lacks("GLib", "libglib2.0-dev pkg-config")


def glib(run, flags):
    """Compiles the example. GLib's own headers need not be free of warnings."""
    program = OUT / "glib_loop"
    program.unlink(missing_ok=True)
    quiet = [re.sub("^-I", "-isystem", flag) for flag in flags]
    run.must([compilers.default().c, "-std=c99", *STRICT, "-O2", *INCLUDES, "-o", program,
              ROOT / "examples" / "glib" / "glib_loop.c", *quiet, *LINK])
    return program


def exchange(run, program):
    """Three clients come, send a note and go, each after the one before. The end of its input ends the program."""
    process = PROCESSES.start([str(program), "0"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
    late = threading.Timer(min(SECONDS, run.left()), kill_group, [process])
    late.start()
    try:
        address = process.stdout.readline()
        number = re.fullmatch(r"localhost:(\d+)\n", address)
        expect(number, f"it printed {address!r}")
        for client in (1, 2, 3):
            run.must([BIN / "simple-client", number[1]], timeout=SECONDS)
            lines = sorted(process.stdout.readline() for _ in range(4))
            run.log("".join(lines))
            wanted = [rf"80 3c 40 from client {client}\n", rf"90 3c 64 from client {client}\n",
                      rf"client {client} joined from \S+\n", rf"client {client} left\n"]
            expect(all(map(re.fullmatch, wanted, lines)), f"it printed {lines}")
        process.stdin.close()
        rest = process.stdout.read()
        expect(process.wait() == 0 and rest == "", f"exit status {process.returncode}, and it printed {rest!r}")
    finally:
        late.cancel()
        if process.poll() is None:
            kill_group(process)
            process.wait()
        PROCESSES.done(process)
