"""The C API of midisock, in Python: the structs, the functions, and a Port around a handle.

The constants are read from the header and the layout of the structs is compared with a compiled C
program by test_binding.py, so neither can drift. MIDISOCK_LIBRARY names the library; without it
that of the last `cargo build --release` is taken.
"""

import ctypes
import os
import re
import time
from ctypes import (
    POINTER, Structure, c_char, c_char_p, c_double, c_int32, c_int64, c_size_t, c_ssize_t, c_uint8,
    c_uint16, c_uint32, c_uint64, c_void_p,
)
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")
INCLUDE = ROOT / "include"
HEADER = INCLUDE / "midisock" / "midisock.h"
LIBRARY = Path(os.environ.get("MIDISOCK_LIBRARY") or TARGET / "release" / "libmidisock.so")

# The deadline for everything that must happen: far more than it takes, for busy machines.
DEADLINE = 20.0


def read_constants():
    """The header's constants by name, without the prefix MIDISOCK_."""
    found = re.findall(r"^#define MIDISOCK_([A-Z0-9_]+) (-?\d+|UINT64_MAX)$", HEADER.read_text(),
                       re.MULTILINE)
    return {name: 2**64 - 1 if value == "UINT64_MAX" else int(value) for name, value in found}


CONSTANTS = read_constants()
globals().update(CONSTANTS)
RESULT_NAMES = {value: name for name, value in CONSTANTS.items()
                if name in ("OK", "EMPTY", "OFFLINE") or name.startswith("ERR_")}


class Config(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("in_queue_bytes", c_uint32),
        ("out_queue_bytes", c_uint32),
        ("max_message_bytes", c_uint32),
        ("accept_mode", c_uint32),
        ("max_clients", c_uint32),
        ("allow", c_char_p),
        *([("reserved_after_allow", c_uint32)] if ctypes.sizeof(c_void_p) == 4 else []),
        ("name", c_char_p),
        *([("reserved_after_name", c_uint32)] if ctypes.sizeof(c_void_p) == 4 else []),
        ("overflow", c_uint32),
        ("max_delay_ms", c_uint32),
        ("client_buffer_bytes", c_uint32),
        ("connect_timeout_ms", c_uint32),
        ("reconnect_min_ms", c_uint32),
        ("reconnect_max_ms", c_uint32),
        ("listen_retry_ms", c_uint32),
        ("keepalive_ms", c_uint32),
        ("stall_timeout_ms", c_uint32),
        ("linger_ms", c_uint32),
        ("release_on_disconnect", c_uint32),
        ("release_on_close", c_uint32),
        ("greet", c_uint32),
        ("wake", c_uint32),
        ("tick_us", c_uint32),
        ("busy_poll_us", c_uint32),
        ("latency_ns", c_uint64),
        ("push_latency_ns", c_uint64),
        ("realtime_priority", c_uint32),
        ("traffic_class", c_uint32),
        ("channels", c_uint32),
        ("timing", c_uint32),
        ("advertise", c_uint32),
        ("share", c_uint32),
        ("context", c_void_p),
        *([("reserved_after_context", c_uint32)] if ctypes.sizeof(c_void_p) == 4 else []),
    ]


# run(argument), which a thread of one's own calls.
RUN = ctypes.CFUNCTYPE(c_void_p, c_void_p)
CREATE_THREAD = ctypes.CFUNCTYPE(c_int32, c_void_p, RUN, c_void_p, POINTER(c_void_p))
JOIN_THREAD = ctypes.CFUNCTYPE(None, c_void_p, c_void_p)
LOG = ctypes.CFUNCTYPE(None, c_void_p, c_int32, c_char_p)


class ContextConfig(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("mode", c_uint32),
        ("realtime_priority", c_uint32),
        ("busy_poll_us", c_uint32),
        ("create_thread", CREATE_THREAD),
        ("join_thread", JOIN_THREAD),
        ("thread_user", c_void_p),
        ("log", LOG),
        ("log_user", c_void_p),
    ]


