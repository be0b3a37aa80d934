"""The tools' standard input and output: lines, errors, closed and non-blocking descriptors."""

import fcntl
import os
import re
import socket
import subprocess

import pytest

import midisock_ctypes as midisock
from conftest import until
from midisock_ctypes import DEADLINE, Port
from tool import BIN, Tool, run


@pytest.fixture
def server():
    with Port.listen("127.0.0.1", overflow=midisock.OVERFLOW_WAIT, release_on_disconnect=0) as port:
        yield port


def address(server):
    return f"127.0.0.1:{server.number}"


def received(server):
    """What the server has got from a client that has left."""
    server.notified(midisock.NOTIFY_CLIENT_LEFT)
    messages = []
    while (message := server.pop()) is not None:
        messages.append(message.data.hex(" "))
    return messages


def shell(command):
    return subprocess.run(["sh", "-c", command], cwd=BIN, capture_output=True, timeout=DEADLINE)


# -- lines

@pytest.mark.parametrize("text, expected", [
    (b"# a comment\rnote-on 0 60 100\rnote-off 0 60", ["90 3c 64", "80 3c 40"]),
    (b"\xef\xbb\xbfnote-on 0 60 100\r\n\r\nnote-off 0 60\r\n", ["90 3c 64", "80 3c 40"]),
    (b"clock # to the end\nstart", ["f8", "fa"]),
])
def test_lines_end_in_any_way(server, text, expected):
    finished = subprocess.run([BIN / "midisock-send", "--hold", address(server), "-"], input=text, capture_output=True,
                              timeout=DEADLINE)
    assert (finished.returncode, finished.stderr) == (0, b"")
    assert received(server) == expected


@pytest.mark.parametrize("text, line", [(b"clock\0start\n", 1), (b"clock\n\xff\xfec\0l\0", 2), (b"\nsysex 1 ... (9 bytes)", 2)])
def test_a_line_that_makes_no_sense_is_an_error(server, text, line):
    finished = subprocess.run([BIN / "midisock-send", address(server), "-"], input=text, capture_output=True,
                              timeout=DEADLINE)
    assert finished.returncode == 1
    assert finished.stderr.startswith(b"midisock-send: line %d: " % line)


@pytest.mark.parametrize("options", [["-q", "--time", "none"], ["-q"], [], ["--time", "clock"], ["--time", "delta"],
                                     ["-q", "--time", "none", "--connect"]], ids=" ".join)
def test_midisock_send_takes_what_midisock_monitor_prints(server, options):
    messages = [bytes.fromhex(m) for m in ("903c40", "b00040", "f8", "f0" + "7d" * 20 + "f7")]
    connecting = "--connect" in options
    with Port.listen("127.0.0.1") as source:
        where = f"127.0.0.1:{source.number}" if connecting else "127.0.0.1:0"
        monitor = subprocess.Popen([BIN / "midisock-monitor", *options, "-n", str(len(messages)), where],
                                   stdout=subprocess.PIPE)
        # What goes by is written down here, as `tee` does.
        send = subprocess.Popen([BIN / "midisock-send", "--hold", address(server), "-"], stdin=subprocess.PIPE,
                                stderr=subprocess.PIPE)
        lines = iter(monitor.stdout.readline, b"")
        if connecting:
            until(lambda: source.client_count == 1, "the monitor")
            for message in messages:
                source.push(message)
            send.stdin.writelines(lines)
        else:
            first = next(lines)
            send.stdin.write(first)
            with Port.connect("127.0.0.1", int(first.rsplit(b":", 1)[1]), release_on_close=0) as peer:
                peer.wait_connected()
                for message in messages:
                    peer.push(message)
                send.stdin.writelines(lines)
        assert monitor.wait(DEADLINE) == 0
        monitor.stdout.close()
        _, errors = send.communicate(timeout=DEADLINE)
        assert (send.returncode, errors) == (0, b"")
    assert received(server) == [m.hex(" ") for m in messages]


def test_without_a_time_the_message_comes_first():
    with Tool("midisock-monitor", "-q", "--time", "none", "0", "-n", "2") as monitor:
        with Port.connect("127.0.0.1", monitor.port()) as client:
            client.wait_connected()
            client.push(b"\x90\x3c\x40")
            client.push(bytes([0xF0, *range(100), 0xF7]))
            assert re.fullmatch(r"note-on 0 60 64  \(C4\)  #\d+", monitor.line())
            assert re.fullmatch("sysex " + bytes(range(100)).hex(" ") + r"  #\d+", monitor.line())


# -- errors

@pytest.mark.unix
@pytest.mark.parametrize("redirection, reason", [
    ("< /", "Is a directory"), ("<&-", "Bad file descriptor"), ("0>/dev/null", "Bad file descriptor"),
])
def test_an_error_of_standard_input_is_no_end_of_it(server, redirection, reason):
    finished = shell(f"./midisock-send {address(server)} clock - stop {redirection}")
    assert finished.returncode == 1
    assert finished.stderr.decode() == f"midisock-send: cannot read standard input: {reason}\n"
    assert received(server) == ["f8"]


