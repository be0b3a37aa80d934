"""The scenes of the demo. A scene returns the number of messages that arrived correctly, or raises."""

import inspect
import queue
import time

import demo_screen as screen
from tool import Tool, run

try:
    import mido
    import mido.sockets
except ImportError:
    mido = None

# Each step takes milliseconds; the deadline allows for a busy machine.
DEADLINE = 10.0

# The messages, in the words of midisock-send and midisock-monitor.
PHRASE = [
    "program 0 19",
    "cc 0 7 100",
    "note-on 0 60 100", "note-on 0 64 90", "note-on 0 67 80",
    "bend 0 -2048", "bend 0 0",
    "note-off 0 60 64", "note-off 0 64 64", "note-off 0 67 64",
    "sysex 7e 7f 06 01",
]


class Missing(Exception):
    """An expected message did not arrive."""


def play():
    """Shows all scenes. Returns whether all succeeded."""
    scenes = [to_a_server, from_a_server]
    if mido:
        scenes += [mido_as_client, mido_as_server, there_and_back]
    started = time.monotonic()
    failures = messages = 0
    for number, scene in enumerate(scenes, 1):
        screen.heading(number, *inspect.getdoc(scene).split("\n\n"))
        try:
            arrived = scene()
            messages += arrived
            screen.passed(f"{arrived} messages arrived, each as it was sent")
        except (Missing, AssertionError, OSError, queue.Empty) as problem:
            failures += 1
            screen.failed(f"{type(problem).__name__}: {problem}")
    print()
    seconds = time.monotonic() - started
    if failures:
        screen.failed(f"{failures} of {len(scenes)} scenes")
    else:
        screen.passed(f"{len(scenes)} scenes, {messages} messages, {seconds:.1f} s")
    return failures == 0


def words(phrase):
    return [word for message in phrase for word in message.split()]


def show_command(program, *arguments):
    """Shows a command, with line breaks between messages."""
    starts = {message.split()[0] for message in PHRASE}
    lines = [program]
    pieces = []
    for argument in arguments:
        if argument in starts:
            pieces.append(argument)
        elif pieces:
            pieces[-1] += " " + argument
        else:
            lines[0] += " " + argument
    for piece in pieces:
        if len(lines[-1]) + len(piece) > 88:
            lines.append(piece)
        else:
            lines[-1] += " " + piece
    screen.command(lines)


def start(*arguments):
    """Starts a tool and shows its command, and the first line of a server."""
    show_command(*arguments)
    return Tool(*arguments)


def server_port(tool):
    """The port of a server. Shows the line that contains it."""
    line = tool.line(DEADLINE)
    if line is None:
        raise Missing(f"the server ended: {tool.errors}")
    screen.output(line)
    return int(line.rsplit(":", 1)[1])


def send(*arguments):
    """Runs midisock-send to its end."""
    show_command("midisock-send", *arguments)
    finished = run("midisock-send", *arguments, timeout=DEADLINE)
    if finished.returncode != 0:
        raise Missing(f"midisock-send: {finished.stderr.strip()}")


def show_until_arrived(monitor, phrase):
    """Shows the monitor's output until it has printed these messages in this order."""
    for message in phrase:
        while True:
            line = monitor.line(DEADLINE)
            if line is None:
                raise Missing(f"{message}; the monitor ended: {monitor.errors}")
            screen.output(line)
            if f"  {message}  " in f"  {line[13:].lstrip('#0123456789').strip()}  ":
                break
            if is_message(line):
                raise Missing(f"{message}; in its place came {line}")
    return len(phrase)


def is_message(line):
    return not any(word in line for word in ("joined", "left", "connect"))


def to_a_server():
    """C to C: a client plays, a server listens

    midisock-monitor is a server; midisock-send connects, sends and leaves."""
    with start("midisock-monitor", "127.0.0.1:0") as monitor:
        number = server_port(monitor)
        send(f"127.0.0.1:{number}", *words(PHRASE))
        arrived = show_until_arrived(monitor, PHRASE)
        screen.output(monitor.line_with("left"))
    return arrived


