"""Discovery on networks of its own: beside Avahi, on links that go and come, among hostile packets."""

import sys
import unicodedata

from discovery_world import LINK, TESTS, Avahi, World, soon
from project import BIN, OUT, ROOT, fresh, tool
from runner import expect, suite
from suites_installed import set_environment

FOLDER = OUT / "discovery"
# Avahi's programs are unpacked, not installed: a package that is installed starts a daemon.
UNPACKED = ["avahi-daemon", "avahi-utils"]
# A killed process is forgotten after this, its record's lifetime, and a margin.
LIFETIME = 120 + 15


@suite("discovery", "services found and advertised: beside Avahi, links that fail, hostile packets", budget=300,
       needs=["library", "programs", "python"], extended=True,
       packages=["dbus", "iproute2", "libavahi-core7", "libavahi-client3", "libdaemon0", "libgdbm6"])
def discovery(run):
    fresh(FOLDER)
    if not has_namespaces(run):
        run.skip("discovery", "no network namespaces here: neither root nor user namespaces")
        return
    programs = avahi_programs(run)
    cases = [("a killed process is forgotten", killed, True), ("beside Avahi", each_finds_the_other, True),
             ("names that clash with Avahi's", clashes, True), ("a link goes down and up", link_fails, True),
             ("the tools", tools, False), ("300 services", many, False), ("hostile names", hostile_names, False),
             ("a flood of records", lambda world: flood(world, "records", "4"), False),
             ("a flood of questions", lambda world: flood(world, "queries", "4"), False),
             ("a flood of damaged messages", lambda world: flood(world, "garbage", "4"), False),
             ("a flood of claims to a name", lambda world: flood(world, "claims", "Stage", "4"), False),
             ("nothing is sent unasked", silence, False)]

    def one(case):
        name, function, with_avahi = case
        if with_avahi and not programs:
            run.lacks(name, " ".join(UNPACKED))
            return
        run.step(name, scene, run, function, programs if with_avahi else None, name)

    run.step("a build without discovery", absent, run)
    # They mostly wait.
    run.parallel(one, cases, jobs=4)


ABSENT = """
#include <midisock/midisock.h>
int main(void)
{
    midisock_config config = MIDISOCK_CONFIG_INIT;
    midisock_browser *browser = NULL;
    midisock_port *server = NULL;
    if (midisock_browse(&browser) != MIDISOCK_ERR_UNSUPPORTED)
        return 1;
    config.advertise = 1;
    if (midisock_listen(NULL, 0, &config, &server) != MIDISOCK_ERR_UNSUPPORTED)
        return 2;
    config.advertise = 0;
    if (midisock_listen(NULL, 0, &config, &server) != MIDISOCK_OK)
        return 3;
    midisock_close(server);
    return 0;
}
"""


def absent(run):
    """CMake's MIDISOCK_DISCOVERY=OFF, in a quick build."""
    folder = fresh(FOLDER / "absent")
    (folder / "absent.c").write_text(ABSENT)
    (folder / "CMakeLists.txt").write_text(
        f'cmake_minimum_required(VERSION 3.22)\nproject(absent C)\nadd_subdirectory("{ROOT}" midisock)\n'
        "add_executable(absent absent.c)\ntarget_link_libraries(absent midisock::shared)\n")
    set_environment(run)
    run.must(["cmake", "-S", folder, "-B", folder / "build", "-DMIDISOCK_DISCOVERY=OFF", "-DMIDISOCK_CARGO_PROFILE=dev",
              f"-DMIDISOCK_CARGO_TARGET_DIR={OUT / 'absent-cargo'}"])
    run.must(["cmake", "--build", folder / "build"])
    run.must([folder / "build" / "absent"], timeout=60)


def has_namespaces(run):
    prefixes = ["unshare", "-n"], ["unshare", "-U", "-r", "-n"]
    return tool("unshare") and tool("ip") and any(run.command([*prefix, "ip", "link"]).status == 0 for prefix in prefixes)