class Message(Structure):
    _fields_ = [
        ("time_ns", c_uint64),
        ("data", POINTER(c_uint8)),
        ("size", c_uint32),
        ("client", c_uint32),
        ("frame", c_uint32),
        ("flags", c_uint32),
        ("reserved", c_uint32 * (3 if ctypes.sizeof(c_void_p) == 4 else 2)),
    ]


class Block(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("flags", c_uint32),
        ("start_ns", c_uint64),
        ("sample_rate", c_double),
        ("frames", c_uint32),
        ("reserved", c_uint32),
        ("position", c_int64),
    ]


class Notification(Structure):
    _fields_ = [
        ("time_ns", c_uint64),
        ("kind", c_int32),
        ("reason", c_int32),
        ("client", c_uint32),
        ("os_error", c_int32),
        ("address", c_char * 64),
        ("reserved", c_uint32 * 2),
    ]


class Stats(Structure):
    _fields_ = [(name, c_uint64) for name in (
        "messages_in", "messages_out", "bytes_in", "bytes_out", "dropped_in", "dropped_out",
        "unrepaired", "invalid_bytes", "oversize_in", "synthesized", "connections",
        "disconnections", "rejected", "latency_ns", "network_wakes", "network_late_ns",
        "network_late_max_ns", "network_priority", "filtered", "timed_in", "late_in",
        "clock_error_ns", "transit_ns",
    )]


class Service(Structure):
    _fields_ = [
        ("kind", c_int32),
        ("port", c_uint16),
        ("reserved", c_uint16),
        ("name", c_char * 64),
        ("host", c_char * 256),
        ("address", c_char * 64),
    ]


STRUCTS = {
    "midisock_config": Config,
    "midisock_context_config": ContextConfig,
    "midisock_message": Message,
    "midisock_block": Block,
    "midisock_notification": Notification,
    "midisock_stats": Stats,
    "midisock_service": Service,
}

HANDLE = c_void_p
FUNCTIONS = {  # name: (what it returns, what it takes)
    "version": (c_uint32, []),
    "version_string": (c_char_p, []),
    "strerror": (c_char_p, [c_int32]),
    "now_ns": (c_uint64, []),
    "context_config_init": (None, [POINTER(ContextConfig), c_size_t]),
    "context_create": (c_int32, [POINTER(ContextConfig), POINTER(HANDLE)]),
    "context_destroy": (c_int32, [HANDLE]),
    "context_poll": (c_int32, [HANDLE, c_int32]),
    "context_handle": (c_int32, [HANDLE, POINTER(c_ssize_t)]),
    "config_init": (None, [POINTER(Config), c_size_t]),
    "listen": (c_int32, [c_char_p, c_uint16, POINTER(Config), POINTER(HANDLE)]),
    "connect": (c_int32, [c_char_p, c_uint16, POINTER(Config), POINTER(HANDLE)]),
    "accept": (c_int32, [HANDLE, c_int32, POINTER(HANDLE)]),
    "adopt": (c_int32, [c_ssize_t, POINTER(Config), POINTER(HANDLE)]),
    "pair": (c_int32, [POINTER(Config), POINTER(HANDLE), POINTER(HANDLE)]),
    "shutdown": (c_int32, [HANDLE]),
    "close": (None, [HANDLE]),
    "parse_address": (c_int32, [c_char_p, c_char_p, c_size_t, POINTER(c_uint16)]),
    "push": (c_int32, [HANDLE, c_char_p, c_size_t]),
    "push_message": (c_int32, [HANDLE, POINTER(Message)]),
    "cancel": (c_int32, [HANDLE]),
    "pop": (c_int32, [HANDLE, POINTER(Message)]),
    "skip": (c_int32, [HANDLE]),
    "panic": (c_int32, [HANDLE]),
    "reset": (c_int32, [HANDLE]),
    "begin_block": (c_int32, [HANDLE, POINTER(Block)]),
    "pop_block": (c_int32, [HANDLE, POINTER(Message)]),
    "push_frame": (c_int32, [HANDLE, c_uint32, c_char_p, c_size_t]),
    "state": (c_int32, [HANDLE]),
    "client_count": (c_uint32, [HANDLE]),
    "local_port": (c_uint16, [HANDLE]),
    "get_stats": (c_int32, [HANDLE, POINTER(Stats), c_size_t]),
    "wait": (c_int32, [HANDLE, c_uint32, c_int32]),
    "wait_any": (c_int32, [POINTER(HANDLE), c_size_t, c_uint32, c_int32, POINTER(c_size_t)]),
    "wait_connected": (c_int32, [HANDLE, c_int32]),
    "flush": (c_int32, [HANDLE, c_int32]),
    "poll_notification": (c_int32, [HANDLE, POINTER(Notification)]),
    "client_address": (c_int32, [HANDLE, c_uint32, c_char_p, c_size_t]),
    "peer_address": (c_int32, [HANDLE, c_char_p, c_size_t]),
    "client_name": (c_int32, [HANDLE, c_uint32, c_char_p, c_size_t]),
    "peer_name": (c_int32, [HANDLE, c_char_p, c_size_t]),
    "disconnect": (c_int32, [HANDLE, c_uint32]),
    "set_realtime_priority": (c_int32, [HANDLE, c_uint32]),
    "clients": (c_int32, [HANDLE, POINTER(c_uint32), c_size_t, POINTER(c_size_t)]),
    "set_allow": (c_int32, [HANDLE, c_char_p]),
    "set_name": (c_int32, [HANDLE, c_char_p]),
    "wait_handle": (c_int32, [HANDLE, c_uint32, POINTER(c_ssize_t)]),
    "set_latency": (c_int32, [HANDLE, c_uint64, c_uint64]),
    "set_channels": (c_int32, [HANDLE, c_uint32]),
    "browse": (c_int32, [POINTER(HANDLE)]),
    "browser_next": (c_int32, [HANDLE, POINTER(Service), c_size_t]),
    "browser_wait": (c_int32, [HANDLE, c_int32]),
    "browser_close": (None, [HANDLE]),
}


