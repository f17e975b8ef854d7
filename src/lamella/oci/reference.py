"""How users write where an image is: `docker://HOST/NAME:TAG`, `oci:DIR:TAG`, `docker-daemon:NAME:TAG`, a file.

The syntax is skopeo's. A path ends at the first colon after the kind; the rest is the name. A digest may follow an `@`
instead.
"""

import difflib
import re
from dataclasses import dataclass

from lamella.errors import LamellaError

DOCKER = "docker"
"""A registry."""
OCI = "oci"
OCI_ARCHIVE = "oci-archive"
DOCKER_ARCHIVE = "docker-archive"
DIR = "dir"
DOCKER_DAEMON = "docker-daemon"
PODMAN = "containers-storage"
CONTAINERD = "containerd"
DAEMONS = (DOCKER_DAEMON, PODMAN, CONTAINERD)
"""Programs that run and store images."""

FILE = "file"
"""An `image.json` or `lamella.toml`, written without a kind."""

STREAM = "-"
"""The path that means stdout or stdin."""

_IN_STORE = "nix:0/"
"""A prefix that makes the path of an image in the Nix store a reference for nix-snapshotter."""

_HUB = "docker.io"
_USUAL = {
    DOCKER: "docker://HOST/NAME:TAG",
    OCI: "oci:FOLDER or oci:FOLDER:TAG",
    OCI_ARCHIVE: "oci-archive:FILE or oci-archive:FILE:TAG",
    DOCKER_ARCHIVE: "docker-archive:FILE or docker-archive:FILE:NAME:TAG",
    DIR: "dir:FOLDER",
    DOCKER_DAEMON: "docker-daemon:NAME:TAG",
    PODMAN: "containers-storage:NAME:TAG",
    CONTAINERD: "containerd:NAME:TAG",
}
_ALSO = {"podman": PODMAN}
KINDS = tuple(_USUAL)
_KIND = re.compile(r"([A-Za-z][A-Za-z0-9+_-]*):")
_DIGEST = r"sha256:[0-9a-f]{64}"

_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_LABEL = "[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
HOST = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-fA-F:]+\])(?::[0-9]+)?"
REPOSITORY = rf"{_PART}(?:/{_PART})*"
NAME = rf"(?:{HOST}/)?{REPOSITORY}"
TAG = "[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}"
LONGEST_NAME = 255
_REF_NAME = re.compile(r"[a-zA-Z0-9_](?:[a-zA-Z0-9._:@/+-]*[a-zA-Z0-9_])?")


class PlaceError(LamellaError):
    """The place or name of an image is malformed."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Place:
    """Where an image is or goes. `name` is a tag or digest in a layout, `name:tag` in a docker-archive, or empty."""

    kind: str
    path: str
    name: str = ""

    def __str__(self) -> str:
        if self.kind == FILE:
            return self.path
        if self.kind == DOCKER:
            return f"docker://{self.path}{'@' if ':' in self.name else ':'}{self.name}"
        return f"{self.kind}:{self.path}" + (f":{self.name}" if self.name else "")


def parse_place(text: str) -> Place:
    """Parse the place of an image."""
    match = _KIND.match(text)
    if match is None:
        if not text:
            raise PlaceError(f"the place of an image is empty; write {', '.join(_USUAL.values())}, or a file")
        return Place(FILE, text)
    kind, rest = _ALSO.get(match[1], match[1]), text[match.end() :]
    if text.startswith(_IN_STORE):
        return Place(FILE if text.endswith(".json") else OCI_ARCHIVE, text[len(_IN_STORE) - 1 :])
    if kind not in _USUAL:
        near = difflib.get_close_matches(kind.lower(), _USUAL, 1)
        hint = f"did you mean {near[0]}:{rest}?" if near else f"there are {', '.join(f'{k}:' for k in _USUAL)}"
        raise PlaceError(f"{text!r}: unknown kind of place {kind!r}; {hint}")
    if kind == DOCKER:
        if not rest.startswith("//") or rest == "//":
            raise PlaceError(f"{text!r}: write {_USUAL[kind]}")
        reference = parse_reference(rest[2:])
        return place_of(reference)
    if kind in DAEMONS:
        return Place(kind, docker_name(rest))
    if kind == DIR and rest:
        return Place(kind, rest)
    path, _, name = re.sub(f"@({_DIGEST})$", r":\1", rest).partition(":")
    if not path:
        raise PlaceError(f"{text!r} has no path; write {_USUAL[kind]}")
    if kind == OCI and path == STREAM:
        raise PlaceError(f"{text!r}: a layout is a folder and cannot be a stream; write oci-archive:- for one")
    return Place(kind, path, docker_name(name) if kind == DOCKER_ARCHIVE and name else _layout_name(name))


@dataclass(frozen=True, slots=True)
class Reference:
    """An image in a registry; `name` is a tag or a digest."""

    registry: str
    repository: str
    name: str

    def __str__(self) -> str:
        return f"{self.registry}/{self.repository}{'@' if ':' in self.name else ':'}{self.name}"


def parse_reference(text: str) -> Reference:
    """Parse `text` as Docker does: the default host is Docker Hub, the default tag `latest`."""
    place, at, digest = text.partition("@")
    if at and not re.fullmatch(_DIGEST, digest):
        raise PlaceError(f"{text!r}: {digest!r} is not a digest (sha256: and 64 hexadecimal digits)")
    name, _, tag = docker_name(place).rpartition(":")
    host, slash, rest = name.partition("/")
    if not slash or not ("." in host or ":" in host or host == "localhost"):
        host, rest = _HUB, name if slash else f"library/{name}"
    if not re.fullmatch(REPOSITORY, rest):
        raise PlaceError(
            f"{text!r}: {rest!r} is not a repository (lower-case letters, digits, and . _ - / between them); "
            "a registry's name has a dot or a port, as in registry.example.com or localhost:5000"
        )
    return Reference("docker.io" if host == f"index.{_HUB}" else host, rest, digest or tag)


def reference_of(place: Place) -> Reference:
    """Return the image that a place in a registry names."""
    host, _, repository = place.path.partition("/")
    return Reference(host, repository, place.name)


def place_of(reference: Reference) -> Place:
    """The same as a place."""
    return Place(DOCKER, f"{reference.registry}/{reference.repository}", reference.name)


def docker_name(text: str) -> str:
    """Return `text` as `name:tag`; the default tag is `latest`."""
    name, colon, tag = text.rpartition(":")
    if not colon or "/" in tag:
        name, tag = text, "latest"
    if not re.fullmatch(NAME, name) or len(name) > LONGEST_NAME:
        lower = name.lower()
        hint = f"; did you mean {lower!r}?" if re.fullmatch(NAME, lower) else ""
        raise PlaceError(
            f"{name!r} is not an image's name (lower-case letters, digits, and . _ - / between them){hint}"
        )
    return f"{name}:{check_tag(tag)}"


def check_tag(text: str) -> str:
    """Return `text` if registries accept it as a tag."""
    if not re.fullmatch(TAG, text):
        raise PlaceError(f"{text!r} is not a tag (letters, digits, and . _ - after the first; at most 128)")
    return text


def _layout_name(text: str) -> str:
    if text and not re.fullmatch(_DIGEST, text) and not _REF_NAME.fullmatch(text):
        raise PlaceError(f"{text!r} is not a name for an image in a layout (letters, digits, and . _ - : / + @)")
    return text
