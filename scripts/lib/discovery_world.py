"""Two machines on a link, for the tests of discovery: network namespaces with a veth pair between them, and programs in them.
Nothing of it touches the machine's own interfaces, its D-Bus or its files."""

import json
import os
import subprocess
import sys
import threading
import time

from project import ROOT
from runner import PROCESSES, Failure, expect, kill_group, tail

TESTS = ROOT / "tests" / "discovery"
# For everything that must happen soon.
DEADLINE = 25
LINK = "m0"
BUS = "/run/test-bus"
# Avahi asks for a user and a group of its name, though it keeps its own here.
START = """mount -t tmpfs tmpfs /run && ip link set lo up &&
(cat /etc/passwd; echo avahi:x:0:0::/:/bin/false) > /run/passwd && mount --bind /run/passwd /etc/passwd &&
(cat /etc/group; echo avahi:x:0:) > /run/group && mount --bind /run/group /etc/group &&
echo ready && exec sleep 3600"""
BUS_CONFIG = f"""<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path={BUS}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_type="method_call"/>
<allow send_type="signal"/><allow send_type="method_return"/><allow send_type="error"/>
<allow receive_type="method_call"/><allow receive_type="signal"/><allow receive_type="method_return"/>
<allow receive_type="error"/><allow send_destination="*" eavesdrop="true"/></policy></busconfig>
"""
AVAHI_CONFIG = f"""[server]
host-name=avahi
use-ipv4=yes
use-ipv6=yes
allow-interfaces={LINK}
ratelimit-interval-usec=1000000
ratelimit-burst=1000
[wide-area]
enable-wide-area=no
[rlimits]
"""


def soon(why, condition, seconds=DEADLINE):
    """Waits until the condition gives something true, and returns that."""
    until = time.monotonic() + seconds
    while not (value := condition()):
        expect(time.monotonic() < until, f"not within {seconds} s: {why() if callable(why) else why}")
        time.sleep(0.05)
    return value


class Program:
    """A running program, whose lines are read as they come."""

    def __init__(self, run, arguments, env=None):
        self.run = run
        self.name = " ".join(str(a) for a in arguments[-4:])
        self.lines = []
        arguments = [str(a) for a in arguments]
        variables = {**os.environ, **run.env, **(env or {})}
        variables = {name: value for name, value in variables.items() if value is not None}
        self.process = PROCESSES.start(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                       text=True, errors="replace", env=variables, bufsize=1)
        self._reads = threading.Thread(target=self._read, daemon=True)
        self._reads.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def soon(self, words, seconds=DEADLINE):
        """Waits for a line that begins with these words."""
        def found():
            return next((line for line in self.lines if line.startswith(words)), None)
        return soon(lambda: f"{self.name} prints '{words}'; it printed:\n{self.text()}", found, seconds)

    def text(self):
        return tail("\n".join(self.lines))

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def ended(self, seconds=DEADLINE):
        """Ends its input, and waits for its end."""
        self.process.stdin.close()
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failure(f"{self.name} does not end:\n{self.text()}") from None
        self._reads.join(seconds)
        expect(self.process.returncode == 0, f"{self.name}: exit status {self.process.returncode}\n{self.text()}")

    def kill(self):
        kill_group(self.process)
        self.process.wait()
        self._reads.join(5)
        PROCESSES.done(self.process)
        self.run.log(f"$ {self.name}\n" + "\n".join(self.lines))


class Peer(Program):
    """tests/discovery/peer.py: a process that uses the library."""

    def __init__(self, run, space, *options):
        super().__init__(run, space.inside([sys.executable, TESTS / "peer.py", *options]))
        self.soon('{"event": "ready"')

    def events(self):
        return [json.loads(line) for line in list(self.lines) if line.startswith("{")]

    def obey(self, command):
        """Gives a command, and waits until it is done; the port of the last server."""
        before = sum(1 for event in self.events() if event["event"] == "done")
        self.say(command)

        def done():
            answers = [event for event in self.events() if event["event"] == "done"]
            return answers[before] if len(answers) > before else None
        return soon(lambda: f"the peer does '{command}':\n{self.text()}", done)["port"]

    def services(self):
        """What it has found and not lost: names with address and port."""
        found = {}
        for event in self.events():
            if event["event"] in ("found", "changed"):
                found[event["name"]] = (event["address"], event["port"])
            elif event["event"] == "lost":
                del found[event["name"]]
        return found

    def finds(self, name, seconds=DEADLINE):
        return soon(lambda: f"the peer finds '{name}'; it has {self.services()}", lambda: self.services().get(name), seconds)

    def loses(self, name, seconds=DEADLINE):
        soon(lambda: f"the peer loses '{name}'; it has {self.services()}", lambda: name not in self.services(), seconds)

    def end(self):
        """Ends it in good order; nothing is left of the library's threads then."""
        self.ended()
        last = self.events()[-1]
        expect(last["event"] == "end" and last["threads"] == 1, f"it ended with {last}")
        return last


