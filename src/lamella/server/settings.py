"""The settings of `lamella serve`, all of them optional."""

import ipaddress
import re
from collections.abc import Iterator, Sequence
from typing import Annotated

import msgspec

from lamella.server.access.settings import Access, Limits, Tls
from lamella.server.demand.settings import BuildLimits, Source
from lamella.server.garbage import Garbage
from lamella.server.mirrors import Mirror
from lamella.server.nixcache.settings import NixCache
from lamella.spec import kinds
from lamella.spec.fields import Said, Value
from lamella.spec.problems import Problem, wrong
from lamella.spec.reader import parse_as

_LISTEN = re.compile(r"(?P<host>\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+):(?P<port>[0-9]{1,5})")
_LOCAL = "localhost"


def _check_listen(value: str) -> str:
    match = _LISTEN.fullmatch(value)
    if match is None or int(match["port"]) > 65535:
        raise wrong(f'"{value}" is not HOST:PORT, such as 127.0.0.1:8080 or [::]:443')
    return value


class Settings(Value, frozen=True, kw_only=True):
    """All settings of a server."""

    summary = "The server itself."

    listen: Annotated[
        str,
        Said(
            "The address to listen on. Without TLS, it should be reachable only from this machine or from a proxy.",
            kinds.text(_check_listen),
        ),
    ] = "127.0.0.1:8080"
    bucket: Annotated[
        str,
        Said(
            "Where everything is stored: a folder, `s3://BUCKET/PREFIX?region=..&endpoint=..`, `gs://BUCKET/PREFIX` or "
            "`az://CONTAINER/PREFIX`. Any number of servers may share one. If not set, `lamella/bucket` in the "
            "user's data folder.",
            kinds.line,
        ),
    ] = ""
    writable: Annotated[
        bool, Said("Whether images can be pushed and deleted, by users who have the right.", kinds.flag)
    ] = False
    redirect: Annotated[
        bool,
        Said(
            "Whether clients download blobs from the bucket itself, with addresses that are valid for an hour.",
            kinds.flag,
        ),
    ] = False
    copies: Annotated[
        int,
        Said(
            "How much of a remote bucket is cached on this machine's disk, if clients do not download from the bucket "
            "itself.",
            kinds.size,
        ),
    ] = 10 * 10**9
    wait: Annotated[int, Said("How many seconds a pull waits for a build.", kinds.whole(1, 86400))] = 300
    builds_at_once: Annotated[int, Said("How many images this server builds at once.", kinds.whole(1, 1000))] = 2
    stop_seconds: Annotated[
        int,
        Said(
            "How many seconds running builds and answers have to finish when the server stops.", kinds.whole(0, 86400)
        ),
    ] = 30
    access: Annotated[Access, Said(Access.summary, table=Access)] = Access()
    limits: Annotated[Limits, Said(Limits.summary, table=Limits)] = Limits()
    tls: Annotated[Tls | None, Said(Tls.summary, table=Tls)] = None
    sources: Annotated[Sequence[Source], Said(Source.summary, each=Source)] = msgspec.field(default=(), name="source")
    demand: Annotated[BuildLimits, Said(BuildLimits.summary, table=BuildLimits)] = BuildLimits()
    mirrors: Annotated[Sequence[Mirror], Said(Mirror.summary, each=Mirror)] = msgspec.field(default=(), name="mirror")
    caches: Annotated[Sequence[NixCache], Said(NixCache.summary, each=NixCache)] = msgspec.field(default=(), name="nix")
    gc: Annotated[Garbage, Said(Garbage.summary, table=Garbage)] = Garbage()

    def wrongs(self) -> Iterator[Problem]:
        for key, names in (
            ("source", [source.name for source in self.sources]),
            ("mirror", [mirror.name for mirror in self.mirrors]),
            ("nix", [cache.name for cache in self.caches]),
        ):
            for i, name in enumerate(names):
                if name in names[:i]:
                    yield Problem((key, i, "name"), f'"{name}" is also the name of another [[{key}]]')

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        host, _, port = self.listen.rpartition(":")
        return host.strip("[]"), int(port)

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        host = self.address[0]
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == _LOCAL


def parse_settings(text: str, file: str) -> Settings:
    """Parse the settings in `text`; errors call it `file`."""
    return parse_as(Settings, text, file)
