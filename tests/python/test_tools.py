"""Common behaviour of the tools: help, version, usage errors, Ctrl-C."""

import re
import signal

import pytest

import midisock_ctypes as midisock
from midisock_ctypes import Port
from tool import Tool, run

TOOLS = ("midisock-monitor", "midisock-send", "midisock-echo")


@pytest.mark.parametrize("tool", TOOLS)
def test_help_says_what_it_is_for(tool):
    finished = run(tool, "--help")
    assert finished.returncode == 0 and finished.stderr == ""
    assert finished.stdout.startswith(f"{tool} - ")
    for word in ("Usage:", "Options:", "--help", "Exit status", "Example"):
        assert word in finished.stdout
    assert max(map(len, finished.stdout.splitlines())) <= 80
    assert run(tool, "-h").stdout == finished.stdout


@pytest.mark.parametrize("tool", TOOLS)
def test_version_is_the_librarys(tool):
    version = midisock.call("version_string").decode()
    assert run(tool, "--version").stdout == f"{tool} {version} (libmidisock {version})\n"


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("arguments", [
    ["--no-such-option"], ["-?"], ["--timeout"], ["--timeout", "soon"], ["--help=yes"],
    ["host:port"], ["1:2:3:4:5:6:7:8:9"], ["localhost:65536"], ["localhost:-1"],
    ["one:9080", "two:9080"],
])
def test_mistakes_are_named_and_status_2(tool, arguments):
    finished = run(tool, *arguments)
    assert finished.returncode == 2, finished
    assert finished.stdout == ""
    assert finished.stderr.startswith(f"{tool}: ")
    assert f"{tool} --help" in finished.stderr


@pytest.mark.parametrize("arguments, why", [
    (["--listen", "@Stage"], "to give this one a name, use --advertise"),
    (["--connect", "@"], "a name has 1 to 63 bytes"),
    (["--connect", "@" + "x" * 64], "a name has 1 to 63 bytes"),
    (["--connect", "@Stage", "--advertise", "Stage"], "--advertise is for a server"),
    (["--listen", "--advertise", "Stage"], "only this machine reaches 127.0.0.1:9080"),
    (["--listen", "unix:/tmp/midi.sock", "--advertise", "Stage"], "only this machine reaches unix:/tmp/midi.sock"),
    (["--listen", "192.0.2.1:9080", "--advertise", "x" * 64], "a name has up to 63 bytes"),
    (["--listen", "192.0.2.1:9080", "--advertise", "a\nb"], "a name has up to 63 bytes"),
    (["--browse", "Stage"], "--browse takes no address"),
])
def test_names_in_place_of_addresses(arguments, why):
    """The names themselves are tested by the suite `discovery`, on a network of its own."""
    finished = run("midisock-monitor", *arguments)
    assert finished.returncode == 2, finished
    assert finished.stdout == "" and why in finished.stderr


@pytest.mark.parametrize("tool, arguments", [
    ("midisock-monitor", ["--listen", "127.0.0.1:0"]),
    ("midisock-monitor", ["--connect", "127.0.0.1:9"]),
    ("midisock-send", ["--listen", "127.0.0.1:0", "clock"]),
    ("midisock-send", ["--connect", "127.0.0.1:9", "clock"]),
    ("midisock-echo", ["127.0.0.1:0"]),
])
@pytest.mark.parametrize("allow", ["junk", "", "127.0.0.1/33", "127.0.0.1,", "localhost"])
def test_allow_takes_a_list_of_addresses(tool, arguments, allow):
    finished = run(tool, "--allow", allow, *arguments)
    assert finished.returncode == 2, finished
    assert finished.stdout == ""
    assert finished.stderr.startswith(f"{tool}: --allow: '{allow}' ")
    assert f"{tool} --help" in finished.stderr


@pytest.mark.parametrize("tool", ["midisock-monitor", "midisock-echo"])
@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.unix)])
def test_a_stopped_server_ends_well(tool, number):
    with Tool(tool, "127.0.0.1:0") as server:
        with Port.connect("127.0.0.1", server.port()) as client:
            client.wait_connected()
            server.interrupt(number)
            assert server.status() == 0
            client.notified(midisock.NOTIFY_DISCONNECTED)
        assert server.errors == ""


@pytest.mark.parametrize("tool", ["midisock-monitor", "midisock-echo"])
def test_an_address_in_use_is_an_error(tool):
    with Port.listen() as server:
        finished = run(tool, f"127.0.0.1:{server.number}")
        assert finished.returncode == 1
        assert f"127.0.0.1:{server.number}" in finished.stderr
        assert midisock.call("strerror", midisock.ERR_ADDRESS_IN_USE).decode() in finished.stderr


@pytest.mark.parametrize("tool", ["midisock-monitor", "midisock-echo"])
def test_a_server_listens_on_ipv6_too(tool):
    with Tool(tool, "[::1]:0") as server:
        line = server.line()
        number = re.fullmatch(r"listening on \[::1\]:(\d+)", line)
        assert number, (line, server.process.poll())
        with Port.connect("::1", int(number[1])) as client:
            client.wait_connected()