def from_a_server():
    """C to C: a server plays, a client listens

    The other direction: midisock-send is the server and waits for midisock-monitor."""
    arguments = ("midisock-send", "--listen", "127.0.0.1:0", *words(PHRASE))
    with start(*arguments) as sender:
        number = server_port(sender)
        with start("midisock-monitor", "--connect", f"127.0.0.1:{number}") as monitor:
            arrived = show_until_arrived(monitor, PHRASE)
            if sender.status(DEADLINE) != 0:
                raise Missing(f"midisock-send: {sender.errors}")
    return arrived


def mido_phrase():
    return [
        mido.Message("program_change", channel=1, program=5),
        mido.Message("control_change", channel=1, control=64, value=127),
        mido.Message("note_on", channel=1, note=60, velocity=100),
        mido.Message("note_off", channel=1, note=60, velocity=64),
        mido.Message("control_change", channel=1, control=64, value=0),
        mido.Message("pitchwheel", channel=1, pitch=8191),
        mido.Message("sysex", data=(1, 2, 3)),
    ]


def in_words(message):
    """A mido message in midisock-send's words."""
    match message.type:
        case "program_change":
            return f"program {message.channel} {message.program}"
        case "control_change":
            return f"cc {message.channel} {message.control} {message.value}"
        case "note_on" | "note_off":
            kind = message.type.replace("_", "-")
            return f"{kind} {message.channel} {message.note} {message.velocity}"
        case "pitchwheel":
            return f"bend {message.channel} {message.pitch}"
        case "sysex":
            return "sysex " + " ".join(f"{byte:02x}" for byte in message.data)
    raise ValueError(message)


def mido_takes(port, count):
    """Shows and returns the next messages that mido receives."""
    taken = []
    deadline = time.monotonic() + DEADLINE
    while len(taken) < count:
        message = port.poll()
        if message is not None:
            screen.output(str(message).removesuffix(" time=0"))
            taken.append(message)
        elif time.monotonic() > deadline:
            raise Missing(f"{count - len(taken)} of {count} messages at mido")
        else:
            time.sleep(0.001)  # as mido's own waiting does
    return taken


def mido_sends(port, phrase):
    for message in phrase:
        text = repr(message).replace("Message(", "mido.Message(", 1).replace(", time=0)", ")")
        screen.python(f"port.send({text})")
        port.send(message)


def mido_as_client():
    """Python and C: mido plays on the same server as a C program

    Two clients at once: each line shows whose message it is."""
    phrase = mido_phrase()
    with start("midisock-monitor", "127.0.0.1:0") as monitor:
        number = server_port(monitor)
        screen.python(f"port = mido.sockets.connect('127.0.0.1', {number})")
        port = mido.sockets.connect("127.0.0.1", number)
        mido_sends(port, phrase)
        arrived = show_until_arrived(monitor, [in_words(message) for message in phrase])
        c_phrase = ["note-on 2 72 1", "note-off 2 72 64"]
        send(f"127.0.0.1:{number}", *words(c_phrase))
        arrived += show_until_arrived(monitor, c_phrase)
        port.close()
    return arrived


def mido_as_server():
    """C and Python: a C program plays to mido

    mido is the server here, midisock-send its client."""
    screen.python("server = mido.sockets.PortServer('127.0.0.1', 0)")
    server = mido.sockets.PortServer("127.0.0.1", 0)
    number = server._socket.getsockname()[1]
    send(f"127.0.0.1:{number}", *words(PHRASE))
    screen.python("port = server.accept()")
    port = server.accept(block=False)
    if port is None:
        raise Missing("the connection")
    taken = [in_words(message) for message in mido_takes(port, len(PHRASE))]
    port.close()
    server.close()
    if taken != PHRASE:
        raise Missing(f"mido took {taken}, not {PHRASE}")
    return len(taken)


def there_and_back():
    """Python to C and back: mido through midisock-echo

    Both directions of one connection."""
    phrase = mido_phrase()
    with start("midisock-echo", "127.0.0.1:0") as echo:
        number = server_port(echo)
        screen.python(f"port = mido.sockets.connect('127.0.0.1', {number})")
        port = mido.sockets.connect("127.0.0.1", number)
        mido_sends(port, phrase)
        taken = mido_takes(port, len(phrase))
        port.close()
    if taken != phrase:
        raise Missing(f"mido took {taken}, not {phrase}")
    return 2 * len(taken)
