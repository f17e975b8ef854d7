"""A real program for arm64, and a machine that runs such programs: this one, with qemu."""

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.real.programs import absent, needs, run

_FORMATS = Path("/proc/sys/fs/binfmt_misc")
_NAME = "lamella-tests-arm64"
_MAGIC = r"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00"
_MASK = r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff"


def busybox(folder: Path) -> Path:
    """Debian's busybox for arm64, a single file; `folder` keeps it."""
    needs("apt-get", "dpkg-deb")
    program = folder / "bin" / "busybox"
    if not program.exists():
        state = folder / "apt"
        (state / "lists" / "partial").mkdir(parents=True, exist_ok=True)
        options = [f"Dir::State::Lists={state / 'lists'}", "Dir::State::status=/dev/null", f"Dir::Cache={state}"]
        options += ["APT::Architecture=arm64", "APT::Architectures=arm64", "APT::Sandbox::User=root"]
        chosen = [part for option in options for part in ("-o", option)]
        run("apt-get", *chosen, "-qq", "update")
        subprocess.run(
            ["apt-get", *chosen, "-qq", "download", "busybox-static"], cwd=state, check=True, capture_output=True
        )
        run("dpkg-deb", "-x", next(state.glob("busybox*.deb")), folder)
    return program


@contextmanager
def arm64_programs_run() -> Iterator[None]:
    """Registers qemu for arm64 until the end; for one test at a time, as the kernel has one list for all."""
    qemu = shutil.which("qemu-aarch64-static")
    if qemu is None:
        absent("qemu-aarch64-static not installed")
    if os.geteuid():
        absent("registering qemu needs root")
    with Path(tempfile.gettempdir(), _NAME).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        mounted = not (_FORMATS / "register").exists()
        if mounted and subprocess.run(["mount", "-t", "binfmt_misc", "none", _FORMATS], check=False).returncode:
            absent("binfmt_misc cannot be mounted here")
        (_FORMATS / "register").write_text(f":{_NAME}:M::{_MAGIC}:{_MASK}:{qemu}:F")
        try:
            yield
        finally:
            (_FORMATS / _NAME).write_text("-1")
            if mounted:
                run("umount", _FORMATS)
