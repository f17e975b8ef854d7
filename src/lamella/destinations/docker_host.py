"""Where Docker's engine listens, by Docker's own rules.

DOCKER_HOST        unix://, tcp:// (with DOCKER_TLS_VERIFY and DOCKER_CERT_PATH) or ssh://
DOCKER_CONTEXT     a context's name; without it, the current one in Docker's config.json
otherwise          the usual socket
"""

import contextlib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lamella.destinations.destination import DestinationError
from lamella.transport.home import expanded, home

_USUAL = "unix:///var/run/docker.sock"


@dataclass(frozen=True)
class DockerHost:
    """An address, and the folder with `ca.pem`, `cert.pem` and `key.pem` if it uses TLS."""

    address: str
    certificates: Path | None = None


def docker_host(environment: Mapping[str, str]) -> DockerHost:
    """The engine that Docker's own commands would use."""
    folder = expanded(environment.get("DOCKER_CONFIG") or f"{home(environment)}/.docker")
    if environment.get("DOCKER_HOST"):
        named = environment.get("DOCKER_CERT_PATH")
        wanted = environment.get("DOCKER_TLS_VERIFY")
        return DockerHost(environment["DOCKER_HOST"], Path(named) if named else folder if wanted else None)
    name = environment.get("DOCKER_CONTEXT", "")
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        name = name or json.loads((folder / "config.json").read_bytes())["currentContext"]
    return _of_context(name, folder / "contexts") if name and name != "default" else DockerHost(_USUAL)


def _of_context(name: str, folder: Path) -> DockerHost:
    hashed = hashlib.sha256(name.encode()).hexdigest()
    file = folder / "meta" / hashed / "meta.json"
    certificates = folder / "tls" / hashed / "docker"
    try:
        address = str(json.loads(file.read_bytes())["Endpoints"]["docker"]["Host"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DestinationError(f"Docker's context {name!r} cannot be read from {file}: {error}") from error
    return DockerHost(address, certificates if certificates.is_dir() else None)
