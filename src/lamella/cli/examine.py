"""The checks of `lamella doctor`. Each returns one finding, changes nothing permanently, and shows no secret.

Checks run in parallel, and modules must not be imported for the first time by two threads: all are imported here.
"""

import contextlib
import json
import os
import platform
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lamella.cache.objects import bucket_at
from lamella.cli import inside
from lamella.cli.common import cache_folder, said_creds
from lamella.cli.images import reference_at
from lamella.destinations.docker_api import Engine
from lamella.destinations.docker_host import docker_host
from lamella.errors import LamellaError
from lamella.oci.platforms import here, spelled
from lamella.oci.reference import DOCKER, parse_place
from lamella.pipeline.lock.decide import check_lock
from lamella.pipeline.lock.file import lock_path, read_lock
from lamella.pipeline.outside import words_of_uv
from lamella.pipeline.packages import debian, python
from lamella.pipeline.packages import nix as nix_packages
from lamella.registry.credentials import Keychain
from lamella.registry.registries import Registries
from lamella.spec.reader import read
from lamella.transport.connections import shown
from lamella.words import plural, size

OK = "ok"
NOTE = "note"
FAULT = "fault"

_LITTLE = 1 << 30
_SECONDS = 3.5
_DAY = 24 * 3600


class _RefusalError(LamellaError):
    """A program is installed but does not work."""


@dataclass(frozen=True)
class Finding:
    """The result of a check: `ok`; a `note`, if something that not everybody needs is missing; or a `fault`."""

    about: str
    state: str
    said: str

    def as_fault(self) -> "Finding":
        """The same finding for something that is needed."""
        return replace(self, state=FAULT)


def lamella() -> Finding:
    """The version of lamella and Python, and the platform."""
    told = f"{version('lamella')}, with Python {platform.python_version()}, for images of {spelled(here())}"
    return Finding("lamella", OK, told)


def clock() -> Finding:
    """The time. If it is before our own files were written, certificates and tokens will seem not yet valid."""
    now = datetime.fromtimestamp(time.time(), UTC)
    if now.timestamp() < Path(__file__).stat().st_mtime - _DAY:
        return Finding("clock", NOTE, f"{now:%Y-%m-%d} is wrong; set the clock, or certificates will not be trusted")
    return Finding("clock", OK, f"{now:%Y-%m-%d %H:%M} UTC")


def cache() -> Finding:
    """The cache folder."""
    return _folder("cache", cache_folder(), "set $LAMELLA_CACHE to another folder")


def temporary() -> Finding:
    """The folder for large temporary files."""
    return _folder("temporary", Path(tempfile.gettempdir()), "set $TMPDIR to another folder")


def _folder(about: str, folder: Path, otherwise: str) -> Finding:
    there = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    try:
        with tempfile.TemporaryFile(dir=there) as file:
            file.write(b"lamella")
    except OSError as error:
        return Finding(about, FAULT, f"{folder} cannot be written: {error.strerror}; {otherwise}")
    free = shutil.disk_usage(there).free
    if free < _LITTLE:
        return Finding(about, NOTE, f"{folder} has only {size(free)} free; free some space, or {otherwise}")
    return Finding(about, OK, f"{folder}, {size(free)} free")


def credentials() -> Finding:
    """The registries with a login, and whether the credential helpers are installed."""
    told = ["$LAMELLA_CREDS"] if os.environ.get("LAMELLA_CREDS") else []
    for file in Keychain(os.environ).auth_files():
        if not file.exists():
            continue
        try:
            table = json.loads(file.read_bytes())
            hosts = [*table.get("auths", {}), *table.get("credHelpers", {})]
            helpers = {*table.get("credHelpers", {}).values(), *filter(None, [table.get("credsStore")])}
        except (OSError, ValueError, AttributeError, TypeError) as error:
            return Finding("credentials", FAULT, f"{file} cannot be read: {error}; log in again")
        lost = [one for one in sorted(helpers) if not shutil.which(f"docker-credential-{one}")]
        if lost:
            program = f"docker-credential-{lost[0]}"
            return Finding("credentials", FAULT, f"{file} needs {program}, which is not installed; install it")
        told.append(f"{file} ({', '.join(dict.fromkeys(hosts)) or 'nobody is logged in'})")
    if not told:
        return Finding(
            "credentials", NOTE, "none: registries are accessed anonymously; run docker login or podman login"
        )
    return Finding("credentials", OK, "; ".join(told))


def docker() -> Finding:
    """Docker's engine, at the address that Docker's own commands use."""
    host = docker_host(os.environ)
    with Engine(host).reached() as requests:
        told: Mapping[str, Any] = requests.get("/version") or {}
    return Finding("docker", OK, f"{told.get('Version', 'some version')}, at {host.address}")


