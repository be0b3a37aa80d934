"""The Python binding matches the header: layout of structs, constants, functions."""

import asyncio
import re
import subprocess
import sys

import midisock_ctypes as midisock
import pytest


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """A C program's view of structs and constants: a dict from name to number."""
    lines = []
    for name, struct in midisock.STRUCTS.items():
        lines.append(f'print("{name}", sizeof({name}));')
        for field, _ in struct._fields_:
            lines.append(f'print("{name}.{field}", offsetof({name}, {field}));')
            lines.append(f'print("{name}.{field} size", sizeof((({name} *)0)->{field}));')
    for name in midisock.CONSTANTS:
        lines.append(f'print("{name}", (unsigned long long)(MIDISOCK_{name}));')
    folder = tmp_path_factory.mktemp("layout")
    source, program = folder / "layout.c", folder / "layout"
    source.write_text(
        "#include <midisock/midisock.h>\n#include <stdio.h>\n"
        "static void print(const char *name, unsigned long long value)\n"
        '{ printf("%s=%llu\\n", name, value); }\n'
        "int main(void)\n{\n" + "\n".join(lines) + "\nreturn 0;\n}\n")
    subprocess.run(["cc", "-std=c99", "-I", midisock.INCLUDE, "-o", program, source], check=True)
    output = subprocess.run([program], check=True, stdout=subprocess.PIPE, text=True).stdout
    return {name: int(value) for name, value in
            (line.rsplit("=", 1) for line in output.splitlines())}


@pytest.mark.parametrize("name", midisock.STRUCTS)
def test_structs_are_laid_out_as_in_c(printed, name):
    struct = midisock.STRUCTS[name]
    expected = {name: midisock.ctypes.sizeof(struct)}
    for field, _ in struct._fields_:
        expected[f"{name}.{field}"] = getattr(struct, field).offset
        expected[f"{name}.{field} size"] = getattr(struct, field).size
    assert {key: printed[key] for key in expected} == expected


@pytest.mark.parametrize("name", midisock.STRUCTS)
def test_structs_have_all_fields(name):
    text = re.sub(r"/\*.*?\*/", "", midisock.HEADER.read_text(), flags=re.DOTALL)
    body = re.search(rf"typedef struct {name} \{{(.*?)\}} {name};", text, re.DOTALL)[1]
    if midisock.ctypes.sizeof(midisock.ctypes.c_void_p) == 8:
        body = re.sub(r"#if defined\(MIDISOCK_32_BIT\).*?#endif", "", body, flags=re.DOTALL)
    # A pointer to a function has its name in front of its arguments.
    fields = [a or b for a, b in re.findall(r"\(\*(\w+)\)\(.*?\);|(\w+)(?:\[\w+\])?;", body)]
    assert fields == [field for field, _ in midisock.STRUCTS[name]._fields_]


def test_constants_are_the_compilers(printed):
    names = midisock.CONSTANTS
    assert len(names) >= 40
    assert {name: printed[name] for name in names} == {
        name: value % 2**64 for name, value in names.items()}


def test_every_function_of_the_header_is_bound():
    text = re.sub(r"/\*.*?\*/", "", midisock.HEADER.read_text(), flags=re.DOTALL)
    declared = set(re.findall(r"\bmidisock_([a-z0-9_]+)\s*\(", text))
    assert declared == set(midisock.FUNCTIONS)


def test_the_version_is_cargos():
    package = (midisock.ROOT / "Cargo.toml").read_text().split("[package]", 1)[1]
    version = re.search(r'^version = "(\d+)\.(\d+)\.(\d+)', package, re.MULTILINE)
    numbers = tuple(int(part) for part in version.groups())
    assert numbers == (midisock.VERSION_MAJOR, midisock.VERSION_MINOR, midisock.VERSION_PATCH)
    assert midisock.call("version") == numbers[0] << 16 | numbers[1] << 8 | numbers[2]
    assert midisock.call("version_string").decode() == ".".join(map(str, numbers))


def test_blocks_with_the_hosts_counter_and_the_devices_time():
    """5 ms before the block and one block later: in the middle, whatever the jitter of the calls."""
    device_time = midisock.CONSTANTS["BLOCK_DEVICE_TIME"]
    invalid = midisock.CONSTANTS["ERR_INVALID_ARGUMENT"]
    with midisock.Port.pair()[0] as a:
        assert a.begin_block(1, 64, position=-1) == invalid
        assert a.begin_block(0, 64, flags=device_time) == invalid
    a, b = midisock.Port.pair()
    with a, b:
        for number in range(20):
            start = 1_000_000_000 + 10_000_000 * number
            buffer = (midisock.c_uint8 * 1)(0xf6)
            message = midisock.Message(time_ns=start - 5_000_000, data=buffer, size=1)
            assert midisock.call("push_message", a.handle, message) == midisock.CONSTANTS["OK"]
            assert b.begin_block(start, 480, flags=device_time, position=2**62 + 480 * number) == midisock.CONSTANTS["OK"]
            assert b.pop_block().frame == 240
            assert b.pop_block() is None


