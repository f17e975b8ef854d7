"""Mirrors of other registries: what is pulled through them is downloaded once, and kept.

    mirrored/<repository>/_<tag>    the digest that the tag had when it was last looked up

A tag is looked up again at each pull, except for a short while after the last time; if the other registry cannot be
reached, the tag keeps its last digest. What a digest names is downloaded only if it is missing here. What nobody pulls
any more is garbage.
"""

import asyncio
import logging
import threading
from collections.abc import Iterator, Sequence
from typing import Annotated

import msgspec

from lamella import words
from lamella.cache.bucket import SharedBucket
from lamella.cache.repositories import MIRRORED, Manifest, Repository, note
from lamella.errors import LamellaError
from lamella.oci import media
from lamella.oci.digest import Digest
from lamella.oci.reference import HOST, Reference
from lamella.oci.wire import AnyManifest, Descriptor, WireError, decode
from lamella.registry.errors import CredentialError, LoginError, RegistryError
from lamella.registry.registries import Registries
from lamella.server.answers import RefusedError
from lamella.server.hot import Hot
from lamella.server.once import Once
from lamella.server.registry.registry import Permit
from lamella.server.shelf import Shelf
from lamella.server.threads import Threads
from lamella.spec import kinds
from lamella.spec.fields import Said, Value

_log = logging.getLogger("lamella.server.mirrors")

_FRESH = 15.0
_TAGS = 10_000
_BLOBS, _KEPT = 200_000, 3600.0
"""How many of the blobs that manifests name are remembered, and for how many seconds."""
_HUB = "docker.io"
_REFUSALS = {
    401: (404, "", "does not exist, or only others may pull it"),
    403: (403, "DENIED", "may not be pulled by this server"),
    404: (404, "", "does not exist"),
}
"""What is answered when the other registry refuses. Large ones answer 401 for images that do not exist."""


class Mirror(Value, frozen=True, kw_only=True):
    """A registry whose images can be pulled through this one."""

    summary = "Other registries whose images can be pulled through this one, and are kept: `HOST/hub/library/debian`."

    name: Annotated[
        str,
        Said(
            "What the names of its images start with here: `hub`.", kinds.text(pattern="^[a-z0-9]+([._-][a-z0-9]+)*$")
        ),
    ]
    origin: Annotated[
        str,
        Said("The registry: `docker.io`, `registry.example.com`, `localhost:5000`.", kinds.text(pattern=f"^{HOST}$")),
    ] = msgspec.field(name="from")