def avahi_programs(run):
    """The folder of Avahi's programs, unpacked from their packages; None where they are not to be had."""
    folder = OUT / "avahi"
    wanted = folder / "programs"
    if not (wanted / "avahi-daemon").exists():
        fresh(folder)
        if not tool("apt-get") or run.command(["apt-get", "download", "-q", *UNPACKED], cwd=folder).status != 0:
            return None
        for package in folder.glob("*.deb"):
            run.must(["dpkg", "-x", package, folder / "files"])
        wanted.mkdir()
        for program in ("usr/sbin/avahi-daemon", "usr/bin/avahi-browse", "usr/bin/avahi-publish"):
            link = folder / "files" / program
            (wanted / link.name).symlink_to(link)
    return wanted


def scene(run, function, programs, name):
    with World(run) as world:
        if programs:
            world.avahi = Avahi(world.left, programs, FOLDER / name.replace(" ", "-"))
        function(world)


def each_finds_the_other(world):
    peer = world.right.peer()
    port = peer.obey("advertise * 0 Bühne 1. rechts")
    found = world.avahi.finds("Bühne 1. rechts")
    expect(found == ("10.77.0.2", port, '"st=1" "v=1"') or found == ("10.77.0.2", port, '"v=1" "st=1"'), f"Avahi has {found}")
    published = world.avahi.publish("Avahi's \\ stage", 4711)
    expect(peer.finds("Avahi's \\ stage") == ("10.77.0.1", 4711), f"it has {peer.services()}")
    # Avahi has known of it for a while when another one begins to browse.
    late = world.right.peer()
    expect(late.finds("Avahi's \\ stage") == ("10.77.0.1", 4711), f"it has {late.services()}")
    expect(late.finds("Bühne 1. rechts") == ("10.77.0.2", port), f"it has {late.services()}")
    peer.obey("rename Studio")
    world.avahi.finds("Studio")
    world.avahi.loses("Bühne 1. rechts")
    published.kill()
    peer.loses("Avahi's \\ stage")
    peer.end()
    world.avahi.loses("Studio")
    late.loses("Studio")
    late.end()


def clashes(world):
    world.avahi.publish("Stage", 4711).soon("Established")
    peer = world.right.peer()
    peer.finds("Stage")
    port = peer.obey("advertise * 0 Stage")
    expect(world.avahi.finds("Stage (2)")[:2] == ("10.77.0.2", port), f"Avahi has {world.avahi.services()}")
    expect(peer.finds("Stage (2)") == ("10.77.0.2", port), f"it has {peer.services()}")
    # A third one, and Avahi's turn to make way.
    other = world.right.peer("--no-browse")
    other.obey("advertise * 0 Stage")
    peer.finds("Stage (3)")
    other.obey("advertise * 0 Studio")
    peer.finds("Studio")
    world.avahi.publish("Studio", 4712)
    expect(peer.finds("Studio #2") == ("10.77.0.1", 4712), f"it has {peer.services()}")
    expect(peer.services()["Stage"] == ("10.77.0.1", 4711), f"it has {peer.services()}")
    other.end()
    peer.end()


def link_fails(world):
    world.avahi.publish("Avahi's", 4711)
    peer = world.right.peer()
    peer.obey("advertise * 0 Ours")
    for _ in range(2):
        peer.finds("Avahi's")
        peer.finds("Ours")
        world.avahi.finds("Ours")
        world.right.must("ip", "link", "set", LINK, "down")
        peer.loses("Avahi's")
        peer.loses("Ours")
        world.right.must("ip", "link", "set", LINK, "up")
    peer.finds("Avahi's")
    world.avahi.finds("Ours")
    # Another address in place of the old one.
    world.right.must("ip", "address", "delete", "10.77.0.2/24", "dev", LINK)
    world.right.must("ip", "address", "add", "10.77.0.7/24", "dev", LINK)
    soon(lambda: f"Avahi sees the new address; it has {world.avahi.services()}",
         lambda: world.avahi.services().get("Ours", ("",))[0] == "10.77.0.7")
    peer.end()


def tools(world):
    browsing = world.left.start(BIN / "midisock-monitor", "--browse")
    serving = world.right.start(BIN / "midisock-monitor", ":0", "--advertise", "Stage left", "--time", "none", "--count", "2")
    address = serving.soon("listening on *:").replace("listening on *", "10.77.0.2")
    shown = browsing.soon("found")
    expect(address in shown and "Stage left" in shown, f"it printed {shown}")
    world.left.must(BIN / "midisock-send", "@Stage left", "note-on", "0", "60", "100", "note-off", "0", "60")
    serving.soon("note-on 0 60 100")
    said = world.run.must_fail(world.left.inside([BIN / "midisock-send", "@Nobody", "clock"]))
    expect("there is no server named 'Nobody' on the network" in said, f"it printed {said}")
    serving.ended()
    browsing.soon("lost")