def podman() -> Finding:
    """podman, with its store of images."""
    return Finding("podman", OK, _program("podman", "info", "--format", "{{.Version.Version}}"))


def containerd() -> Finding:
    """containerd, through ctr."""
    at = os.environ.get("CONTAINERD_ADDRESS", "its usual place")
    try:
        said = _program("ctr", "--connect-timeout", "2s", "version")
    except _RefusalError as error:
        raise LamellaError(
            f"containerd at {at} does not answer; is it running, and are you allowed to use it?"
        ) from error
    versions = [line.partition("Version:")[2].strip() for line in said.splitlines() if "Version:" in line]
    return Finding("containerd", OK, f"{versions[-1] if versions else 'some version'}, at {at}")


def nix() -> Finding:
    """Nix, with its store."""
    version = _program("nix", "--version").rpartition(" ")[2]
    _program("nix", "--extra-experimental-features", "nix-command", "store", "ping")
    return Finding("nix", OK, version)


def uv() -> Finding:
    """uv, which chooses Python packages."""
    return Finding("uv", OK, _program(*words_of_uv(), "--version").removeprefix("uv "))


def shell() -> Finding:
    """Whether `lamella shell` can open images by itself."""
    if inside.is_possible():
        return Finding("shell", OK, "lamella shell opens images by itself")
    return Finding("shell", NOTE, "this kernel does not let users mount overlays; lamella shell needs Docker or podman")


def _program(*words: str) -> str:
    """Return what a program prints."""
    program = shutil.which(words[0])
    if program is None:
        raise LamellaError(f"{words[0]} is not installed; install it if you need it")
    try:
        ran = subprocess.run(
            [program, *words[1:]], capture_output=True, text=True, errors="replace", timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise LamellaError(f"{words[0]} does not answer; is its daemon running?") from error
    if ran.returncode:
        said = [line.strip() for line in ran.stderr.splitlines() if line.strip()] or ["it printed no message"]
        raise _RefusalError(f"{words[0]} does not work: {said[-1][:300]}")
    return ran.stdout.strip()


def spec(path: Path) -> Finding:
    """Whether the spec can be read."""
    try:
        image = read(path).image
    except LamellaError as error:
        return Finding("spec", FAULT, str(error).replace("\n", "; "))
    return Finding("spec", OK, f"{image.name}, {plural(len(image.layers) + bool(image.take), 'layer')}")


def lock(path: Path) -> Finding:
    """Whether the lock exists if one is needed, and matches the spec."""
    try:
        told = read(path)
        found = read_lock(lock_path(told))
        asked = [python.asking(told, here()), debian.asking(told), nix_packages.asking(told, here())]
        if found is None and not any(asked):
            return Finding("lock", OK, "none, and none needed")
        check_lock(told, found)
    except LamellaError as error:
        return Finding("lock", FAULT, str(error).partition("\n")[0])
    return Finding("lock", OK, f"{lock_path(told)} matches the spec")


def references_of(path: Path) -> list[str]:
    """The images in registries that a spec names: its own name, and its base."""
    try:
        image = read(path).image
        base = [image.base] if image.base and parse_place(image.base).kind == DOCKER else []
    except LamellaError:
        return []
    host = image.name.partition("/")[0]
    own = [f"{image.name}:{image.tag}"] if "/" in image.name and ("." in host or ":" in host) else []
    return [*own, *(one.removeprefix("docker://") for one in base)]


def bucket(address: str) -> Finding:
    """Whether a bucket can be written and read."""
    with tempfile.TemporaryDirectory(prefix="lamella-") as spool:
        there = bucket_at(address, os.environ, Path(spool))
        name = f"doctor/{os.getpid()}-{time.time_ns()}"
        there.put(name, b"lamella")
        try:
            is_same = there.get(name) == b"lamella"
        finally:
            there.delete(name)
    if not is_same:
        return Finding("bucket", FAULT, f"{shown(address)} does not return what was written to it")
    return Finding("bucket", OK, f"{shown(address)} can be read and written")


@dataclass(frozen=True)
class Registry:
    """How registries are accessed."""

    creds: Sequence[str] = field(default=(), repr=False)
    insecure: bool = False
    ca: str = ""

    def examined(self, text: str) -> Finding:
        """Whether a registry lets us look for an image, and as which user."""
        reference = reference_at(text)
        creds = said_creds(self.creds)
        with contextlib.closing(Registries(os.environ, creds, reference.registry, self.insecure, self.ca)) as all_:
            is_there = all_.repository(reference).has_manifest(reference.name)
        known = Keychain(os.environ).find(reference.registry, reference.repository)
        who = "with given credentials" if creds else f"as {known.username or 'a user'}" if known else "anonymously"
        return Finding(str(reference), OK, f"{'exists' if is_there else 'does not exist yet'}; asked {who}")