class Mirrors:
    """An origin of images for a registry. Blobs larger than `largest`, if given, are refused."""

    def __init__(
        self, bucket: SharedBucket, mirrors: Sequence[Mirror], registries: Registries, largest: int | None = None
    ) -> None:
        self._bucket = bucket
        self._largest = largest
        self._origins = {mirror.name: mirror.origin for mirror in mirrors}
        self._registries = registries
        self._fresh: Hot[tuple[str, str], Digest] = Hot(_TAGS, _FRESH, lambda _: 1)
        self._threads = Threads("mirrors")
        self._manifests: Once[tuple[str, str], Manifest | None] = Once()
        self._blobs: Once[tuple[str, str], bool] = Once()
        self._named: Hot[tuple[str, Digest], tuple[Descriptor, ...]] = Hot(_BLOBS, _KEPT, lambda named: 1 + len(named))
        self._lock = threading.Lock()

    async def manifest(self, name: str, reference: str, _permit: Permit) -> Manifest | None:
        """Return the manifest as the other registry has it, or had it when it could last be reached."""
        upstream = self._upstream(name, reference)
        if upstream is None:
            return None
        known = self._fresh.get((name, reference))
        found = await asyncio.to_thread(Repository(self._bucket, name).manifest, known) if known else None
        if found is None:
            found = await self._manifests.do(
                (name, reference), lambda: self._threads.run(self._fetched, name, upstream)
            )
        if found:
            self._fresh.put((name, reference), found.digest)
        return found

    async def blob(self, name: str, digest: Digest) -> bool:
        """Download a blob that a manifest of this repository names."""
        upstream = self._upstream(name, digest)
        if upstream is None:
            return False
        return await self._blobs.do((name, digest), lambda: self._threads.run(self._bring, name, digest, upstream))

    def _upstream(self, name: str, reference: str) -> Reference | None:
        prefix, _, rest = name.partition("/")
        origin = self._origins.get(prefix)
        if origin is None or not rest:
            return None
        return Reference(origin, f"library/{rest}" if origin == _HUB and "/" not in rest else rest, reference)

    def _fetched(self, name: str, upstream: Reference) -> Manifest | None:
        pointer = f"{MIRRORED}{note(name, upstream.name)}"
        repository = Repository(self._bucket, name)
        try:
            found = self._registries.repository(upstream).manifest(upstream.name)
        except LamellaError as error:
            last = self._bucket.get(pointer)
            kept = repository.manifest(Digest(last.decode())) if last else None
            if kept is None:
                _refuse_alike(error, upstream, "MANIFEST_UNKNOWN")
                raise
            _log.warning("%s is served as it was last known: %s", name, error)
            return kept
        if found is None:
            return None
        descriptor, data = found
        decode(data, AnyManifest, f"the manifest that {upstream} leads to")
        if not media.is_manifest(descriptor.media_type):
            raise WireError(f"{upstream} leads to {descriptor.media_type[:100]!a}, which is not a kind of manifest")
        manifest = Manifest(descriptor.digest, descriptor.media_type, data)
        repository.put_manifest(manifest)
        if ":" not in upstream.name:
            self._bucket.put(pointer, descriptor.digest.encode())
        return manifest

    def _bring(self, name: str, digest: Digest, upstream: Reference) -> bool:
        repository = Repository(self._bucket, name)
        blob = next((one for one in self._named_by(repository) if one.digest == digest), None)
        if blob is None:
            return False
        if self._largest is not None and blob.size > self._largest:
            most = words.size(self._largest)
            raise RefusedError(403, "DENIED", f"{digest} has {words.size(blob.size)}; the limit here is {most}")
        shelf = Shelf(repository)
        if not shelf.has(blob):
            source = self._registries.repository(upstream)
            try:
                shelf.put(blob, lambda sink: source.read_blob(blob, sink))
            except RegistryError as error:
                _refuse_alike(error, upstream, "BLOB_UNKNOWN")
                raise
        return True

    def _named_by(self, repository: Repository) -> Iterator[Descriptor]:
        """Yield the blobs that the manifests of a repository name. Each manifest is read only once."""
        for digest in repository.manifests():
            with self._lock:
                named = self._named.get((repository.name, digest))
            manifest = repository.manifest(digest) if named is None else None
            if manifest:
                told = decode(manifest.data, AnyManifest, f"{repository.name} {digest}")
                named = (*([told.config] if told.config else []), *told.layers)
                with self._lock:
                    self._named.put((repository.name, digest), named)
            yield from named or ()


def _refuse_alike(error: LamellaError, upstream: Reference, unknown: str) -> None:
    """Raise a refusal for clients if the other registry refused. Only our log says with which login."""
    refusal = _REFUSALS.get(error.status) if isinstance(error, RegistryError) else None
    has_login = isinstance(error, CredentialError)
    if has_login and (refusal is None or isinstance(error, LoginError)):
        why = f"this server cannot log in to {upstream.registry}"
        _log.error("%s: %s", why, error)
        raise RefusedError(502, "UNAVAILABLE", f"{why}; its log says more") from error
    if refusal:
        _log.warning("%s", error)
        status, code, why = refusal
        detail = "" if has_login else str(error).partition("; ")[0]
        raise RefusedError(status, code or unknown, f"{upstream} {why}", detail) from error