def load(path=LIBRARY):
    library = ctypes.CDLL(str(path))
    for name, (returned, taken) in FUNCTIONS.items():
        function = getattr(library, f"midisock_{name}")
        function.restype = returned
        function.argtypes = taken
    return library


LIB = load()


def call(name, *arguments):
    """The function of this name (without midisock_) of the library."""
    return getattr(LIB, f"midisock_{name}")(*arguments)


class Error(Exception):
    def __init__(self, result, doing):
        self.result = result
        name = RESULT_NAMES.get(result, result)
        super().__init__(f"{doing}: {name} ({call('strerror', result).decode()})")


def check(result, doing, *others):
    """Raises unless the result is OK or one of these others."""
    if result != CONSTANTS["OK"] and result not in others:
        raise Error(result, doing)
    return result


def config(**fields):
    """The defaults, with these fields changed."""
    made = Config()
    call("config_init", made, ctypes.sizeof(made))
    for name, value in fields.items():
        setattr(made, name, value)
    return made


class Context:
    """A context. Leaving `with` destroys it; its ports must be closed by then."""

    def __init__(self, **fields):
        made = ContextConfig()
        call("context_config_init", made, ctypes.sizeof(made))
        for name, value in fields.items():
            setattr(made, name, value)
        self._config = made  # its functions are called as long as the context lives
        self.handle = HANDLE()
        check(call("context_create", made, self.handle), "context_create")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.destroy()

    def destroy(self):
        check(call("context_destroy", self.handle), "context_destroy")
        self.handle = HANDLE()

    def poll(self, timeout=DEADLINE):
        """Whether something was done."""
        result = call("context_poll", self.handle, int(timeout * 1000))
        return check(result, "context_poll", CONSTANTS["EMPTY"]) == CONSTANTS["OK"]

    def fileno(self):
        """The descriptor, as select wants it."""
        descriptor = c_ssize_t()
        check(call("context_handle", self.handle, descriptor), "context_handle")
        return descriptor.value