def test_a_lost_connection_ends_the_wait_for_input():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with Tool("midisock-send", f"127.0.0.1:{listener.getsockname()[1]}", "clock", "-") as send:
            peer, _ = listener.accept()
            assert peer.recv(1) == b"\xf8"
            peer.close()
            assert send.status() == 1
            assert send.errors.endswith("is lost: closed by the peer\n"), send.errors


def nonblocking_pipe(end):
    ends = os.pipe()
    fcntl.fcntl(ends[end], fcntl.F_SETFL, fcntl.fcntl(ends[end], fcntl.F_GETFL) | os.O_NONBLOCK)
    return ends


@pytest.mark.unix
def test_a_nonblocking_input_is_waited_for(server):
    reading, writing = nonblocking_pipe(0)
    send = subprocess.Popen([BIN / "midisock-send", "--hold", address(server), "clock", "-"], stdin=reading,
                            stderr=subprocess.PIPE)
    assert server.receive().data == b"\xf8"  # it has begun, and waits for input
    os.write(writing, b"note-on 0 60 100\n")
    assert server.receive().data == b"\x90\x3c\x64"
    os.close(writing)
    _, errors = send.communicate(timeout=DEADLINE)
    os.close(reading)
    assert (send.returncode, errors) == (0, b"")


@pytest.mark.unix
def test_a_nonblocking_output_is_waited_for():
    count = 5000
    reading, writing = nonblocking_pipe(1)
    monitor = subprocess.Popen([BIN / "midisock-monitor", "-q", "--time", "none", "-n", str(count), "0"], stdout=writing,
                               stderr=subprocess.PIPE)
    os.close(writing)
    with os.fdopen(reading, "rb") as output:
        port = int(output.readline().rsplit(b":", 1)[1])
        with Port.connect("127.0.0.1", port, release_on_close=0) as client:
            client.wait_connected()
            # More than the pipe holds, before anything of it is read.
            for number in range(count):
                client.push(bytes((0xB0, 7, number % 128)))
            lines = [output.readline() for _ in range(count)]
        assert [int(line.split()[3]) for line in lines] == [number % 128 for number in range(count)]
        assert output.read() == b""
    _, errors = monitor.communicate(timeout=DEADLINE)
    assert (monitor.returncode, errors) == (0, b"")


# -- closed descriptors

@pytest.mark.unix
def test_nothing_but_midi_is_sent_where_descriptors_are_closed(server, tmp_path):
    (tmp_path / "damaged.syx").write_bytes(bytes.fromhex("f07d01f700"))
    finished = shell(f"./midisock-send {address(server)} clock '{tmp_path}/damaged.syx' 0<&- 1>&- 2>&-")
    assert finished.returncode == 0
    assert received(server) == ["f8", "f0 7d 01 f7"]
    assert server.stats().invalid_bytes == 0


@pytest.mark.unix
@pytest.mark.parametrize("command", [
    "midisock-monitor -t 0.1 127.0.0.1:0 >&-", "midisock-echo -v -t 0.1 127.0.0.1:0 2>&-",
    "midisock-echo -v -t 0.1 127.0.0.1:0 >&- 2>&- <&-",
])
def test_servers_run_with_closed_descriptors(command):
    assert shell(f"./{command}").returncode == 0


def test_an_output_without_a_reader_is_an_error():
    monitor = subprocess.Popen([BIN / "midisock-monitor", "-q", "127.0.0.1:0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    port = int(monitor.stdout.readline().rsplit(b":", 1)[1])
    monitor.stdout.close()
    with Port.connect("127.0.0.1", port) as client:
        client.wait_connected()
        client.push(b"\xf8")
        errors = monitor.stderr.read()
        assert monitor.wait(DEADLINE) == 1
    monitor.stderr.close()
    assert errors == b"midisock-monitor: cannot write to standard output: Broken pipe\n"


@pytest.mark.parametrize("words, mistake", [
    ("sleep 0.5 clock", "sleep: '0.5' is not a number of milliseconds (0 to 86400000)"),
    ("cc 0 7 64.0", "cc: '64.0' is not a value (0 to 127)"),
    ("note-on 0 60 1.0", "note-on: '1.0' is not a velocity (0 to 127)"),
    ("hex 90 3c 4.0", "hex: '4.0' is not a byte in hexadecimal"),
])
def test_a_value_of_the_wrong_form_is_not_called_missing(words, mistake):
    finished = run("midisock-send", "127.0.0.1:9", *words.split())
    assert finished.returncode == 2
    assert finished.stderr.startswith(f"midisock-send: {mistake}\n")
