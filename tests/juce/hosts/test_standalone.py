"""midisock Bridge alone, on a display and a JACK server of its own: usable with the keyboard, and its states shown. The
pictures are left in target/scripts/juce/pictures; those in docs/images are taken from there."""

import collections
import contextlib
import os
import re
import socket
import subprocess
import threading

import pytest

import bridge_state
from conftest import BUILD, DEADLINE, artefact, asks_for_times, free_port, name_of_server, until

PICTURES = BUILD / "pictures"
# Of the lamp beside the words: examples/juce/editor/Theme.h.
LAMPS = {"off": "#626A7D", "good": "#3DDC97", "waiting": "#F2B84B", "bad": "#FF6B6B"}


@pytest.fixture
def display(jack):
    """An X server that chooses its own number."""
    server = jack.start("sh", "-c", "exec Xvfb -displayfd 3 -screen 0 1000x800x24 -nolisten tcp 3>display")
    number = until(lambda: (jack.folder / "display").read_text().strip() if (jack.folder / "display").exists() else "",
                   "display")
    assert server.poll() is None
    jack.environment["DISPLAY"] = f":{number}"
    return jack


class Window:
    def __init__(self, programs, **settings):
        self.programs = programs
        (programs.folder / ".config" / "midisock Bridge.settings").write_text(
            bridge_state.for_standalone(bridge_state.xml(**settings)))
        self.process = programs.start(artefact("bridge", "Standalone/midisock Bridge"))
        self.id = until(self.window, "window")
        programs.run("xdotool", "windowfocus", "--sync", self.id)
        # Into the header, where there is nothing to press: the keyboard is the editor's, before all of its controls.
        programs.run("xdotool", "mousemove", "--window", self.id, "250", "90", "click", "1")

    def window(self):
        assert self.process.poll() is None, self.programs.output(self.process)
        found = self.programs.run("xdotool", "search", "--onlyvisible", "--name", "^midisock Bridge$", check=False).split()
        return found[0] if found else None

    def key(self, *keys):
        self.programs.run("xdotool", "key", *keys)

    def write(self, text):
        self.programs.run("xdotool", "type", text)

    def picture(self, name):
        PICTURES.mkdir(parents=True, exist_ok=True)
        self.programs.run("import", "-window", self.id, PICTURES / f"{name}.png")
        return PICTURES / f"{name}.png"

    def colours(self, name, crop=None):
        """How many pixels of each colour there are in a picture taken now."""
        area = ["-crop", crop] if crop else []
        said = self.programs.run("convert", self.picture(name), *area, "-depth", "8", "-format", "%c", "histogram:info:")
        return collections.Counter({colour: int(count) for count, colour in
                                    re.findall(r"^\s*(\d+):.*?(#[0-9A-F]{6})", said, re.MULTILINE)})

    def size(self, width, height):
        """As a user who drags its corner; in the screen's corner, so that all of it is in the picture."""
        self.programs.run("xdotool", "windowmove", self.id, "0", "0", "windowsize", "--sync", self.id, str(width), str(height))

    def shows(self, lamp, name, timeout=DEADLINE):
        """Waits until the lamp has that colour, and no other of them: then the picture is that of the state."""
        def lit():
            seen = self.colours(name, crop="4000x90+0+20")
            return seen[LAMPS[lamp]] >= 40 and not any(seen[other] >= 40 for key, other in LAMPS.items() if key != lamp)
        until(lit, f"lamp in the colour of \"{lamp}\"", timeout)


def test_disconnected_and_switched_on_by_keyboard(display, connect):
    number = free_port()
    window = Window(display, host="localhost", port=number, connect=False)
    window.shows("off", "off")
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", number), timeout=1)
    window.key("ctrl+Return")
    window.shows("waiting", "waiting")
    peer = connect(number)
    window.shows("good", "one-client")
    window.key("ctrl+Return")
    window.shows("off", "off-again")
    peer.ended()


def test_address_typed_with_the_keyboard(display, connect):
    first, second = free_port(), free_port()
    window = Window(display, host="localhost", port=first)
    window.shows("waiting", "waiting")
    connect(first).close()

    # The network's list, server, client, name, where to listen, port.
    window.key("Tab", "Tab", "Tab", "Tab", "Tab", "Tab")
    window.write(str(second))
    window.key("Return")
    connect(second)
    window.shows("good", "typed")


def test_where_to_listen_chosen_with_the_keyboard(display, connect):
    number = free_port()
    window = Window(display, host="localhost", port=number)
    connect(number).close()
    elsewhere = ("127.0.0.2", number)  # this computer, too, but not what localhost stands for
    with pytest.raises(OSError):
        socket.create_connection(elsewhere, timeout=1)
    # To the field, which can be typed in; its list; from the first line to the second, "Every network".
    window.key("Tab", "Tab", "Tab", "Tab", "Tab", "Down")
    # It is a window of its own, and black in a picture of the one that it covers.
    until(lambda: window.colours("list")["#000000"] > 5000, "list")
    window.key("Down", "Return")

    def listens():
        try:
            return socket.create_connection(elsewhere, timeout=1)
        except OSError:
            return None
    until(listens, "listener on every network").close()


