"""Images from specs: `NAME/lamella.toml` or `NAME.toml`, each with its lock beside it."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from lamella.oci.reference import parse_place
from lamella.pipeline.lock.file import hashed_name, lock_path, read_lock
from lamella.pipeline.workplace import Workplace
from lamella.server.demand.errors import DemandError, UnknownError
from lamella.server.demand.git import checkout, commit_of, moment
from lamella.server.demand.names import LATEST, Pin, Request
from lamella.server.demand.origin import COMMIT
from lamella.server.demand.workshop import Workshop, each_platform
from lamella.sources import files
from lamella.sources.nix.graph import is_store_path
from lamella.spec import derive
from lamella.spec.model import Spec
from lamella.spec.reader import NAME, read
from lamella.spec.wants import FilesWant, NixWant


def pin(request: Request, place: Workplace) -> Pin:
    """Return the pin. A commit is pinned, as is a spec in a folder if its lock decides what the spec leaves open.

    What a local base holds is decided by no lock; in a repository, the commit decides it.
    """
    source, tag = request.source, request.tag
    if source.where == "git":
        if COMMIT.fullmatch(tag):
            return Pin(tag, moving=False)
        return Pin(commit_of(source.origin, "" if tag == LATEST else tag), moving=True)
    spec = _read(Path(source.origin), request)
    if tag not in (LATEST, spec.image.tag):
        raise UnknownError(f"there is no tag {tag}: the tags of {request.name} are {LATEST} and {spec.image.tag}")
    return Pin(f"spec {_content(spec, place)}", moving=_is_open(spec) or _has_local_base(spec))


def specs(request: Request, pin: Pin, workshop: Workshop) -> list[Spec]:
    """Return the image for each of its platforms."""
    if request.source.where != "git":
        return _each(_read(Path(request.source.origin), request))
    tree = checkout(request.source.origin, pin.what, workshop.folder)
    spec = _read(tree, request)
    outside = next((path for path in _taken(spec) if not _lies_in(tree, spec.folder / path)), None)
    if outside:
        raise DemandError(f"{request.name} takes {outside}, which is not in its repository; commit it there")
    if _is_open(spec):
        raise DemandError(f"{request.name} has no lock at {pin.what[:12]}; run lamella lock and commit the lock")
    created = moment(tree) if spec.image.created == "git" else spec.image.created
    return _each(Spec(msgspec.structs.replace(spec.image, created=created), spec.folder, spec.file))


def _each(spec: Spec) -> list[Spec]:
    return each_platform(spec.image, spec.folder, spec.file)


def _read(folder: Path, request: Request) -> Spec:
    path = folder.joinpath(*request.packages)
    for file in (path / NAME, path.with_name(f"{path.name}.toml")):
        if file.is_file():
            return read(file)
    raise UnknownError(f"{request.source.name} has no image named {'/'.join(request.packages)}")


def _is_open(spec: Spec) -> bool:
    """Whether something is decided only at build time: it is named without a version, and there is no lock."""
    image = spec.image
    named = [
        want
        for want in image.all_taken
        if not isinstance(want, FilesWant)
        and not (isinstance(want, NixWant) and (want.graph or is_store_path(want.path)))
    ]
    return bool(named or image.base) and read_lock(lock_path(spec)) is None


def _has_local_base(spec: Spec) -> bool:
    """Whether the base is in a folder or file; no lock says which image it is."""
    return bool(spec.image.base) and not hashed_name(spec.image.base)


def _taken(spec: Spec) -> Iterator[str]:
    """Yield the paths of the files and of the local base that the spec takes."""
    yield from (want.path for want in spec.image.all_taken if isinstance(want, FilesWant))
    if _has_local_base(spec):
        yield parse_place(spec.image.base).path


def _lies_in(tree: Path, path: Path) -> bool:
    return Path(os.path.normpath(path)).is_relative_to(os.path.normpath(tree))


def _content(spec: Spec, place: Workplace) -> str:
    """Return the hash of the spec, its lock, and the files that it takes."""
    hashed = hashlib.sha256()
    for path in [*([spec.file] if spec.file else ()), lock_path(spec), *_graphs(spec)]:
        data = path.read_bytes() if path.is_file() else b""
        hashed.update(b"%d:" % len(data) + data)
    for want in spec.image.all_taken:
        if isinstance(want, FilesWant):
            at, ignore = derive.place(want), derive.left_out(want)
            path = (spec.folder / want.path).absolute()
            whole = path.resolve() if want.path.endswith("/") else path
            hashed.update(files.look_at(whole, at, ignore, place.records).content.encode())
    hashed.update(derive.moment(spec).encode())
    return hashed.hexdigest()


def _graphs(spec: Spec) -> list[Path]:
    return [spec.folder / want.graph for want in spec.image.all_taken if isinstance(want, NixWant) and want.graph]
