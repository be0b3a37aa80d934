"""Runs programs in a virtual machine whose clock advances with the instructions that it executes (qemu's -icount).

Nothing that delays the real machine is seen in there: a virtual machine in a data centre stands still for milliseconds
at times. It has one processor, a real Linux kernel with its own loopback network, and nothing else.
"""

import os
import platform
import re
import shlex
import shutil

from project import OUT, fresh
from runner import Failure

PACKAGES = ["qemu-system-x86", "busybox-static", "cpio"]
# Metapackages of kernels for virtual machines: Debian's and Ubuntu's. The kernel is unpacked, not installed.
KERNELS = ["linux-image-cloud-amd64", "linux-image-virtual"]
FOLDER = OUT / "virtual-time"
# 2 ns an instruction. While all threads sleep, the clock goes on to the next timer at once.
COUNTING = "shift=1,sleep=off"
INIT = """#!/bin/busybox sh
export PATH=/bin LD_LIBRARY_PATH=/lib
mount -t proc proc /proc
mount -t devtmpfs dev /dev
ip link set lo up
"""
# The console adds carriage returns.
ANSWER = re.compile(r"^=== (\d+)\r?\n(.*?)^=== end\r?\n", re.MULTILINE | re.DOTALL)


def is_possible():
    return platform.machine() == "x86_64" and shutil.which("apt-get") is not None


def missing():
    """The programs that are not here."""
    return [name for name in ("qemu-system-x86_64", "busybox", "cpio") if not shutil.which(name)]


def kernel(run):
    """A kernel image, which is downloaded the first time."""
    folder = FOLDER / "kernel"
    if not folder.exists():
        download = fresh(FOLDER / "download")
        name = _kernel_package(run)
        if name is None or run.command(["apt-get", "download", name], cwd=download).status != 0:
            # The lists of packages may be old.
            run.must(["apt-get", "update", "-q"])
            name = _kernel_package(run)
            if name is None:
                raise Failure(f"no package of a kernel: {' or '.join(KERNELS)}")
            run.must(["apt-get", "download", name], cwd=download)
        package, = download.glob("*.deb")
        run.must(["dpkg-deb", "-x", package, download / "kernel"])
        # What was interrupted is not there.
        (download / "kernel").rename(folder)
    found = sorted(folder.glob("boot/vmlinuz-*"))
    if not found:
        raise Failure(f"there is no kernel in {folder}")
    return found[-1]


def _kernel_package(run):
    for name in KERNELS:
        told = run.command(["env", "LC_ALL=C", "apt-cache", "depends", name]).output
        needs = re.search(r"Depends: (linux-image-\d\S*)", told)
        if needs:
            return needs[1]
    return None


def _root(run, programs, libraries):
    """What the machine boots into: the programs, and all that they are linked to."""
    root = fresh(FOLDER / "root")
    for name in ("bin", "dev", "lib", "proc", "tmp"):
        (root / name).mkdir()
    busybox = shutil.which("busybox")
    shutil.copy(busybox, root / "bin")
    for name in ("sh", "mount", "ip", "poweroff", "cat"):
        (root / "bin" / name).symlink_to("busybox")
    for file in programs:
        shutil.copy(file, root / "bin")
    for file in libraries:
        shutil.copy(file, root / "lib")
    own = {file.name for file in libraries}
    # It fails for what is linked to nothing, as busybox usually is.
    for line in run.command(["ldd", *programs, *libraries, busybox]).output.splitlines():
        needed = re.search(r"(?:=>\s+|^\s+)(/\S+) \(", line)
        if needed and os.path.basename(needed[1]) not in own:
            (root / needed[1][1:]).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(needed[1], root / needed[1][1:])
    return root


def run_programs(run, programs, libraries, commands):
    """Runs the commands one after the other, and returns what they printed. A command's first word is a program's name."""
    root = _root(run, programs, libraries)
    script = INIT
    for number, command in enumerate(commands):
        words = " ".join(shlex.quote(str(word)) for word in command)
        script += f"{words} > /tmp/out 2>&1 && echo '=== {number}' && cat /tmp/out && echo '=== end' || cat /tmp/out\n"
    (root / "init").write_text(script + "poweroff -f\n")
    (root / "init").chmod(0o755)
    image = FOLDER / "root.cpio"
    run.must(["sh", "-c", f"find . | cpio -o -H newc > {shlex.quote(str(image))}"], cwd=root)
    told = run.command([
        "qemu-system-x86_64", "-nodefaults", "-no-reboot", "-display", "none", "-machine", "q35", "-cpu", "qemu64", "-m", 512,
        "-icount", COUNTING, "-rtc", "clock=vm", "-kernel", kernel(run), "-initrd", image, "-append",
        "console=ttyS0 quiet panic=-1 clocksource=tsc tsc=reliable", "-serial", "stdio"])
    answers = {int(number): output for number, output in ANSWER.findall(told.output)}
    if told.status != 0 or len(answers) != len(commands):
        failed = [" ".join(map(str, command)) for number, command in enumerate(commands) if number not in answers]
        raise Failure(f"{failed[0] if failed else 'the virtual machine'}:\n{told.output[-2000:]}")
    return [answers[number] for number in range(len(commands))]