class Popped:
    """A copy of a message, which the next pop cannot change."""

    def __init__(self, message):
        self.data = ctypes.string_at(message.data, message.size)
        self.time_ns = message.time_ns
        self.client = message.client
        self.frame = message.frame
        self.flags = message.flags

    def __repr__(self):
        return f"<{self.data.hex(' ')} client={self.client} flags={self.flags}>"


class Port:
    """A port. Leaving `with` closes it."""

    def __init__(self, handle):
        self.handle = handle

    @classmethod
    def _made(cls, name, *arguments):
        handle = HANDLE()
        check(call(name, *arguments, handle), name)
        return cls(handle)

    @classmethod
    def listen(cls, host=None, port=0, **fields):
        return cls._made("listen", host.encode() if host is not None else None, port,
                         config(**fields))

    @classmethod
    def connect(cls, host, port, **fields):
        return cls._made("connect", host.encode(), port, config(**fields))

    @classmethod
    def adopt(cls, connected, **fields):
        """The port of a connected socket, which it takes over."""
        port = cls._made("adopt", connected.fileno(), config(**fields))
        connected.detach()
        return port

    @classmethod
    def pair(cls, **fields):
        a, b = HANDLE(), HANDLE()
        check(call("pair", config(**fields), a, b), "pair")
        return cls(a), cls(b)

    def accept(self, timeout=DEADLINE):
        return self._made("accept", self.handle, int(timeout * 1000))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.handle:
            call("close", self.handle)
            self.handle = HANDLE()

    def shutdown(self):
        check(call("shutdown", self.handle), "shutdown")

    @property
    def number(self):
        """The local TCP port."""
        return call("local_port", self.handle)

    @property
    def state(self):
        return call("state", self.handle)

    @property
    def client_count(self):
        return call("client_count", self.handle)

    def stats(self):
        stats = Stats()
        check(call("get_stats", self.handle, stats, ctypes.sizeof(stats)), "get_stats")
        return stats

    def wait(self, what, timeout=DEADLINE):
        return call("wait", self.handle, what, int(timeout * 1000))

    def wait_connected(self, timeout=DEADLINE):
        check(call("wait_connected", self.handle, int(timeout * 1000)), "wait_connected")

    def flush(self, timeout=DEADLINE):
        check(call("flush", self.handle, int(timeout * 1000)), "flush")

    def try_push(self, data):
        return call("push", self.handle, bytes(data), len(data))

    def push(self, data, timeout=DEADLINE):
        """Pushes, and waits for room if there is none."""
        deadline = time.monotonic() + timeout
        while (result := self.try_push(data)) == CONSTANTS["ERR_FULL"]:
            left = deadline - time.monotonic()
            check(self.wait(CONSTANTS["WAIT_ROOM"], max(0, left)), "wait for room")
        check(result, f"push of {len(data)} bytes")

    def push_to(self, client, data):
        """Pushes to one client of a merged server."""
        buffer = (c_uint8 * len(data)).from_buffer_copy(data)
        message = Message(data=buffer, size=len(data), client=client)
        check(call("push_message", self.handle, message), f"push to client {client}")

    def pop(self):
        """The next message, or None if there is none now."""
        message = Message()
        result = check(call("pop", self.handle, message), "pop", CONSTANTS["EMPTY"])
        return Popped(message) if result == CONSTANTS["OK"] else None

    def begin_block(self, start_ns, frames, sample_rate=48000.0, flags=0, position=None):
        """Begins an audio block; gives the result."""
        if position is not None:
            flags |= CONSTANTS["BLOCK_HAS_POSITION"]
        block = Block(struct_size=ctypes.sizeof(Block), flags=flags, start_ns=start_ns, sample_rate=sample_rate,
                      frames=frames, position=position or 0)
        return call("begin_block", self.handle, block)

    def pop_block(self):
        """The next message of the block, or None if there is none."""
        message = Message()
        result = check(call("pop_block", self.handle, message), "pop_block", CONSTANTS["EMPTY"])
        return Popped(message) if result == CONSTANTS["OK"] else None

    def receive(self, timeout=DEADLINE):
        """Waits for the next message."""
        deadline = time.monotonic() + timeout
        while (message := self.pop()) is None:
            left = deadline - time.monotonic()
            check(self.wait(CONSTANTS["WAIT_MESSAGE"], max(0, left)), "wait for a message")
        return message

    def receive_bytes(self, count, timeout=DEADLINE):
        """The bytes of the next messages, concatenated."""
        deadline = time.monotonic() + timeout
        return [self.receive(max(0, deadline - time.monotonic())).data for _ in range(count)]

    def poll_notification(self):
        notification = Notification()
        result = check(call("poll_notification", self.handle, notification), "poll_notification",
                       CONSTANTS["EMPTY"])
        return notification if result == CONSTANTS["OK"] else None

    def notified(self, kind, timeout=DEADLINE):
        """The next notification of this kind; those before it are dropped."""
        deadline = time.monotonic() + timeout
        result = CONSTANTS["OK"]
        while True:
            while (notification := self.poll_notification()) is not None:
                if notification.kind == kind:
                    return notification
            # A closed port ends every wait, but its notifications can still be taken.
            check(result, f"wait for notification {kind}")
            left = deadline - time.monotonic()
            result = self.wait(CONSTANTS["WAIT_NOTIFICATION"], max(0, left))

    def cancel(self):
        check(call("cancel", self.handle), "cancel")

    def panic(self):
        check(call("panic", self.handle), "panic")

    def reset(self):
        check(call("reset", self.handle), "reset")

    def disconnect(self, client):
        check(call("disconnect", self.handle, client), "disconnect")

    def clients(self):
        """The ids of a merged server's clients, in the order in which they connected."""
        count = c_size_t()
        check(call("clients", self.handle, None, 0, count), "clients")
        ids = (c_uint32 * (count.value + 8))()
        check(call("clients", self.handle, ids, len(ids), count), "clients")
        return ids[:min(count.value, len(ids))]

    def set_allow(self, allow):
        check(call("set_allow", self.handle, allow.encode() if allow is not None else None), "set_allow")

    def set_name(self, name):
        check(call("set_name", self.handle, name.encode() if name is not None else None), "set_name")

    def fileno(self, what=None):
        """The descriptor that is readable while there is a message, or what else is asked for; for
        select, selectors and asyncio."""
        handle = c_ssize_t()
        what = CONSTANTS["WAIT_MESSAGE"] if what is None else what
        check(call("wait_handle", self.handle, what, handle), "wait_handle")
        return handle.value

    def client_address(self, client):
        buffer = ctypes.create_string_buffer(64)
        check(call("client_address", self.handle, client, buffer, 64), "client_address")
        return buffer.value.decode()

    def peer_address(self):
        buffer = ctypes.create_string_buffer(64)
        check(call("peer_address", self.handle, buffer, 64), "peer_address")
        return buffer.value.decode()

    def client_name(self, client):
        buffer = ctypes.create_string_buffer(64)
        check(call("client_name", self.handle, client, buffer, 64), "client_name")
        return buffer.value.decode()

    def peer_name(self):
        buffer = ctypes.create_string_buffer(64)
        check(call("peer_name", self.handle, buffer, 64), "peer_name")
        return buffer.value.decode()


class Browser:
    """A browser. Leaving `with` closes it."""

    def __init__(self):
        self.handle = HANDLE()
        check(call("browse", self.handle), "browse")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        call("browser_close", self.handle)
        self.handle = HANDLE()

    def next(self, timeout=0):
        """The next change, as a Service, or None if there is none in time."""
        service = Service()
        result = check(call("browser_wait", self.handle, int(timeout * 1000)), "browser_wait", CONSTANTS["ERR_TIMEOUT"])
        if result != CONSTANTS["OK"]:
            return None
        size = ctypes.sizeof(service)
        result = check(call("browser_next", self.handle, service, size), "browser_next", CONSTANTS["EMPTY"])
        return service if result == CONSTANTS["OK"] else None
