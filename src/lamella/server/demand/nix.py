"""Images of Nix packages: found by name in a set, built or downloaded by Nix, and linked from the root of the image.

    names --packages.nix--> derivations --nix-store--> store paths --> layers, and links to what is in them

Nix runs with its own configuration. Packages are spread over layers by Nixery's rules (`dominators`); the links
are the top layer.
"""

import difflib
import json
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from lamella.oci.platforms import parse_platform
from lamella.oci.wire import decode
from lamella.pipeline.packages.nix import system_of
from lamella.server.demand.errors import DemandError, UnavailableError, UnknownError
from lamella.server.demand.git import checkout, commit_of
from lamella.server.demand.links import link
from lamella.server.demand.names import LATEST, Pin, Request
from lamella.server.demand.origin import COMMIT
from lamella.server.demand.programs import ProgramError, run
from lamella.server.demand.workshop import PATH, Workshop, config
from lamella.spec.model import Image, Layer, Spec
from lamella.spec.wants import FilesWant, NixWant

ADDED = ("cacert", "iana-etc")
"""Added to every image if the set has them."""

_SHELL = ("bashInteractive", "coreutils", "moreutils", "nano")
_EXPRESSION = Path(__file__).with_name("packages.nix")
_FEATURES = ("--extra-experimental-features", "nix-command flakes")
_PINNED_FLAKE = re.compile(
    rf"(?:(?:github|gitlab|sourcehut):[^/]+/[^/]+/|nixpkgs/|.*[?&]rev=){COMMIT.pattern}(?:[?&].*)?"
)
_UNREACHABLE = re.compile(r"^\s*(?:error|fatal): unable to (?:download|access) '.*': (?!HTTP error 4)", re.MULTILINE)
"""What Nix and git print when a host is down; not when it lacks something, nor when Nix tries again."""
_LONGEST_SAID = 600
_CERTIFICATES = "/etc/ssl/certs/ca-bundle.crt"


class Found(msgspec.Struct, frozen=True):
    """What the set has under a name: an output of a derivation; or, if it has none, the names that exist there."""

    name: str
    drv: str = ""
    output: str = ""
    among: tuple[str, ...] = ()
    is_there: bool = msgspec.field(name="isThere", default=False)


def pin(request: Request) -> Pin:
    """Return the pin. A commit of a repository or nixpkgs, or a flake that names one, is pinned; all else may move."""
    source = request.source
    if source.where == "git":
        if COMMIT.fullmatch(request.tag):
            return Pin(request.tag, moving=False)
        return Pin(commit_of(source.origin, "" if request.tag == LATEST else request.tag), moving=True)
    if request.tag != LATEST:
        raise UnknownError(f"there is no tag {request.tag}: images from {source.name} have only the tag {LATEST}")
    pinned = COMMIT if source.where == "channel" else _PINNED_FLAKE
    return Pin(source.origin, moving=source.where == "folder" or not pinned.fullmatch(source.origin))


def specs(request: Request, pin: Pin, folder: Path, workshop: Workshop) -> Iterator[Spec]:
    """Yield the image for each platform. Its packages are in the store, and stay there as long as `folder` exists."""
    where = _set_of(request, pin, workshop)
    for name in request.platforms:
        system = system_of(parse_platform(name))
        workshop.log(f"looking up {', '.join(request.packages)} for {system}")
        own = folder / system
        own.mkdir()
        found = find(where, system, [*request.packages, *(_SHELL if request.shell else ())], workshop)
        paths = _realised(found, own, workshop)
        link(paths, own / "root")
        yield Spec(_image(request, name, paths, own / "root"), own)


def _set_of(request: Request, pin: Pin, workshop: Workshop) -> tuple[str, str]:
    """Return where the set of packages is, as an argument of the expression."""
    source = request.source
    if source.where == "folder":
        return "folder", source.origin
    if source.where == "channel":
        return "flake", f"nixpkgs/{source.origin}"
    if source.where == "flake":
        return "flake", source.origin
    tree = checkout(source.origin, pin.what, workshop.folder)
    return ("folder", str(tree)) if (tree / "default.nix").exists() else ("flake", f"path:{tree}")


def find(where: tuple[str, str], system: str, names: Sequence[str], workshop: Workshop) -> list[Found]:
    """Return what the set has under these names, in their order, followed by what is added to every image."""
    given = {where[0]: where[1], "system": system, "names": json.dumps(names), "added": json.dumps(ADDED)}
    command = ["nix-instantiate", *_FEATURES, "--eval", "--strict", "--json", "--read-write-mode", str(_EXPRESSION)]
    for name, value in given.items():
        command += ["--argstr", name, value]
    told = _asked(command, "the packages cannot be evaluated", workshop)
    found = decode(told.encode(), list[Found], "the packages that Nix found")
    missing = [one for one in found if not one.drv]
    if missing:
        raise UnknownError(f"there are no packages with these names: {', '.join(map(_hinted, missing))}")
    return found


def _hinted(one: Found) -> str:
    """Return a name that no package has, with a hint at what may be meant."""
    before, dot, last = one.name.rpartition(".")
    if one.is_there:
        return f"{one.name} (which is {'a set of packages' if one.among else 'not a package'})"
    lower = {name.lower().lstrip("_"): name for name in one.among}
    near = difflib.get_close_matches(last, lower, 1)
    return f"{one.name} (is it {before}{dot}{near[0]}?)" if near else one.name


def _realised(found: Sequence[Found], folder: Path, workshop: Workshop) -> list[str]:
    """Build or download the store paths, and return them in the order of `found`; links in `folder` keep them."""
    wanted = list(dict.fromkeys(f"{one.drv}!{one.output}" for one in found))
    command = ["nix-store", "--realise", "--add-root", str(folder / "kept"), *wanted]
    links = _asked(command, "Nix cannot build this", workshop).splitlines()
    return list(dict.fromkeys(str(Path(link).readlink()) for link in links))


def _asked(command: Sequence[str], wrong: str, workshop: Workshop) -> str:
    try:
        return run(command, workshop.limits.seconds, workshop.log)
    except ProgramError as error:
        kind = UnavailableError if _UNREACHABLE.search("\n".join(error.log)) else DemandError
        raise kind(f"{wrong}: {_reason(error)}", error.log) from None


def _reason(error: ProgramError) -> str:
    """Return Nix's error message: everything after the last `error:`, on one line."""
    _, mark, last = "\n".join(error.log).rpartition("error:")
    text = " ".join(last.split()) if mark else str(error)
    return text if len(text) <= _LONGEST_SAID else text[:_LONGEST_SAID] + "..."


def _image(request: Request, machine: str, paths: Sequence[str], root: Path) -> Image:
    certified = os.path.lexists(f"{root}{_CERTIFICATES}")
    return Image(
        name=request.short_name,
        layers=[
            Layer("packages", [NixWant(path) for path in paths], layering="dominators"),
            Layer("root", [FilesWant("root/", "/")]),
        ],
        config=config({**PATH, **({"SSL_CERT_FILE": _CERTIFICATES} if certified else {})}, shell=request.shell),
        platforms=[machine],
        max_layers=request.layers,
    )
