"""Passwords for indexes from other programs: uv (`uv auth login`), and keyring if it is enabled."""

import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import urlsplit

from lamella.sources.python.uv import uv_command
from lamella.sources.tree import SourceError

_KEYRING = ("UV_KEYRING_PROVIDER", "PIP_KEYRING_PROVIDER")
_LONGEST = 60


def stored(address: str, username: str, environment: Mapping[str, str]) -> tuple[str, str] | None:
    """The name and password for the host of `address`; the name may already be known."""
    parts = urlsplit(address)
    host = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    for command, name in _commands(host, username, environment):
        said = _said(command, environment).splitlines()
        if len(said) == (1 if name else 2):
            return (name or said[0], said[-1])
    return None


def _commands(host: str, username: str, environment: Mapping[str, str]) -> Iterator[tuple[Sequence[str], str]]:
    """The commands to ask, with the name if known; otherwise the answer has one."""
    try:
        token = [*uv_command(), "auth", "token", host]
    except SourceError:
        pass
    else:
        yield ([*token, "--username", username], username) if username else (token, "__token__")
    if any(environment.get(name) in ("subprocess", "import", "auto") for name in _KEYRING):
        words = ["get", host, username] if username else ["--mode", "creds", "get", host]
        yield ["keyring", *words], username


def _said(command: Sequence[str], environment: Mapping[str, str]) -> str:
    program = shutil.which(command[0], path=environment.get("PATH"))
    if not program:
        return ""
    try:
        ran = subprocess.run(
            [program, *command[1:]],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=_LONGEST,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return ran.stdout if ran.returncode == 0 else ""
