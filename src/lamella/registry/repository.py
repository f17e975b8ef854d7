"""A repository in a registry: blobs, manifests and tags, as the OCI distribution specification 1.1 has them."""

import http.client
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlencode, urljoin

from lamella.oci import media
from lamella.oci.digest import Digest, DigestError, encoded, hasher, is_digest_of, parse_digest, sha256
from lamella.oci.image import Sink
from lamella.oci.wire import Descriptor, Index, decode
from lamella.registry.errors import RegistryError
from lamella.registry.host import TRIES, Ask, Host, Lost
from lamella.registry.tokens import delete, pull, push

_LONGEST_MANIFEST = 4 << 20
_BLOCK = 1 << 20
_ACCEPT = ", ".join(sorted(media.MANIFESTS | media.INDEXES))
_PER_PAGE = 1000


@dataclass(frozen=True)
class Repository:
    """The repository `name` of `host`."""

    host: Host
    name: str

    def has_blob(self, digest: Digest) -> int | None:
        """The blob's size if it is there."""
        ask = Ask("HEAD", self._url("blobs", digest), f"a look for {digest}", [pull(self.name)])
        answer = self.host.ask(ask, (200, 404))
        return int(answer.headers.get("Content-Length") or 0) if answer.status == 200 else None

    def read_blob(self, blob: Descriptor, sink: Sink) -> None:
        """The blob's bytes. What a lost connection leaves is asked for again; damage is found out before the end."""
        hashed = hasher(blob.digest)
        done = 0
        tries = 0

        def take(response: http.client.HTTPResponse, _url: str) -> None:
            nonlocal done
            if response.status == 200 and done:
                _skip(response, done)
            while block := response.read(_BLOCK):
                if done + len(block) > blob.size:
                    raise RegistryError(f"{self} gives more than the {blob.size} bytes of {blob.digest}")
                hashed.update(block)
                done += len(block)
                sink(block)

        while done < blob.size:
            headers = {"Range": f"bytes={done}-"} if done else {}
            ask = Ask("GET", self._url("blobs", blob.digest), f"the blob {blob.digest}", [pull(self.name)], headers)
            before = done
            try:
                self.host.read(ask, (200, 206) if done else (200,), take)
            except RegistryError as error:
                if not isinstance(error.__cause__, Lost):
                    raise
            tries = 0 if done > before else tries + 1
            if tries == TRIES:
                raise RegistryError(f"{self} ends {blob.digest} after {done} of {blob.size} bytes, again and again")
        if hashed.hexdigest() != encoded(blob.digest):
            raise DigestError(f"what {self} gives as {blob.digest} is something else")

    def mount(self, digest: Digest, source: str) -> bool:
        """Whether the blob is here now because the repository `source` of the same registry has it."""
        query = urlencode({"mount": digest, "from": source})
        scopes = [push(self.name), pull(source)]
        ask = Ask("POST", f"{self._url('blobs', 'uploads/')}?{query}", f"a mount of {digest} from {source}", scopes)
        answer = self.host.ask(ask, (201, 202, 401, 403, 404))
        where = answer.headers.get("Location")
        if answer.status == 202 and where:
            self._cancel(urljoin(answer.url, where))
        return answer.status == 201

    def manifest(self, reference: str) -> tuple[Descriptor, bytes] | None:
        """What is there under a tag or digest, checked against the digest; None if nothing is."""
        ask = Ask("GET", self._url("manifests", reference), f"{self.name}:{reference}", [pull(self.name)], _accept())
        answer = self.host.ask(ask, (200, 404))
        if answer.status == 404:
            return None
        data = answer.body
        if len(data) > _LONGEST_MANIFEST:
            raise RegistryError(f"{self} has a manifest of {len(data)} bytes under {reference}; nobody takes that")
        told = reference if ":" in reference else answer.headers.get("Docker-Content-Digest") or sha256(data)
        if not is_digest_of(parse_digest(told), data):
            raise DigestError(f"{self} says that {reference} is {told}, and gives something else")
        kind = (answer.headers.get("Content-Type") or "").partition(";")[0].strip()
        return Descriptor(media_type=_kind_of(data, kind), digest=Digest(told), size=len(data)), data

    def has_manifest(self, reference: str) -> bool:
        """Whether a manifest is there."""
        ask = Ask("HEAD", self._url("manifests", reference), f"a look for {reference}", [pull(self.name)], _accept())
        return self.host.ask(ask, (200, 404)).status == 200

    def put_manifest(self, reference: str, media_type: str, data: bytes) -> None:
        """Stores a manifest under a tag or under its digest."""
        headers = {"Content-Type": media_type}
        url = self._url("manifests", reference)
        ask = Ask("PUT", url, f"the manifest {self.name}:{reference}", [push(self.name)], headers, data)
        answer = self.host.ask(ask, (201, 202, 200))
        told = answer.headers.get("Docker-Content-Digest")
        if told and not is_digest_of(parse_digest(told), data):
            raise DigestError(f"{self} took the manifest {reference} for {told}, which it is not")

    def tags(self) -> Iterator[str]:
        """All tags."""
        first = f"{self._url('tags', 'list')}?n={_PER_PAGE}"
        for page in self._pages(first, f"the tags of {self.name}"):
            found = json.loads(page).get("tags") or []
            yield from (tag for tag in found if isinstance(tag, str))

    def referrers(self, digest: Digest) -> Sequence[Descriptor]:
        """Manifests that speak of `digest`; an older registry keeps them under a tag that is made of it."""
        ask = Ask("GET", self._url("referrers", digest), f"what refers to {digest}", [pull(self.name)])
        answer = self.host.ask(ask, (200, 400, 404, 405))
        if answer.status == 200:
            return decode(answer.body, Index, f"the referrers of {digest}").manifests
        found = self.manifest(digest.replace(":", "-"))
        return decode(found[1], Index, f"the referrers of {digest}").manifests if found else ()

    def delete_manifest(self, reference: str) -> bool:
        """Removes a manifest or a tag; False if it was not there."""
        return self._delete("manifests", reference)

    def delete_blob(self, digest: Digest) -> bool:
        """Removes a blob; False if it was not there."""
        return self._delete("blobs", digest)

    def _delete(self, kind: str, reference: str) -> bool:
        ask = Ask("DELETE", self._url(kind, reference), f"to remove {reference}", [delete(self.name)])
        return self.host.ask(ask, (200, 202, 204, 404)).status != 404

    def _pages(self, url: str, what: str) -> Iterator[bytes]:
        seen: set[str] = set()
        while url and url not in seen:
            seen.add(url)
            answer = self.host.ask(Ask("GET", url, what, [pull(self.name)]), (200,))
            yield answer.body
            link = re.search(r'<([^>]*)>\s*;[^,]*\brel="?next"?', answer.headers.get("Link") or "")
            url = urljoin(answer.url, link[1]) if link else ""

    def _cancel(self, url: str) -> None:
        """Gives up an upload that was begun."""
        ask = Ask("DELETE", url, "to give up an upload", [push(self.name)])
        self.host.read(ask, tuple(range(200, 500)), lambda *_: None)

    def _url(self, kind: str, rest: str) -> str:
        return f"/v2/{quote(self.name)}/{kind}/{quote(rest, safe=':/')}"

    def __str__(self) -> str:
        return f"{self.host.name}/{self.name}"


def _accept() -> dict[str, str]:
    return {"Accept": _ACCEPT}


def _kind_of(data: bytes, told: str) -> str:
    """The media type of a manifest: what it says itself, or else how it came."""
    try:
        own = json.loads(data).get("mediaType")
    except (ValueError, AttributeError, RecursionError):
        own = None
    return own if isinstance(own, str) and own else told


def _skip(response: http.client.HTTPResponse, count: int) -> None:
    """Passes over what was read before, where a registry knows no ranges."""
    while count and (block := response.read(min(count, _BLOCK))):
        count -= len(block)