class Space:
    """One machine: a process that holds its namespaces."""

    def __init__(self, run, enter=()):
        self.run = run
        self.programs = []
        user = [] if os.geteuid() == 0 or enter else ["-U", "-r"]
        self.holder = Program(run, [*enter, "unshare", *user, "-n", "-m", "--", "sh", "-c", START])
        self.pid = self.holder.process.pid

    def ready(self):
        self.holder.soon("ready")
        return self

    def enter(self):
        user = [] if os.geteuid() == 0 else ["-U", "--preserve-credentials"]
        return ["nsenter", "-t", str(self.pid), *user]

    def inside(self, arguments):
        return [*self.enter(), "-n", "-m", "--", *arguments]

    def must(self, *arguments, env=None):
        return self.run.must(self.inside(arguments), timeout=60, env=env)

    def start(self, *arguments, env=None):
        program = Program(self.run, self.inside(arguments), env)
        self.programs.append(program)
        return program

    def peer(self, *options):
        peer = Peer(self.run, self, *options)
        self.programs.append(peer)
        return peer

    def raw(self, *arguments):
        return self.start(sys.executable, TESTS / "raw.py", LINK, *arguments)

    def close(self):
        for program in reversed([self.holder, *self.programs]):
            program.kill()


class World:
    """Two machines, `left` with 10.77.0.1 and `right` with 10.77.0.2. Leaving `with` ends all of it."""

    def __init__(self, run):
        self.run = run
        self.left = Space(run)
        self.spaces = [self.left]
        try:
            self.left.ready()
            enter = [] if os.geteuid() == 0 else self.left.enter()
            self.right = Space(run, enter)
            self.spaces.append(self.right)
            self.right.ready()
            self.left.must("ip", "link", "add", LINK, "type", "veth", "peer", "name", LINK, "netns", str(self.right.pid))
            for number, space in enumerate(self.spaces):
                space.must("ip", "address", "add", f"10.77.0.{number + 1}/24", "dev", LINK)
                space.must("ip", "link", "set", LINK, "up")
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for space in reversed(self.spaces):
            space.close()


class Avahi:
    """Avahi in a space, with a D-Bus of its own."""

    def __init__(self, space, programs, folder):
        self.space, self.programs = space, programs
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "bus.conf").write_text(BUS_CONFIG)
        (folder / "avahi.conf").write_text(AVAHI_CONFIG)
        self.env = {"DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={BUS}"}
        space.start("dbus-daemon", "--nofork", "--nopidfile", f"--config-file={folder / 'bus.conf'}")
        soon("D-Bus listens", lambda: space.run.command(space.inside(["test", "-S", BUS])).status == 0)
        daemon = self.start("avahi-daemon", "--no-drop-root", "--no-rlimits", "--no-chroot", "-f", folder / "avahi.conf")
        soon(lambda: f"Avahi is up:\n{daemon.text()}",
             lambda: any("Server startup complete" in line for line in daemon.lines))

    def start(self, program, *arguments):
        return self.space.start(self.programs / program, *arguments, env=self.env)

    def publish(self, name, port):
        return self.start("avahi-publish", "-s", name, "_midisock._tcp", str(port), "v=1")

    def services(self):
        """What avahi-browse finds now: names with address, port and text, of IPv4."""
        command = [self.programs / "avahi-browse", "-rptk", "_midisock._tcp"]
        found = {}
        for line in self.space.must(*command, env=self.env).splitlines():
            fields = line.split(";")
            if fields[0] == "=" and fields[2] == "IPv4":
                found[unescaped(fields[3])] = (fields[7], int(fields[8]), fields[9])
        return found

    def finds(self, name, seconds=DEADLINE):
        return soon(lambda: f"Avahi finds '{name}'; it has {self.services()}", lambda: self.services().get(name), seconds)

    def loses(self, name, seconds=DEADLINE):
        soon(lambda: f"Avahi loses '{name}'; it has {self.services()}", lambda: name not in self.services(), seconds)


def unescaped(text):
    """avahi-browse writes bytes as \\ and three decimal digits, and other characters behind a \\."""
    data, at = bytearray(), 0
    raw = text.encode()
    while at < len(raw):
        if raw[at] == 0x5C and raw[at + 1:at + 4].isdigit():
            data.append(int(raw[at + 1:at + 4]))
            at += 4
        elif raw[at] == 0x5C:
            data += raw[at + 1:at + 2]
            at += 2
        else:
            data.append(raw[at])
            at += 1
    return data.decode(errors="replace")
