"""Store paths that this machine's store does not have: downloads their NARs from caches, and reads these directly."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import msgspec

from lamella.oci.digest import DigestError
from lamella.oci.image import Buffer
from lamella.package import Entry, Kind, Package
from lamella.pipeline.outside import needed
from lamella.pipeline.packages.caches import AT_ONCE, Caches, Told, caches_of, forget, remember, remembered
from lamella.pipeline.workplace import Workplace
from lamella.sources.nix import nar
from lamella.sources.nix.graph import NixError, closure_of, content_of, is_store_path
from lamella.sources.nix.nar import Recipe
from lamella.sources.spool import decompress
from lamella.staging import explained
from lamella.transport.downloads import Wanted
from lamella.transport.errors import GoneError


def as_nar(package: Package, place: Workplace) -> Package:
    """Return the package, with its NAR if the store here does not have it."""
    return package if os.path.lexists(package.path) else nar_of(package, place)


def nar_of(package: Package, place: Workplace) -> Package:
    """Return the package, with its NAR if one is known."""
    told = _told(package, place)
    if told is None:
        return package
    info = told.info
    kept = needed(place.outside, package.id).downloads.path(info.file_hash)
    recipe = Recipe(file=str(kept), compression=info.compression, nar_hash=info.nar_hash, nar_size=info.nar_size)
    return replace(package, how=msgspec.json.encode(recipe).decode())


def is_kept(package: Package, place: Workplace) -> bool:
    """Whether the store here has the package, or its NAR is downloaded."""
    if os.path.lexists(package.path):
        return True
    told = _told(package, place) if place.outside else None
    return told is not None and Path(needed(place.outside, package.id).downloads.path(told.info.file_hash)).exists()


def fetch_nars(packages: Sequence[Package], addresses: Sequence[str], place: Workplace) -> None:
    """Download the NARs of `packages`. Their hashes are known, so no cache has to be trusted."""
    caches = caches_of(addresses, (), place)
    try:
        _fetch(packages, caches, place)
    except GoneError:  # what is remembered of a cache may be outdated
        for package in packages:
            forget(package.path, place)
        _fetch(packages, caches, place)


def _fetch(packages: Sequence[Package], caches: Caches, place: Workplace) -> None:
    downloads = needed(place.outside, packages[0].id).downloads
    with ThreadPoolExecutor(AT_ONCE) as pool:
        told = list(pool.map(lambda one: caches.find(one.path), packages))
    right = [_right(package, one, caches.names) for package, one in zip(packages, told, strict=True)]
    found = [one if one.info.file_hash else _unpacked(one, caches, place) for one in right]
    urls = {one.info.file_hash: [caches.url(one)] for one in found}
    wanted = [Wanted(one.info.path.rpartition("/")[2][33:], one.info.file_hash, one.info.file_size) for one in found]
    downloads.fetch(wanted, lambda lost: {one.sha256: urls[one.sha256] for one in lost})


def _told(package: Package, place: Workplace) -> Told | None:
    """What is remembered of the NAR with exactly this package's content."""
    told = remembered(package.path, place)
    return told if told and content_of(package.path, told.info.nar_hash) == package.content else None


def _right(package: Package, told: Told | None, names: str) -> Told:
    if told is None:
        asked = f"none of {names} has it" if names else "no cache is named in [store]"
        raise NixError(f"{package.path} is not in this machine's store, and {asked}")
    if content_of(package.path, told.info.nar_hash) != package.content:
        raise DigestError(f"{told.cache} has a different {package.path} than expected; it is not used")
    return told


def _unpacked(told: Told, caches: Caches, place: Workplace) -> Told:
    """Download a NAR whose compressed file has no known hash, and keep it uncompressed."""
    info = told.info
    downloads = needed(place.outside, info.path).downloads
    target = downloads.path(info.nar_hash)
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".", dir=target.parent) as staging:
            packed, plain = Path(staging, "packed"), Path(staging, "nar")
            with packed.open("wb") as out:
                caches.fetcher.download(caches.url(told), out.write)
            hashed = hashlib.sha256()
            with packed.open("rb") as source, plain.open("wb") as out:

                def put(data: Buffer) -> None:
                    hashed.update(data)
                    out.write(data)

                decompress(source, info.compression, put, info.nar_size, info.path)
            if hashed.hexdigest() != info.nar_hash:
                raise DigestError(f"the NAR of {info.path} in {told.cache} does not match its hash; it is not used")
            plain.rename(target)
    kept = msgspec.structs.replace(info, compression="none", file_hash=info.nar_hash, file_size=info.nar_size)
    return remember(Told(told.cache, kept), place)


def pulled(words: Sequence[str], addresses: Sequence[str], keys: Sequence[str], place: Workplace) -> list[Package]:
    """Download the NARs of the closure of store paths, and return its packages."""
    wrong = next((word for word in words if not is_store_path(word)), "")
    if wrong:
        raise NixError(f"{wrong!r} is not a path of the Nix store")
    paths = caches_of(addresses, keys, place).closure(words)
    found = list(closure_of(paths, words, place.records).packages)
    fetch_nars(found, addresses, place)
    return found


def unpack_below(packages: Sequence[Package], folder: Path, place: Workplace) -> None:
    """Unpack the files of `packages` below `folder`; existing paths are left as they are."""
    for package in packages:
        target = folder / package.path.lstrip("/")
        if os.path.lexists(target):
            continue
        with explained(target, "cannot write"):
            target.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".", dir=target.parent) as staging:
                made = Path(staging, target.name)
                for entry in nar.entries(replace(nar_of(package, place), at=os.fspath(made))):
                    _make(entry)
                made.rename(target)


def _make(entry: Entry) -> None:
    path = Path(os.fsdecode(entry.path))
    if entry.kind is Kind.SYMLINK:
        path.symlink_to(os.fsdecode(entry.target))
        return
    if entry.kind is Kind.DIRECTORY:
        path.mkdir()
        return
    assert callable(entry.content)
    with path.open("wb") as out, entry.content() as source:
        shutil.copyfileobj(source, out, 1 << 20)
    path.chmod(entry.mode)
