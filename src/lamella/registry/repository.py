"""A repository in a registry: blobs, manifests and tags, as in the OCI distribution specification 1.1."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

from lamella.oci import media
from lamella.oci.digest import Digest, DigestError, encoded, hasher, is_digest_of, parse_digest, sha256
from lamella.oci.image import Sink
from lamella.oci.wire import Descriptor, kind_of
from lamella.registry.errors import RegistryError
from lamella.registry.host import Host
from lamella.registry.messages import Answer, Ask
from lamella.registry.tokens import delete, pull, push
from lamella.transport.connections import Response
from lamella.transport.retry import TRIES

_LONGEST_MANIFEST = 4 << 20
_BLOCK = 1 << 20
_ENOUGH = len("sha256:0123456789ab")
"""Characters of a digest that tell blobs apart in a message."""
_ACCEPT = {"Accept": ", ".join(sorted(media.MANIFESTS | media.INDEXES))}
_PER_PAGE = 1000
_MOST_PAGES = 10_000
_LINK = re.compile(r"<([^<>]*)>([^<>]*)")
_IS_NEXT = re.compile(r';\s*rel\s*=\s*"?next\b', re.IGNORECASE)


@dataclass(frozen=True)
class Repository:
    """The repository `name` of `host`."""

    host: Host
    name: str

    def has_blob(self, digest: Digest, size: int) -> bool:
        """Whether the blob exists and has that size; not every registry reports the size."""
        what = f"a check for {digest[:_ENOUGH]} in {self.name}"
        ask = Ask("HEAD", self.url("blobs", digest), what, [pull(self.name)])
        answer = self.host.ask(ask, (200, 404))
        return answer.status == 200 and answer.header("Content-Length") in ("", str(size))

    def read_blob(self, blob: Descriptor, sink: Sink) -> None:
        """Push the blob's bytes to `sink`. Lost connections are resumed; damage is detected before this returns."""
        hashed = hasher(blob.digest)
        buffer = memoryview(bytearray(min(_BLOCK, max(blob.size, 1))))
        done = 0
        tries = 0

        def take(response: Response, _url: str) -> None:
            nonlocal done
            before = done if response.status == 200 else 0
            while count := response.readinto(buffer):
                block = buffer[:count][before:]
                before -= min(before, count)
                if done + len(block) > blob.size:
                    raise RegistryError(f"{self} gives more than the {blob.size} bytes of {blob.digest}")
                hashed.update(block)
                done += len(block)
                sink(block)

        while done < blob.size:
            started, failed = done, None
            headers = {"Range": f"bytes={done}-"} if done else {}
            what = f"the blob {blob.digest} of {self.name}"
            ask = Ask("GET", self.url("blobs", blob.digest), what, [pull(self.name)], headers, repeatable=False)
            try:
                self.host.read(ask, (200, 206) if done else (200,), take)
            except RegistryError as error:
                if not error.passing:
                    raise
                failed = error
            if done < blob.size:
                tries = 1 if done - started >= _BLOCK else tries + 1
                if tries == TRIES:
                    raise failed or RegistryError(
                        f"{self} stops sending {blob.digest} after {done} of {blob.size} bytes"
                    )
                self.host.wait(tries, failed.retry_after if failed else "")
        if hashed.hexdigest() != encoded(blob.digest):
            raise DigestError(f"what {self} sends as {blob.digest} is something else")

    def manifest(self, reference: str) -> tuple[Descriptor, bytes] | None:
        """The manifest under a tag or digest, checked against its digest; None if there is none."""
        ask = Ask("GET", self.url("manifests", reference), self._spelled(reference), [pull(self.name)], _ACCEPT)
        answer = self.host.ask(ask, (200, 404))
        if answer.status == 404:
            return None
        data = answer.body
        if len(data) > _LONGEST_MANIFEST:
            raise RegistryError(f"{self} has a manifest of {len(data)} bytes under {reference}, which is too large")
        told = reference if ":" in reference else answer.header("Docker-Content-Digest") or sha256(data)
        if not is_digest_of(parse_digest(told), data):
            raise DigestError(f"{self} says that {reference} is {told}, but sends something else")
        kind = answer.header("Content-Type").partition(";")[0].strip()
        return Descriptor(media_type=kind_of(data, kind), digest=Digest(told), size=len(data)), data

    def has_manifest(self, reference: str) -> bool:
        """Whether a manifest exists."""
        answer = self._head(reference)
        told = answer.header("Docker-Content-Digest")
        return answer.status == 200 and (":" not in reference or told in ("", reference))

    def digest_of(self, tag: str) -> str:
        """The digest of the manifest under a tag; empty if there is none, or the registry does not report it."""
        answer = self._head(tag)
        return answer.header("Docker-Content-Digest") if answer.status == 200 else ""

    def _head(self, reference: str) -> Answer:
        what = f"a check for {self._spelled(reference)}"
        ask = Ask("HEAD", self.url("manifests", reference), what, [pull(self.name)], _ACCEPT)
        return self.host.ask(ask, (200, 404))

    def put_manifest(self, reference: str, media_type: str, data: bytes) -> Answer:
        """Store a manifest under a tag or under its digest."""
        what = f"the manifest {self._spelled(reference)}"
        headers = {"Content-Type": media_type}
        ask = Ask("PUT", self.url("manifests", reference), what, [push(self.name)], headers, data)
        answer = self.host.ask(ask, (201, 202))
        told = answer.header("Docker-Content-Digest")
        if told and not is_digest_of(parse_digest(told), data):
            raise DigestError(f"{self} stored the manifest {reference} as {told}, which is not its digest")
        return answer

    def tags(self) -> Iterator[str]:
        """All tags."""
        what = f"the tags of {self.name}"
        url = f"{self.url('tags', 'list')}?n={_PER_PAGE}"
        for page in self.pages(self.host.ask(Ask("GET", url, what, [pull(self.name)]), (200,)), what):
            try:
                found = json.loads(page)["tags"] or []
                yield from [str(tag) for tag in found]
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                raise RegistryError(f"{self.host.name} gives an unreadable answer for {what}") from error

    def delete_manifest(self, reference: str) -> bool:
        """Remove a manifest or a tag; return False if it did not exist."""
        return self._delete("manifests", reference)

    def delete_blob(self, digest: Digest) -> bool:
        """Remove a blob; return False if it did not exist."""
        return self._delete("blobs", digest)

    def _delete(self, kind: str, reference: str) -> bool:
        what = f"the removal of {self._spelled(reference)}"
        ask = Ask("DELETE", self.url(kind, reference), what, [delete(self.name)])
        return self.host.ask(ask, (200, 202, 204, 404)).status != 404

    def pages(self, answer: Answer, what: str) -> Iterator[bytes]:
        """Yield the pages of a list, following each page's link to the next one until there is no new one."""
        seen = {answer.url}
        for _ in range(_MOST_PAGES):
            yield answer.body
            url = self._next(answer)
            if not url or url in seen:
                return
            seen.add(url)
            answer = self.host.ask(Ask("GET", url, what, [pull(self.name)]), (200,))
        raise RegistryError(f"{self.host.name} gives page after page of {what}, without an end")

    def _next(self, answer: Answer) -> str:
        links = _LINK.finditer(", ".join(answer.headers.get_all("Link") or ()))
        where = next((link[1] for link in links if _IS_NEXT.search(link[2])), "")
        return self.host.joined(answer.url, where) if where else ""

    def url(self, kind: str, rest: str) -> str:
        """The path of something of this `kind`."""
        return f"/v2/{quote(self.name)}/{kind}/{quote(rest, safe=':/')}"

    def _spelled(self, reference: str) -> str:
        return f"{self.name}@{reference[:_ENOUGH]}" if ":" in reference else f"{self.name}:{reference}"

    def __str__(self) -> str:
        return f"{self.host.name}/{self.name}"