def test_clients_a_list_and_a_name():
    with midisock.Port.listen(allow=b"127.0.0.1", name=b"desk") as server:
        with midisock.Port.connect("127.0.0.1", server.number) as client:
            client.wait_connected()
            joined = server.notified(midisock.NOTIFY_CLIENT_JOINED)
            assert server.clients() == [joined.client]
            server.set_name("B\u00fchne")
            server.set_name(None)
            with pytest.raises(midisock.Error, match="ERR_INVALID_ARGUMENT"):
                server.set_name("x" * 64)
            with pytest.raises(midisock.Error, match="ERR_ADDRESS"):
                server.set_allow("nobody")
            server.set_allow("127.0.0.2")
            assert server.clients() == []
            left = server.notified(midisock.NOTIFY_CLIENT_LEFT)
            assert (left.client, left.reason) == (joined.client, midisock.ERR_PERMISSION)


def test_senders_times_and_names():
    with midisock.Port.listen("127.0.0.1", name=b"stage") as server:
        with midisock.Port.connect("127.0.0.1", server.number, name="B\u00fchne".encode(),
                                   timing=midisock.TIMING_SENDER) as client:
            named = server.notified(midisock.NOTIFY_CLIENT_NAMED)
            assert server.client_name(named.client) == "B\u00fchne"
            server.notified(midisock.NOTIFY_CLOCK_LOCKED)
            assert client.peer_name() == "stage"
            before = midisock.call("now_ns")
            client.push(b"\xf8")
            message = server.receive()
            assert message.flags == midisock.FLAG_TIMED
            error = server.stats().clock_error_ns
            assert before - error <= message.time_ns <= midisock.call("now_ns") + error
            assert server.stats().timed_in == 1


def test_a_port_in_asyncio():
    """A port is what an event loop of Python's waits for."""
    async def receive(server, client, count):
        loop, got, done = asyncio.get_running_loop(), [], asyncio.Event()

        def ready():
            while (message := server.pop()) is not None:
                got.append(message.data)
            if len(got) == count:
                done.set()
        loop.add_reader(server, ready)
        for number in range(count):
            client.push(bytes([0x90, number % 128, 1]))
            await asyncio.sleep(0)
        await asyncio.wait_for(done.wait(), midisock.DEADLINE)
        loop.remove_reader(server)
        return got

    with midisock.Port.listen() as server, midisock.Port.connect("127.0.0.1", server.number) as client:
        client.wait_connected()
        got = asyncio.run(receive(server, client, 1000))
        assert got == [bytes([0x90, number % 128, 1]) for number in range(1000)]


def test_a_context_without_a_thread_in_a_loop():
    import os
    import select
    lines = []
    log = midisock.LOG(lambda _, level, text: lines.append((level, text.decode())))
    with midisock.Context(mode=midisock.CONTEXT_HOST, log=log) as context:
        with midisock.Port.listen("127.0.0.1", context=context.handle) as server, \
                midisock.Port.connect("127.0.0.1", server.number, context=context.handle) as client:
            client.wait_connected()
            threads = len(os.listdir("/proc/self/task"))
            for number in range(20):
                client.push(bytes([0x90, number, 1]))
                while (message := server.pop()) is None:
                    assert select.select([context], [], [], midisock.DEADLINE)[0]
                    context.poll(0)
                assert message.data == bytes([0x90, number, 1])
            client.push(b"\x80\x01\x01")
            assert server.receive().data == b"\x80\x01\x01"
            assert len(os.listdir("/proc/self/task")) == threads
    assert any(level == midisock.LOG_INFO and "joined from" in text for level, text in lines)


def test_a_context_with_a_thread_of_ones_own():
    import threading
    made = []

    def make(_, run, argument, thread):
        made.append(threading.Thread(target=run, args=(argument,)))
        made[0].start()
        return 0

    create = midisock.CREATE_THREAD(make)
    join = midisock.JOIN_THREAD(lambda user, thread: made[0].join())
    with midisock.Context(create_thread=create, join_thread=join) as context:
        with midisock.Port.listen("127.0.0.1", context=context.handle) as server, \
                midisock.Port.connect("127.0.0.1", server.number, context=context.handle) as client:
            client.wait_connected()
            client.push(b"\x90\x01\x01")
            assert server.receive().data == b"\x90\x01\x01"
        assert made[0].is_alive()
    assert len(made) == 1 and not made[0].is_alive()


def test_no_thread_is_left_after_the_last_close():
    """A process that opened and closed ports ends by itself, with anything pending."""
    program = (
        "import midisock_ctypes as m\n"
        "server = m.Port.listen()\n"
        "client = m.Port.connect('127.0.0.1', server.number)\n"
        "client.wait_connected()\n"
        "client.push(b'\\x90\\x3c\\x40')\n"
        "assert server.receive().data == b'\\x90\\x3c\\x40'\n"
        "client.close(); server.close()\n"
        "import os\nprint(len(os.listdir('/proc/self/task')))\n")
    finished = subprocess.run([sys.executable, "-c", program], cwd=midisock.ROOT / "tests/python",
                              stdout=subprocess.PIPE, text=True, timeout=midisock.DEADLINE)
    assert (finished.returncode, finished.stdout) == (0, "1\n")