def test_resized(display):
    window = Window(display, host="localhost", port=free_port())
    for width, height in ((990, 790), (600, 676), (740, 716)):
        window.size(width, height)
        # What is not drawn yet, or would never be, is black.
        until(lambda: window.colours(f"size-{width}")["#000000"] == 0, "picture that is whole")
        window.shows("waiting", f"size-{width}")


@contextlib.contextmanager
def playing(*senders):
    """Notes and clock without pause, from each of two functions that send a message."""
    end = threading.Event()

    def play():
        i = 0
        while not end.wait(0.02):
            i += 1
            for send, channels in zip(senders, ((0, 1, 9), (2, 4))):
                for channel in channels:
                    if i % (channel + 1) == 0:
                        send(bytes([0x90 | channel, 60, 100]))
                        send(bytes([0x80 | channel, 60, 0]))
            senders[0](bytes([0xF8]))

    player = threading.Thread(target=play)
    player.start()
    try:
        yield
    finally:
        end.set()
        player.join()


def test_two_clients_with_activity(display, connect):
    number = free_port()
    window = Window(display, host="localhost", port=number)
    peers = [connect(number), connect(number)]
    with playing(*(lambda message, peer=peer: peer.send(*message) for peer in peers)):
        window.shows("good", "two-clients")
        # The lamps of what comes in are lit, more of them than its name takes.
        until(lambda: window.colours("two-clients")["#4CC9F0"] > 300, "lamps of incoming messages")
        heard = set()

        def panicked():
            window.key("ctrl+period")
            heard.update(peer for peer in peers if peer.has(bytes([0xB0, 120, 0])))
            return len(heard) == 2

        until(panicked, "All Sound Off at both clients")


@contextlib.contextmanager
def named_clients(number, *names):
    """Clients with sender time, which tell their names; the server has told its own."""
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(asks_for_times(number, name)) for name in names]
        until(lambda: all(name_of_server(client) == "Keys" for client in clients), "name of the server")
        yield clients


def test_clients_by_name_and_one_channel(display):
    number = free_port()
    window = Window(display, host="localhost", port=number, name="Keys", latency_ms=50)
    with named_clients(number, "Stage left", "Laptop") as clients:
        until(lambda: all(client.stats().clock_error_ns for client in clients), "clocks")
        with playing(*(client.try_push for client in clients)):
            window.shows("good", "by-name")
            until(lambda: window.colours("by-name")["#4CC9F0"] > 300, "lamps of incoming messages")
        every = window.colours("all-channels")["#272B36"]
        # From before the first control to the channels, which are a list that can be typed in.
        window.key(*["Tab"] * 9)
        window.write("10")
        window.key("Return")
        # The lamps of the other channels are outlines now: there is less of their colour.
        until(lambda: window.colours("channels")["#272B36"] < every - 3000, "lamps as outlines")
        with playing(*(client.try_push for client in clients)):
            until(lambda: window.colours("channels")["#4CC9F0"] > 100, "lamp of the channel")


def test_pictures_without_a_window():
    """Of what needs a network, or several instances: drawn by test_bridge and test_words."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    for program, case, name in (("test_bridge", "a_server_is_chosen_from_the_network", "network"),
                                ("test_words", "in_use_shared_and_free_again", "shared")):
        picture = PICTURES / f"{name}.png"
        picture.unlink(missing_ok=True)
        finished = subprocess.run([artefact("bridge", program), case], env={**os.environ, "MIDISOCK_PICTURES": str(PICTURES)},
                                  capture_output=True, text=True, timeout=DEADLINE)
        assert finished.returncode == 0 and picture.exists(), finished.stdout + finished.stderr


def test_connecting(display):
    """A listener with a full backlog: the system answers nobody, and the attempt goes on."""
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    server.listen(0)
    waiting = []
    for _ in range(4):
        one = socket.socket()
        one.setblocking(False)
        one.connect_ex(server.getsockname())
        waiting.append(one)
    try:
        window = Window(display, role="client", host="localhost", port=server.getsockname()[1])

        # An attempt ends after five seconds. A machine that is busy may show that only then; it is tried anew.
        def connecting():
            try:
                window.shows("waiting", "connecting", timeout=4)
                return True
            except AssertionError:
                window.key("ctrl+Return", "ctrl+Return")
                return False
        until(connecting, "attempt that is shown", timeout=120)
    finally:
        for one in [*waiting, server]:
            one.close()


def test_address_in_use_and_free_again(display, connect):
    holder = socket.create_server(("127.0.0.1", 0))
    number = holder.getsockname()[1]
    window = Window(display, host="127.0.0.1", port=number)
    window.shows("bad", "in-use")
    holder.close()
    window.shows("waiting", "free-again")
    connect(number)
    window.shows("good", "one-client")


def test_refused(display):
    window = Window(display, role="client", host="localhost", port=free_port())
    window.shows("bad", "refused")


def test_not_allowed(display):
    number = free_port()
    window = Window(display, host="127.0.0.1", port=number, allow="10.0.0.0/8")
    window.shows("waiting", "not-allowed")
    with socket.create_connection(("127.0.0.1", number), timeout=20) as turned_away:
        assert turned_away.recv(1) == b""
    # A banner in the colour of a warning, beside the lamp.
    until(lambda: window.colours("not-allowed")[LAMPS["waiting"]] > 300, "banner")
