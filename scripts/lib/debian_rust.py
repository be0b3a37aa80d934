"""The Rust that Debian 13 packages, unpacked in a folder: it runs beside the machine's own, with Debian 13's C library."""

from project import OUT, fresh
from runner import Failure

RELEASE = "trixie"
MIRROR = "http://deb.debian.org/debian"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
FOLDER = OUT / "debian-rust"
ROOT = FOLDER / "root"
STAMP = FOLDER / "complete"

# The machine has these itself.
PRESENT = {"gcc": "", "binutils": "", "libc6-dev": "libc-dev"}


def get(run):
    """The paths of rustc and cargo, unpacked unless they are there."""
    if not STAMP.exists():
        fresh(FOLDER)
        for package in download(run):
            run.must(["dpkg-deb", "-x", package, ROOT])
            package.unlink()
        STAMP.touch()
    programs = FOLDER / "bin"
    programs.mkdir(exist_ok=True)
    sysroot = f'--sysroot "{ROOT}/usr" '
    return start(programs / "rustc", sysroot), start(programs / "cargo", "")


def download(run):
    """Downloads rustc, cargo and what they need with apt, whose state and sources are in a folder apart. Returns the files."""
    apt = FOLDER / "apt"
    for folder in ("state/lists/partial", "cache/archives/partial", "parts"):
        (apt / folder).mkdir(parents=True)
    (apt / "sources.list").write_text(f"deb [signed-by={KEYRING}] {MIRROR} {RELEASE} main\n")
    (apt / "status").write_text("\n".join(
        f"Package: {name}\nStatus: install ok installed\nVersion: 99\nArchitecture: amd64\nMaintainer: none\n"
        f"Description: none\n{f'Provides: {provides}' if provides else 'Section: devel'}\n"
        for name, provides in PRESENT.items()))
    options = {
        "APT::Architecture": "amd64", "APT::Sandbox::User": "", "Dir::Etc::SourceList": apt / "sources.list",
        "Dir::Etc::SourceParts": apt / "parts", "Dir::Etc::PreferencesParts": apt / "parts",
        "Dir::State": apt / "state", "Dir::State::status": apt / "status", "Dir::Cache": apt / "cache",
        "Debug::NoLocking": "true", "Acquire::Languages": "none", "Acquire::Retries": "3"}
    command = ["apt-get", "-q", "-y", "--no-install-recommends",
               *(part for name, value in options.items() for part in ("-o", f"{name}={value}"))]
    run.must([*command, "update"])
    run.must([*command, "--download-only", "install", "rustc", "cargo"])
    packages = sorted((apt / "cache" / "archives").glob("*.deb"))
    if not packages:
        raise Failure("apt-get downloaded nothing")
    return packages


def start(script, options):
    """Writes a script that runs the program of its name in ROOT, with the libraries there."""
    libraries = ROOT / "usr" / "lib" / "x86_64-linux-gnu"
    loader = next(path for path in (ROOT / "usr/lib64/ld-linux-x86-64.so.2", libraries / "ld-linux-x86-64.so.2",
                                    ROOT / "lib64/ld-linux-x86-64.so.2") if path.exists())
    script.write_text(f'#!/bin/sh\nexec "{loader}" --library-path "{libraries}" "{ROOT}/usr/bin/{script.name}" {options}"$@"\n')
    script.chmod(0o755)
    return script
