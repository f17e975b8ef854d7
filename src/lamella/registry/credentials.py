"""The credentials for a registry: given explicitly, or from auth files of Docker and podman, helpers, CI or netrc.

    given explicitly  >  auth files (the most specific entry, then the registry's)  >  CI's token  >  netrc  >  none

The environment is passed in as a mapping.
"""

import base64
import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lamella.registry.errors import CredentialError
from lamella.transport.credential import Credential, of_netrc
from lamella.transport.home import home

_HUB_ADDRESS = "https://index.docker.io/v1/"
_HUB_NAMES = ("docker.io", "index.docker.io", "registry-1.docker.io")
_IDENTITY = "<token>"


@dataclass(frozen=True)
class Keychain:
    """Finds the credential for a repository; `said` is an explicit one, for all registries."""

    environment: Mapping[str, str] = field(repr=False)
    said: Credential | None = None

    def find(self, registry: str, repository: str) -> Credential | None:
        """Return the credential to use for a repository, if there is one."""
        if self.said:
            return self.said
        for file in self.auth_files():
            found = _in_file(file, registry, repository, self.environment)
            if found:
                return found
        return self._of_ci(registry) or of_netrc(urlsplit(f"//{registry}").hostname or "", self.environment)

    def auth_files(self) -> Iterator[Path]:
        """The files in which `podman login` and `docker login` keep credentials; podman's first, as more specific."""
        told = self.environment
        if told.get("REGISTRY_AUTH_FILE"):
            yield Path(told["REGISTRY_AUTH_FILE"])
            return
        running = told.get("XDG_RUNTIME_DIR")
        yield Path(running, "containers/auth.json") if running else Path(f"/run/containers/{os.getuid()}/auth.json")
        yield Path(told.get("XDG_CONFIG_HOME") or home(told) / ".config", "containers/auth.json")
        yield Path(told.get("DOCKER_CONFIG") or home(told) / ".docker", "config.json")

    def _of_ci(self, registry: str) -> Credential | None:
        actor, token = self.environment.get("GITHUB_ACTOR"), self.environment.get("GITHUB_TOKEN")
        return Credential(actor, token, source="$GITHUB_TOKEN") if registry == "ghcr.io" and actor and token else None


def parse_credential(text: str) -> Credential:
    """Parse `name:password`, as `--creds` takes it."""
    name, colon, password = text.partition(":")
    if not colon or not name:
        raise CredentialError("credentials must be written as NAME:PASSWORD")
    return Credential(name, password, source="--creds or $LAMELLA_CREDS")


def _in_file(file: Path, registry: str, repository: str, environment: Mapping[str, str]) -> Credential | None:
    try:
        told = json.loads(file.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise CredentialError(f"cannot read the credentials in {file}: {error}") from error
    if not isinstance(told, dict):
        raise CredentialError(f"{file} contains no credentials; log in again")
    helpers, auths = _table(told, "credHelpers"), _table(told, "auths")
    for name in _names(registry, repository):
        key = next((key for key in helpers if _plain(key) == name), None)
        if key is not None:
            return _ask(str(helpers[key]), key, environment)
        entry = next((entry for key, entry in auths.items() if _plain(key) == name), None)
        found = _of_entry(entry, file) if isinstance(entry, dict) else None
        if found:
            return found
    if told.get("credsStore"):
        hub = registry in _HUB_NAMES
        return _ask(str(told["credsStore"]), _HUB_ADDRESS if hub else registry, environment)
    return None


def _table(told: dict[str, Any], key: str) -> dict[str, Any]:
    found = told.get(key)
    return found if isinstance(found, dict) else {}


def _names(registry: str, repository: str) -> list[str]:
    """The keys that may hold the credential for a repository, the most specific first."""
    parts = repository.split("/")
    names = [f"{registry}/{'/'.join(parts[:count])}" for count in range(len(parts), 0, -1)]
    return [*names, *(_HUB_NAMES if registry in _HUB_NAMES else (registry,))]


def _plain(key: str) -> str:
    """A key of `auths` without the scheme and suffix that old versions wrote."""
    key = key.removeprefix("https://").removeprefix("http://").rstrip("/")
    return key.removesuffix("/v1").removesuffix("/v2")


def _of_entry(entry: dict[str, Any], file: Path) -> Credential | None:
    if entry.get("identitytoken"):
        return Credential(identity_token=str(entry["identitytoken"]), source=str(file))
    if not entry.get("auth"):
        name, password = entry.get("username"), entry.get("password")
        return Credential(str(name), str(password), source=str(file)) if name and password else None
    try:
        name, colon, password = base64.b64decode(str(entry["auth"])).decode().partition(":")
    except ValueError as error:
        raise CredentialError(f"a credential in {file} is damaged; log in again") from error
    return Credential(name, password.rstrip("\0"), source=str(file)) if colon else None


def _ask(helper: str, name: str, environment: Mapping[str, str]) -> Credential | None:
    """The credential that the program `docker-credential-HELPER` has for a registry."""
    program = f"docker-credential-{helper}"
    try:
        ran = subprocess.run(
            [program, "get"], input=name.encode(), capture_output=True, check=False, timeout=60, env=dict(environment)
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CredentialError(f"cannot run the credential helper {program}: {error}") from error
    if ran.returncode:
        said = (ran.stdout or ran.stderr).decode(errors="replace").strip()
        if "not found" in said:
            return None
        raise CredentialError(f"the credential helper {program} fails for {name}: {said[:200]}")
    try:
        told = json.loads(ran.stdout)
        username, secret = str(told["Username"]), str(told["Secret"])
    except (ValueError, KeyError, TypeError) as error:
        raise CredentialError(f"the credential helper {program} gives an unreadable answer") from error
    if username == _IDENTITY:
        return Credential(identity_token=secret, source=program)
    return Credential(username, secret, source=program) if username else None
