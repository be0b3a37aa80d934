"""The examples in examples/c: they compile, and those with an end of their own to show are run."""

import contextlib
import re
import socket
import subprocess

import compilers
from compilers import INCLUDES, LINK, STRICT
from project import BIN, OUT, fresh
from runner import PROCESSES, Failure, expect, kill_group, suite
from suites_c import EXAMPLES, TLS, build_examples

# Far more than anything takes.
DEADLINE = 30
# In each direction through TLS.
TLS_MESSAGES = 10_000


@suite("examples", "the examples compile without a warning, and those with sockets of their own run", budget=200,
       needs=["library"], packages=["libssl-dev", "openssl", "systemd"])
def examples(run):
    for compiler in compilers.available(run, cxx=False):
        build_examples(run, compiler, folder_of(compiler))
    # An example of a test is one.
    run.case("plugin-test passes", [BIN / "plugin-test"])
    folder = fresh(OUT / "examples-run")
    run.step("inherited-server as inetd starts it", as_inetd)
    if run.needs("inherited-server, started by systemd", "systemd-socket-activate", package="systemd"):
        run.step("inherited-server, started by systemd", by_systemd)
    if not (has_openssl(run) and run.has("openssl")):
        run.lacks("TLS", "libssl-dev openssl")
        return
    for compiler in compilers.available(run, cxx=False):
        run.step(f"{compiler.name} {TLS}", build_tls, run, compiler)
    run.step(f"TLS: {TLS_MESSAGES} messages in both directions", through_tls, run, folder)
    run.step("TLS: a server with another certificate is refused", another_certificate, run, folder)


def folder_of(compiler):
    return BIN if compiler is compilers.default() else OUT / "examples-clang"


@contextlib.contextmanager
def running(arguments, **keywords):
    """A program that is ended at the end."""
    process = PROCESSES.start([str(a) for a in arguments], text=True, **keywords)
    try:
        yield process
    finally:
        kill_group(process)
        process.wait()
        PROCESSES.done(process)


def exchange(connection):
    """A server that sends back what comes: MIDI, in any pieces, until the end."""
    connection.settimeout(DEADLINE)
    sent = b"".join(bytes((0x90, note, 64, 0x80, note, 0)) for note in range(128)) + b"\xf0\x01\x02\xf7"
    connection.sendall(sent)
    received = b""
    while len(received) < len(sent) and (more := connection.recv(4096)):
        received += more
    expect(received == sent, f"{len(sent)} bytes were sent, and {received[:100].hex()} came back")
    connection.shutdown(socket.SHUT_WR)
    expect(connection.recv(1) == b"", "it does not end")


def as_inetd():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with socket.create_connection(listener.getsockname()) as client:
            accepted, _ = listener.accept()
            with running([BIN / "inherited-server"], stdin=accepted) as server:
                accepted.close()
                exchange(client)
                expect(server.wait(DEADLINE) == 0, "it reports an error")
    with running([BIN / "inherited-server"], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE) as server:
        _, error = server.communicate(timeout=DEADLINE)
        expect(server.returncode == 1 and "invalid argument" in error, f"without a socket: {error}")


def by_systemd():
    # A path of a socket is short, and the folder of the scripts may be anywhere.
    folder = fresh(OUT / "s")
    path = folder / "s"
    command = ["systemd-socket-activate", "--accept", f"--listen={path}", BIN / "inherited-server"]
    if len(str(path)) > 100:
        raise Failure(f"the path of this folder is too long for a socket: {path}")
    with running(command, stderr=subprocess.PIPE) as launcher:
        # It says when it listens.
        for line in launcher.stderr:
            if "Listening on" in line:
                break
        for _ in range(3):
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(path))
                exchange(client)


def has_openssl(run):
    return run.command(["cc", "-fsyntax-only", "-include", "openssl/ssl.h", "-x", "c", "/dev/null"]).status == 0


def build_tls(run, compiler):
    run.must([compiler.c, "-std=c99", *STRICT, "-O2", *INCLUDES, "-o", folder_of(compiler) / TLS, EXAMPLES / f"{TLS}.c",
              *LINK, "-lssl", "-lcrypto"])


def certificate(run, folder, name):
    """A certificate for `localhost` and its key."""
    made, key = folder / f"{name}.pem", folder / f"{name}-key.pem"
    run.must(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=localhost",
              "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", made])
    return made, key


@contextlib.contextmanager
def tls_server(run, folder):
    """A server with TLS: its port and its certificate."""
    made, key = certificate(run, folder, "server")
    with running([BIN / TLS, "server", "0", made, key], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as server:
        line = server.stdout.readline()
        port = re.fullmatch(r"listening on port (\d+)\n", line)
        expect(port, f"the server says {line!r}")
        yield port[1], made


def through_tls(run, folder):
    with tls_server(run, folder) as (port, made):
        for _ in range(2):
            output = run.must([BIN / TLS, "client", "localhost", port, made, TLS_MESSAGES], timeout=2 * DEADLINE)
            expect(f"{TLS_MESSAGES} messages there and back" in output, output)


def another_certificate(run, folder):
    other, _ = certificate(run, folder, "other")
    with tls_server(run, folder) as (port, _):
        output = run.must_fail([BIN / TLS, "client", "localhost", port, other, 1], timeout=DEADLINE)
        expect("no TLS" in output, output)
