"""A minimal Debian or Ubuntu in a folder, with an ordinary user who has the project in a path with spaces: a newcomer's machine.

The programs of each visit run in namespaces of their own, without a network but loopback. A layer in memory takes what they
change outside the user's home, so that the root stays as it was made, and their mounts and processes end with the visit."""

import hashlib
import re
import tarfile
import urllib.request
from dataclasses import dataclass

import debian_rust
import environment
from project import OUT, ROOT as PROJECT, fresh
from runner import Failure, expect
from suites_project import tracked_files

USER = 1000
USERS_HOME = "/home/newcomer"
# The spaces are on purpose.
UNPACKED = f"{USERS_HOME}/my music programs/midisock from the net"

ADD_USER = f'chroot "$1" useradd --uid {USER} --create-home --shell /bin/sh newcomer'

# Runs in new namespaces, in the system's folder. $1 is for root and $2 for the user, both for the shell of the root, and $3 for
# the user's PATH.
VISIT = f"""set -e
ip link set lo up
mkdir -p visit
mount -t tmpfs visit visit
mkdir visit/upper visit/work visit/root
mount -t overlay -o lowerdir=root,upperdir=visit/upper,workdir=visit/work overlay visit/root
mount -t proc proc visit/root/proc
mount --rbind /dev visit/root/dev
mount -t tmpfs shm visit/root/dev/shm
mount --bind home visit/root/home
cd visit/root
clean="env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive"
chroot . $clean sh -ec "$1" >/dev/null
exec chroot --userspec={USER}:{USER} . env -i PATH=$3/usr/local/bin:/usr/bin:/bin LANG=C.UTF-8 HOME={USERS_HOME} USER=newcomer \\
    sh -ec "$2"
"""

# Whether such layers are to be had.
TRY = """set -e
mount -t tmpfs try /mnt
mkdir /mnt/lower /mnt/upper /mnt/work /mnt/root
mount -t overlay -o lowerdir=/mnt/lower,upperdir=/mnt/upper,workdir=/mnt/work overlay /mnt/root
"""


# Debian 12 does not package Ubuntu's keys. The hash stands for a signature: this is the package of Ubuntu 24.04.
UBUNTU = "http://archive.ubuntu.com/ubuntu"
UBUNTU_KEYS = f"{UBUNTU}/pool/main/u/ubuntu-keyring/ubuntu-keyring_2023.11.28.1_all.deb"
UBUNTU_KEYS_SHA256 = "36de43b15853ccae0028e9a767613770c704833f82586f28eb262f0311adb8a8"


@dataclass(frozen=True)
class System:
    """`suite`: the suite for it; `parts`: where apt finds packages, as `deb` lines have it; `python`: the version that it has."""
    name: str
    suite: str
    release: str
    mirror: str
    parts: tuple
    python: str

    @property
    def folder(self):
        return OUT / "newcomer" / self.release

    def rust(self):
        """Which packages README.md names for it in place of which, and the folder for PATH."""
        if self.mirror != UBUNTU:
            return {}, ""
        new, old, folder = from_readme(r"`([^`]+)` in place of `([^`]+)`[^`]+`export PATH=([^:]+):\$PATH`", 1)[0]
        return dict(zip(old.split(), new.split(), strict=True)), f"{folder}:"

    def packages(self, names):
        instead, _ = self.rust()
        return [instead.get(name, name) for name in names]

    def make(self, run, names):
        """Makes the root, unless it is there with these packages. It has no package that is only recommended, by mmdebstrap's
        default, so that nothing is there by chance."""
        stamp = self.folder / "complete"
        wanted = f"{self.release}: {' '.join(names)}\n"
        if stamp.exists() and stamp.read_text() == wanted:
            return
        fresh(self.folder)
        keys = self.keys(run)
        run.must([*namespaces("--mount", "--pid"), "mmdebstrap", "--mode=root", "--variant=minbase", f"--include={','.join(names)}",
                  f"--customize-hook={ADD_USER}", f"--keyring={keys}", self.release, self.folder / "root",
                  *(f"deb {self.mirror} {part}" for part in self.parts)])
        stamp.write_text(wanted)

    def keys(self, run):
        """The file with the keys that sign this system's packages."""
        if self.mirror != UBUNTU:
            return debian_rust.KEYRING
        package = self.folder / "keys.deb"
        try:
            with urllib.request.urlopen(UBUNTU_KEYS, timeout=60) as answer:
                package.write_bytes(answer.read())
        except OSError as problem:
            raise Failure(f"{UBUNTU_KEYS}: {problem}") from problem
        digest = hashlib.sha256(package.read_bytes()).hexdigest()
        expect(digest == UBUNTU_KEYS_SHA256, f"{UBUNTU_KEYS} has another hash: {digest}")
        run.must(["dpkg-deb", "-x", package, self.folder / "keys"])
        return self.folder / "keys" / "usr" / "share" / "keyrings" / "ubuntu-archive-keyring.gpg"

    def make_home(self, run):
        """Gives the user the project as an archive without .git, and what cargo and pip fetch, because a visit has no network."""
        user = fresh(self.folder / "home") / "newcomer"
        user.mkdir()
        with tarfile.open(user / "midisock.tar.gz", "w:gz") as archive:
            for path in tracked_files():
                archive.add(path, path.relative_to(PROJECT))
        run.must(["cargo", "vendor", "--locked", "--quiet", user / "crates"])
        run.must([environment.PYTHON, "-m", "pip", "download", "--quiet", "--only-binary=:all:", "--python-version", self.python,
                  "--dest", user / "wheels", "-r", environment.REQUIREMENTS])
        write(user / ".cargo" / "config.toml", '[source.crates-io]\nreplace-with = "vendored"\n'
              f'[source.vendored]\ndirectory = "{USERS_HOME}/crates"\n')
        write(user / ".config" / "pip" / "pip.conf", f"[global]\nno-index = true\nfind-links = {USERS_HOME}/wheels\n")
        run.must(["chown", "-R", f"{USER}:{USER}", user])

    def visit(self, run, command, before=":"):
        """Runs the shell commands as the user in the root. `before`: what root does there first."""
        _, path = self.rust()
        return run.command([*namespaces("--mount", "--pid", "--net"), "sh", "-c", VISIT, "visit", before, command, path],
                           cwd=self.folder)


SYSTEMS = (
    System("Debian 13", "newcomer", debian_rust.RELEASE, debian_rust.MIRROR, (f"{debian_rust.RELEASE} main",), "3.13"),
    System("Ubuntu 24.04", "newcomer-ubuntu", "noble", UBUNTU, ("noble main universe", "noble-updates main universe"), "3.12"),
)


def from_readme(pattern, count):
    """What README.md says in words like these, so many times."""
    found = re.findall(pattern, " ".join((PROJECT / "README.md").read_text().split()))
    expect(len(found) == count, f"README.md has {len(found)} places like {pattern}, not {count}")
    return found


def named_by_readme():
    """The packages that README.md names: those for the demo, and the further ones for the tests."""
    demo, tests = from_readme(r"`apt-get install ([^`]+)`", 2)
    return demo.split(), tests.split()


def namespaces(*kinds):
    """What stands before a program: its mounts and processes end with it, even where it is killed."""
    return ["unshare", *kinds, "--fork", "--kill-child", "--mount-proc", "--"]


def write(file, text):
    file.parent.mkdir(parents=True)
    file.write_text(text)
