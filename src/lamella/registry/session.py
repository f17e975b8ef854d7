"""One upload as the registry sees it: where it continues, and how many bytes have arrived."""

import contextlib
import re
from urllib.parse import urlencode

from lamella.oci.digest import Digest
from lamella.oci.image import Body, Sink
from lamella.registry.errors import CredentialError, RegistryError
from lamella.registry.messages import Answer, Ask
from lamella.registry.repository import Repository
from lamella.registry.tokens import pull, push

_OCTETS = {"Content-Type": "application/octet-stream"}
_NOT_OURS = (401, 403)
_MOST_HELD = 64 << 20
"""The largest chunk that is kept in memory for a registry that takes no smaller ones."""
_RANGE = re.compile(r"(?:bytes=)?0-(\d{1,18})")


class Session:
    """An upload to `repository`, which errors call `what`. `offset` is how many bytes the registry has."""

    def __init__(self, repository: Repository, what: str) -> None:
        self._repository = repository
        self._what = f"{what} in {repository.name}"
        self._scopes = [push(repository.name)]
        self._url = ""
        self.offset = 0
        self.least = 0
        """How many bytes a chunk must have at least, except the last one."""

    def mount(self, digest: Digest, source: str) -> bool:
        """Mount the blob from the repository `source`; False if that fails, and then the session may be open."""
        query = urlencode({"mount": digest, "from": source})
        scopes = [*self._scopes, pull(source)]
        self.cancel()
        ask = Ask("POST", f"{self._uploads}?{query}", f"a mount of {digest} from {source}", scopes)
        try:
            answer = self._repository.host.ask(ask, (201, 202, 404, 405))
        except RegistryError as error:
            if error.status in _NOT_OURS or isinstance(error, CredentialError):
                return False
            raise
        if answer.status == 202:
            self._opened(answer)
        return answer.status == 201

    def open(self) -> None:
        """Begin the upload, unless it is open."""
        if not self._url:
            self._opened(self._repository.host.ask(self._ask("POST", self._uploads), (202,)))

    @property
    def is_open(self) -> bool:
        """Whether the registry still has this upload, as far as we know."""
        return bool(self._url)

    def find(self) -> None:
        """Ask the registry where to continue; an upload that it has forgotten starts over."""
        if not self._url:
            return
        answer = self._repository.host.ask(self._ask("GET", self._url), (204, 200, 202, 404, 405, 416))
        if answer.status in (200, 202, 204) and answer.header("Range"):
            self._note(answer, 0)
        else:
            self._forget()

    def patch(self, data: memoryview) -> None:
        """Send the next bytes."""
        start = self.offset
        headers = {**_OCTETS, "Content-Range": f"{start}-{start + len(data) - 1}"}

        def give(send: Sink) -> None:
            send(data)

        ask = Ask("PATCH", self._url, self._what, self._scopes, headers, give=give, length=len(data), repeatable=False)
        self._note(self._repository.host.ask(ask, (201, 202, 204)), start + len(data))

    def stream(self, give: Body) -> None:
        """Send bytes without announcing how many; afterwards `offset` is 0 if the registry does not report it."""
        ask = Ask("PATCH", self._url, self._what, self._scopes, _OCTETS, give=give, length=None, repeatable=False)
        self._note(self._repository.host.ask(ask, (201, 202, 204)), 0)

    def finish(self, digest: Digest, body: Body | None = None, size: int = 0) -> None:
        """Finish the upload; if a `body` is given, all bytes are in this request."""
        url = self._url + ("&" if "?" in self._url else "?") + urlencode({"digest": digest})
        ask = Ask("PUT", url, self._what, self._scopes, _OCTETS, give=body, length=size, repeatable=body is None)
        self._repository.host.ask(ask, (201, 204))
        self._forget()

    def cancel(self) -> None:
        """Cancel the upload. A registry that ignores this expires the upload by itself."""
        if self._url:
            ask = Ask("DELETE", self._url, "the end of an upload", self._scopes, repeatable=False)
            with contextlib.suppress(RegistryError):
                self._repository.host.ask(ask, range(200, 500))
        self._forget()

    def _forget(self) -> None:
        self._url = ""
        self.offset = 0

    def _opened(self, answer: Answer) -> None:
        where = answer.header("Location")
        if not where:
            raise RegistryError(f"{self._repository.host.name} begins an upload but does not say where")
        self._note(answer, 0)
        self.offset = 0
        least = answer.header("OCI-Chunk-Min-Length")
        self.least = min(int(least[:12]), _MOST_HELD) if least.isascii() and least.isdigit() else 0

    def _note(self, answer: Answer, assumed: int) -> None:
        """Note where the upload continues. `0-0` may mean one byte or none, so what was `assumed` decides."""
        where = answer.header("Location")
        if where:
            self._url = self._repository.host.joined(answer.url, where)
        told = _RANGE.fullmatch(answer.header("Range"))
        self.offset = (int(told[1]) + 1 if told[1] != "0" else min(assumed, 1)) if told else assumed

    def _ask(self, method: str, url: str) -> Ask:
        return Ask(method, url, self._what, self._scopes)

    @property
    def _uploads(self) -> str:
        return self._repository.url("blobs", "uploads/")
