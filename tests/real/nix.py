"""Real packages in a real Nix store, made on this machine from Debian's packages."""

import fcntl
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.real.programs import absent, needs, run

DATA = Path(__file__).parent / "data"
DEBS = [
    "bash",
    "coreutils",
    "hello",
    "libacl1",
    "libattr1",
    "libc6",
    "libexpat1",
    "libffi8",
    "libgmp10",
    "libpcre2-8-0",
    "libpython3.11-minimal",
    "libpython3.11-stdlib",
    "libselinux1",
    "libtinfo6",
    "python3.11-minimal",
    "zlib1g",
]


@dataclass(frozen=True)
class NixPackages:
    """Store paths, and the file in which Nix tells of the closure of all of them."""

    bash: str
    coreutils: str
    hello: str
    python3: str
    graph: str

    @property
    def all(self) -> tuple[str, ...]:
        return (self.bash, self.coreutils, self.hello, self.python3)


def nix_packages(debs: Path) -> NixPackages:
    """The packages, in this machine's store; `debs` keeps what they are made from."""
    needs("nix", "nix-build", "patchelf", "dpkg-deb", "apt-get")
    if os.geteuid():
        absent("building into the Nix store needs root here")
    download(debs)
    wanted = [argument for name in NixPackages.__dataclass_fields__ for argument in ("-A", name)]
    options = ("--no-out-link", "--arg", "debs", debs, "--argstr", "python", sys.executable)
    built = run("nix-build", DATA / "packages.nix", *options, *wanted, NIX_CONF_DIR=str(DATA))
    return NixPackages(*built.split())


def download(debs: Path) -> None:
    """Fetches the packages that are not in the folder yet, once for all; package lists may have to be fetched first."""
    with (debs / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        missing = [name for name in DEBS if not list(debs.glob(f"{name}_*.deb"))]
        if not missing:
            return
        command = ["apt-get", "download", "-qq", *missing]
        if subprocess.run(command, cwd=debs, capture_output=True, check=False).returncode:
            run("apt-get", "update", "-qq")
            subprocess.run(command, cwd=debs, capture_output=True, check=True)
