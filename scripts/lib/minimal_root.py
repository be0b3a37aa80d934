"""A minimal Debian 13 in a folder, with an ordinary user who has the project in a path with spaces: a newcomer's machine.

The programs of each visit run in namespaces of their own, without a network but loopback. A layer in memory takes what they
change outside the user's home, so that the root stays as it was made, and their mounts and processes end with the visit."""

import re
import tarfile

import environment
from debian_rust import KEYRING, MIRROR, RELEASE
from project import OUT, ROOT as PROJECT, fresh
from suites_project import tracked_files

FOLDER = OUT / "newcomer"
ROOT = FOLDER / "root"
HOME = FOLDER / "home"
STAMP = FOLDER / "complete"

USER = 1000
USERS_HOME = "/home/newcomer"
# The spaces are on purpose.
UNPACKED = f"{USERS_HOME}/my music programs/midisock from the net"

ADD_USER = f'chroot "$1" useradd --uid {USER} --create-home --shell /bin/sh newcomer'
# Debian 13's Python.
PYTHON = "3.13"

# Runs in new namespaces, in FOLDER. $1 is for root and $2 for the user, both for the shell of the root.
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
exec chroot --userspec={USER}:{USER} . env -i PATH=/usr/local/bin:/usr/bin:/bin LANG=C.UTF-8 HOME={USERS_HOME} USER=newcomer \\
    sh -ec "$2"
"""

# Whether such layers are to be had.
TRY = """set -e
mount -t tmpfs try /mnt
mkdir /mnt/lower /mnt/upper /mnt/work /mnt/root
mount -t overlay -o lowerdir=/mnt/lower,upperdir=/mnt/upper,workdir=/mnt/work overlay /mnt/root
"""


def named_by_readme():
    """The packages that README.md names: those for the demo, and the further ones for the tests."""
    demo, tests = re.findall(r"`apt-get install ([^`]+)`", (PROJECT / "README.md").read_text())
    return demo.split(), tests.split()


def make(run, packages):
    """Makes the root, unless it is there with these packages. It has no package that is only recommended, by mmdebstrap's
    default, so that nothing is there by chance."""
    wanted = f"{RELEASE}: {' '.join(packages)}\n"
    if STAMP.exists() and STAMP.read_text() == wanted:
        return
    fresh(FOLDER)
    run.must([*namespaces("--mount", "--pid"), "mmdebstrap", "--mode=root", "--variant=minbase", f"--include={','.join(packages)}",
              f"--customize-hook={ADD_USER}", RELEASE, ROOT, f"deb [signed-by={KEYRING}] {MIRROR} {RELEASE} main"])
    STAMP.write_text(wanted)


def namespaces(*kinds):
    """What stands before a program: its mounts and processes end with it, even where it is killed."""
    return ["unshare", *kinds, "--fork", "--kill-child", "--mount-proc", "--"]


def make_home(run):
    """Gives the user the project as an archive without .git, and what cargo and pip fetch, because a visit has no network."""
    user = fresh(HOME) / "newcomer"
    user.mkdir()
    with tarfile.open(user / "midisock.tar.gz", "w:gz") as archive:
        for path in tracked_files():
            archive.add(path, path.relative_to(PROJECT))
    run.must(["cargo", "vendor", "--locked", "--quiet", user / "crates"])
    run.must([environment.PYTHON, "-m", "pip", "download", "--quiet", "--only-binary=:all:", "--python-version", PYTHON,
              "--dest", user / "wheels", "-r", environment.REQUIREMENTS])
    write(user / ".cargo" / "config.toml", '[source.crates-io]\nreplace-with = "vendored"\n'
          f'[source.vendored]\ndirectory = "{USERS_HOME}/crates"\n')
    write(user / ".config" / "pip" / "pip.conf", f"[global]\nno-index = true\nfind-links = {USERS_HOME}/wheels\n")
    run.must(["chown", "-R", f"{USER}:{USER}", user])


def write(file, text):
    file.parent.mkdir(parents=True)
    file.write_text(text)


def visit(run, command, before=":"):
    """Runs the shell commands as the user in the root. `before`: what root does there first."""
    return run.command([*namespaces("--mount", "--pid", "--net"), "sh", "-c", VISIT, "visit", before, command], cwd=FOLDER)
