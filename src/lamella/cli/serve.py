"""`lamella serve`: a registry that builds what is pulled, and stores it in a bucket."""

import asyncio
import contextlib
import logging
import os
import shutil
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lamella.cli.common import bucket_options, cache_folder, connection_options, open_workplace, reach_of, reaching_out
from lamella.transport.home import expanded

if TYPE_CHECKING:
    from lamella.cache.bucket import SharedBucket
    from lamella.server.app import Server
    from lamella.server.monitoring.lines import Tell
    from lamella.server.settings import Settings

_WORKER = (
    sys.executable,
    "-c",
    f"import sys; sys.path[:] = {sys.path!r}; from lamella.cli.worker import main; main()",
)
"""Passes on our module path: if Nix has wrapped the program, Python alone finds none of its packages."""
_NIXPKGS = "nixos-unstable"
_AT_ONCE = 130
_TIDY = 3.0
"""Seconds to exit when there is nothing more to wait for."""


@click.command("serve")
@bucket_options
@click.option("--listen", metavar="HOST:PORT", help="Where to listen, instead of the address in the settings.")
@click.option("--writable", is_flag=True, help="Allow pushes and deletes by users who have permission.")
@connection_options
def command(**how: Any) -> None:
    """Serve images: those that were pushed, and those whose names list their packages, built when they are pulled.

    `docker pull localhost:8080/shell/git/htop` pulls an image of a shell, git and htop. The server runs until it is
    stopped, and then finishes what it is doing.
    """
    settings, written = settings_of(how)
    with reaching_out(open_workplace(), **reach_of(how)) as place:
        from lamella.server.app import Server

        asyncio.run(_serve(Server(settings, written, _bucket(settings), place, _worker(how), _log())))


def _worker(how: dict[str, Any]) -> tuple[str, ...]:
    """The command of the worker; it reaches other machines as we do."""
    insecure, ca = how["insecure"], how["ca"]
    return (*_WORKER, *(["--insecure"] if insecure else []), *(["--ca", ca] if ca else []))


async def _serve(server: "Server") -> None:
    from lamella.server.app import running

    stopped = asyncio.Event()
    _at_a_signal(stopped.set)
    async with running(server) as address:
        click.echo(f"serving at {address}, from {server.settings.bucket}", err=True)
        _tell_systemd("READY=1")
        await stopped.wait()
        _at_a_signal(os._exit, _AT_ONCE)
        _end_within(server.settings.stop_seconds + _TIDY)
        _tell_systemd("STOPPING=1")
        click.echo("stopping when running requests have ended; a second signal stops at once", err=True)


def _at_a_signal(do: Callable[..., object], *words: object) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, do, *words)


def _end_within(seconds: float) -> None:
    """End this process after that time even if a thread still waits; what it was writing is only staged."""
    last = threading.Timer(seconds, os._exit, [0])
    last.daemon = True
    last.start()


def _tell_systemd(state: str) -> None:
    """Report our state to systemd, if it started us and wants to know."""
    place = os.environ.get("NOTIFY_SOCKET", "")
    if place:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            out.sendto(state.encode(), place.replace("@", "\0", 1) if place.startswith("@") else place)


def _bucket(settings: "Settings") -> "SharedBucket":
    """Return the bucket, without half-written files that killed servers left on this machine."""
    from lamella.cache.copies import Copies
    from lamella.cache.folder import Folder
    from lamella.cache.objects import bucket_at
    from lamella.staging import sweep

    bucket = bucket_at(settings.bucket, os.environ, cache_folder())
    if isinstance(bucket, Folder):
        sweep(bucket.root)
    if isinstance(bucket, Folder) or settings.redirect or not settings.copies:
        return bucket
    sweep(cache_folder() / "copies")
    return Copies(bucket, cache_folder() / "copies", settings.copies)


def settings_of(how: dict[str, Any]) -> "tuple[Settings, str]":
    """Return the settings with the options applied, and their text for the workers."""
    import msgspec

    from lamella.spec.problems import SpecError
    from lamella.spec.reader import text_of

    try:
        from lamella.server.settings import parse_settings
    except ImportError as error:
        raise click.ClickException(f"{error.name} is missing; run pip install 'lamella[server]'") from error
    file = how["config"]
    written = text_of(file) if file else _usual()
    settings = parse_settings(written, str(file or "the usual settings"))
    told = {name: how[name] for name in ("listen", "bucket", "writable") if how.get(name)}
    told.setdefault("bucket", settings.bucket or str(_data_folder() / "bucket"))
    try:
        return msgspec.structs.replace(settings, **told), written
    except SpecError as error:
        problem = error.problems[0]
        raise click.UsageError(f"--{problem.path[0]}: {problem.message}") from error


def _usual() -> str:
    """The default settings: packages of Nix if it is installed, of Debian, and of Python."""
    nix = f'[[source]]\nname = "nix"\nkind = "nix"\nfrom = "{_NIXPKGS}"\n' if shutil.which("nix") else ""
    versions = "".join(
        f'[[source]]\nname = "py{version}"\nkind = "pypi"\npython = {{ version = "{version}" }}\n'
        f'base = "docker://docker.io/library/python:{version}-slim"\n'
        for version in ("3.11", "3.12", "3.13")
    )
    return f'{nix}[[source]]\nname = "deb"\nkind = "deb"\n{versions}'


def _data_folder() -> Path:
    users = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return expanded(f"{users}/lamella")


def _log() -> "Tell":
    """Send all logging to stderr, and return the function that writes request lines there."""
    from lamella.server.monitoring import lines

    is_seen = sys.stderr.isatty()
    handler = logging.StreamHandler()
    handler.setFormatter(lines.ColourFormatter() if is_seen else lines.JsonFormatter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("lamella").setLevel(logging.INFO)
    shown = lines.in_colours if is_seen else lines.as_json
    return lambda line: sys.stderr.write(f"{shown(line)}\n")
