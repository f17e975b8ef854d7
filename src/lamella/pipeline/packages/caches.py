"""Binary caches of Nix: which there are, what they tell of paths, and where the files are."""

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
from lamella.transport.errors import TransportError
from lamella.transport.fetch import Fetcher, GoneError
from lamella.transport.home import home

AT_ONCE = 16
_TRUSTED = "trusted=1"


class Told(msgspec.Struct, frozen=True, array_like=True):
    """What a cache tells of a path. The cache is named without what may be secret in its address."""

    cache: str
    info: NarInfo


@dataclass(frozen=True)
class Caches:
    """Caches in the order in which they are asked, and who may vouch for what they tell."""

    addresses: Sequence[str]
    keys: Sequence[str]
    fetcher: Fetcher
    place: Workplace

    @property
    def names(self) -> str:
        """The caches, for people."""
        return ", ".join(map(_named, self.addresses))

    def find(self, path: str) -> Told | None:
        """What is told of a path by the first cache that has it; what is remembered is believed.

        A cache that cannot be reached counts as one that has nothing, as long as another has it.
        """
        known = remembered(path, self.place)
        if known and known.cache in map(_named, self.addresses):
            return known
        failed: TransportError | None = None
        for address in self.addresses:
            try:
                text = self.fetcher.document(below(address, narinfo_name(path)))
            except GoneError:
                continue
            except TransportError as error:
                failed = failed or error
                continue
            info = parse(text.decode("utf-8", "replace"), path, _named(address))
            return remember(Told(_named(address), info), self.place)
        if failed:
            raise failed
        return None

    def url(self, told: Told) -> str:
        """Where the NAR is."""
        return next(below(one, told.info.url) for one in self.addresses if _named(one) == told.cache)

    def closure(self, roots: Sequence[str]) -> list[LockedPath]:
        """All that these paths refer to, asked for in parallel; what nobody vouches for is refused."""
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
            raise NixError(f"no cache that is asked has {path} ({self.names or 'there is none'})")
        free = {_named(address) for address in self.addresses if _TRUSTED in urlsplit(address).query}
        if told.cache not in free and not keys.vouch_for(told.info):
            signers = ", ".join(sorted(one.partition(":")[0] for one in told.info.signatures)) or "nobody"
            raise NixError(
                f"{told.cache} has {path} signed by {signers}, and by no key that is trusted; name one in [store] keys"
            )
        info = told.info
        return LockedPath(path=path, nar_hash=info.nar_hash, size=info.nar_size, references=info.references)


def remembered(path: str, place: Workplace) -> Told | None:
    """What a cache told of a path before."""
    return place.records.read(_record(path), Told)


def remember(told: Told, place: Workplace) -> Told:
    """Keeps what a cache told."""
    place.records.write(_record(told.info.path), told)
    return told


def forget(path: str, place: Workplace) -> None:
    """What was told of a path is not so any more."""
    place.records.bucket.delete(_record(path))


def _record(path: str) -> str:
    return f"narinfo/{path.rpartition('/')[2]}"


def caches_of(addresses: Sequence[str], keys: Sequence[str], place: Workplace) -> Caches:
    """The caches that are named; else those of the environment, or of Nix's configuration."""
    outside = needed(place.outside, "a cache of Nix packages")
    environment = outside.registries.environment
    nix = _configuration(environment)
    told = addresses or environment.get("LAMELLA_NIX_CACHES", "").split() or _all(nix, "substituters")
    trusted = keys or environment.get("LAMELLA_NIX_KEYS", "").split() or _all(nix, "trusted-public-keys")
    return Caches([one for one in told if _is_known(one)], trusted, outside.downloads.fetcher, place)


def _is_known(address: str) -> bool:
    return urlsplit(address).scheme in KINDS


def _named(address: str) -> str:
    """An address, without name, password, and what says how to reach it; but for buckets, which are found by that."""
    parts = urlsplit(address)
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2], query=parts.query if parts.scheme == S3 else "")
    return bare.geturl().rstrip("/")


def _configuration(environment: Mapping[str, str]) -> dict[str, list[str]]:
    """What nix.conf says, the machine's and then the user's."""
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