def killed(world):
    watching = world.right.peer()
    doomed = world.right.peer("--no-browse")
    doomed.obey("advertise * 0 Doomed")
    watching.finds("Doomed")
    world.avahi.finds("Doomed")
    doomed.kill()
    # It was announced a moment before: it cannot be gone by chance.
    expect("Doomed" in watching.services(), "it was lost at once")
    watching.loses("Doomed", LIFETIME)
    world.avahi.loses("Doomed", LIFETIME)
    watching.end()


def many(world):
    peer = world.right.peer()
    raw = world.left.raw("services", 300, 8)
    soon(lambda: f"256 services are found; it has {len(peer.services())}", lambda: len(peer.services()) == 256)
    raw.soon("announced")
    raw.ended()
    expect(len(peer.services()) == 256, f"it has {len(peer.services())}")
    # One's own is an entry like any other: it finds a place when others have gone.
    peer.end()


def hostile_names(world):
    peer = world.right.peer()
    monitor = world.right.start(BIN / "midisock-monitor", "--browse")
    as_json = world.right.start(BIN / "midisock-monitor", "--browse", "--json")
    raw = world.left.raw("names")
    raw.ended()
    soon(lambda: f"all are found; it has {list(peer.services())}", lambda: len(peer.services()) == 11)
    soon(lambda: f"all are printed:\n{monitor.text()}", lambda: sum("found" in line for line in monitor.lines) >= 11)
    soon(lambda: f"all are printed:\n{as_json.text()}", lambda: len(as_json.lines) >= 11)
    for text in (*peer.services(), *monitor.lines, *as_json.lines):
        bad = [c for c in text if unicodedata.category(c) in ("Cc", "Zl", "Zp") or unicodedata.bidirectional(c) in
               ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")]
        expect(not bad, f"{text!r} has {bad}")
    for event in peer.events():
        if "host" in event:
            expect(len(event["name"].encode()) <= 63 and len(event["host"].encode()) <= 255, f"too long: {event}")
    peer.end()


def flood(world, *what):
    peer = world.right.peer()
    port = peer.obey("advertise * 0 Stage")
    peer.finds("Stage")
    before = resident_kb(peer)
    capture = world.left.start(sys.executable, TESTS / "raw.py", LINK, "capture") if what[0] != "records" else None
    if capture:
        capture.soon("captures")
    raw = world.left.raw(*what)
    raw.soon("sent", 60)
    raw.ended()
    grown = resident_kb(peer) - before
    expect(grown < 30_000, f"it grew by {grown} kB")
    expect(len(peer.services()) <= 257, f"it has {len(peer.services())} services")
    if capture:
        # From the machine with the peer: source address 10.77.0.2.
        sent = sum("0a4d0002e00000fb" in line for line in list(capture.lines))
        expect(sent < 100, f"it sent {sent} packets")
    # It is as able as before.
    expect(play_over(world, port), "the server does not answer")
    peer.obey("rename After")
    if what[0] != "records":
        world.left.peer().finds("After")
    peer.end()


def play_over(world, port):
    sent = world.left.must(BIN / "midisock-send", f"10.77.0.2:{port}", "note-on", "0", "60", "100")
    return sent is not None


def resident_kb(peer):
    with open(f"/proc/{peer.process.pid}/status", encoding="ascii") as status:
        return int(next(line for line in status if line.startswith("VmRSS:")).split()[1])


def silence(world):
    capture = world.left.raw("capture")
    capture.soon("captures")
    quiet = world.right.peer("--no-browse")
    quiet.obey("listen * 0")
    quiet.obey("play")
    # A server that is advertised on loopback only.
    quiet.obey("advertise 127.0.0.1 0 Hidden")
    quiet.obey("rename Hidden too")
    quiet.obey("play")
    quiet.end()
    expect(not packets(capture), f"it sent:\n{capture.text()}")
    # The capture sees what is sent.
    loud = world.right.peer("--no-browse")
    loud.obey("advertise * 0 Stage")
    soon("the capture sees a probe", lambda: packets(capture))
    loud.end()


def packets(capture):
    return [line for line in list(capture.lines) if line.startswith("packet")]


