"""What is asked of a registry, and what it answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.message import Message

from lamella.oci.image import Body


@dataclass(frozen=True)
class Ask:
    """A request. Errors call it `what`; `give` pushes a body of `length` bytes, or in chunks if that is None.

    A request that is not `repeatable` is sent once: after a failure the caller must first find out what became of it.
    """

    method: str
    url: str
    what: str
    scopes: Sequence[str] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    give: Body | None = None
    length: int | None = 0
    repeatable: bool = True


@dataclass(frozen=True)
class Answer:
    """An answer that was read completely."""

    status: int
    headers: Message
    body: bytes
    url: str

    def header(self, name: str) -> str:
        """A header's value; empty if it is missing."""
        return self.headers.get(name) or ""
