"""Binary caches of Nix: which ones are used, what they say about paths, and where the files are."""

import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from lamella.oci.image import Steps
from lamella.pipeline.outside import needed
from lamella.pipeline.workplace import Workplace
from lamella.sources.locked import LockedPath
from lamella.sources.nix.graph import NixError
from lamella.sources.nix.narinfo import NarInfo, PublicKeys, narinfo_name, parse
from lamella.transport.depot import KINDS, S3, below
from lamella.transport.errors import ForbiddenError, GoneError, TransportError
from lamella.transport.fetch import Fetcher
from lamella.transport.home import home

AT_ONCE = 16
_TRUSTED = "trusted=1"


class Told(msgspec.Struct, frozen=True, array_like=True):
    """What a cache says about a path. The cache's address is stored without anything that may be secret."""

    cache: str
    info: NarInfo


@dataclass(frozen=True)
class Caches:
    """Caches in the order in which they are asked, and the keys that are trusted."""

    addresses: Sequence[str]
    keys: Sequence[str]
    fetcher: Fetcher
    place: Workplace

    @property
    def names(self) -> str:
        """The caches, for messages."""
        return ", ".join(map(_named, self.addresses))

    def find(self, path: str) -> Told | None:
        """Return what the first cache that has the path says about it, or what is remembered.

        A cache that cannot be reached or read is skipped, as long as another one has the path.
        """
        known = remembered(path, self.place)
        if known and known.cache in map(_named, self.addresses):
            return known
        failed: TransportError | None = None
        for address in self.addresses:
            try:
                text = self.fetcher.document(below(address, narinfo_name(path)))
            except TransportError as error:
                if isinstance(error, ForbiddenError) or not isinstance(error, GoneError):
                    failed = failed or error
                continue
            info = parse(text.decode("utf-8", "replace"), path, _named(address))
            return remember(Told(_named(address), info), self.place)
        if failed:
            raise failed
        return None

    def url(self, told: Told) -> str:
        """Return the address of the NAR."""
        return next(below(one, told.info.url) for one in self.addresses if _named(one) == told.cache)

    def closure(self, roots: Sequence[str]) -> list[LockedPath]:
        """Return everything that these paths refer to, asking in parallel; refuse paths without a trusted signature."""
        keys = PublicKeys(self.keys)
        found: dict[str, LockedPath] = {}
        waiting = set(roots)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            while waiting:
                batch = sorted(waiting)
                for path, told in zip(batch, pool.map(self.find, batch), strict=True):
                    found[path] = self._believed(path, told, keys)
                waiting = {name for path in batch for name in found[path].references} - set(found)
                self.place.progress(Steps("asking caches"), len(found), len(found) + len(waiting))
        return list(found.values())

    def _believed(self, path: str, told: Told | None, keys: PublicKeys) -> LockedPath:
        if told is None:
            raise NixError(f"no cache has {path} (asked: {self.names or 'none'})")
        free = {_named(address) for address in self.addresses if _TRUSTED in urlsplit(address).query}
        if told.cache not in free and not keys.vouch_for(told.info):
            signers = ", ".join(sorted(one.partition(":")[0] for one in told.info.signatures)) or "nobody"
            raise NixError(
                f"{told.cache} has {path} signed by {signers}, but not by a trusted key; add one to keys in [store]"
            )
        info = told.info
        return LockedPath(path=path, nar_hash=info.nar_hash, size=info.nar_size, references=info.references)


def remembered(path: str, place: Workplace) -> Told | None:
    """Return what a cache has said about a path."""
    return place.records.read(_record(path), Told)


def remember(told: Told, place: Workplace) -> Told:
    """Remember what a cache says, and return it."""
    place.records.write(_record(told.info.path), told)
    return told


def forget(path: str, place: Workplace) -> None:
    """Forget what a cache has said about a path."""
    place.records.bucket.delete(_record(path))


def _record(path: str) -> str:
    return f"narinfo/{path.rpartition('/')[2]}"


def caches_of(addresses: Sequence[str], keys: Sequence[str], place: Workplace) -> Caches:
    """Return the caches that are named, or else those of the environment or of Nix's configuration."""
    outside = needed(place.outside, "a cache of Nix packages")
    environment = outside.registries.environment
    nix = _configuration(environment)
    told = addresses or environment.get("LAMELLA_NIX_CACHES", "").split() or _all(nix, "substituters")
    trusted = keys or environment.get("LAMELLA_NIX_KEYS", "").split() or _all(nix, "trusted-public-keys")
    return Caches([one for one in told if _is_known(one)], trusted, outside.downloads.fetcher, place)


def _is_known(address: str) -> bool:
    return urlsplit(address).scheme in KINDS


def _named(address: str) -> str:
    """An address without user name, password and query; buckets keep the query, which is needed to find them."""
    parts = urlsplit(address)
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2], query=parts.query if parts.scheme == S3 else "")
    return bare.geturl().rstrip("/")


def _configuration(environment: Mapping[str, str]) -> dict[str, list[str]]:
    """The settings in nix.conf, the machine's and then the user's, and in NIX_CONFIG."""
    folder = environment.get("NIX_CONF_DIR") or "/etc/nix"
    files = [Path(folder, "nix.conf"), home(environment) / ".config" / "nix" / "nix.conf"]
    texts = [file.read_text("utf-8", "replace") for file in files if file.is_file() and os.access(file, os.R_OK)]
    found: dict[str, list[str]] = {}
    for line in "\n".join([*texts, environment.get("NIX_CONFIG", "")]).splitlines():
        name, equals, value = line.partition("#")[0].partition("=")
        if equals:
            found[name.strip()] = value.split()
    return found


def _all(nix: Mapping[str, Iterable[str]], name: str) -> list[str]:
    return [*nix.get(name, ()), *nix.get(f"extra-{name}", ())]
