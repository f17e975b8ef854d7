"""The address that a request comes from, and the group that limits count it for."""

import ipaddress
from collections.abc import Iterable
from functools import lru_cache

from aiohttp import web

_REMEMBERED = 4096
_HOME = 64
"""The bits of an IPv6 address that a household or machine has as a whole."""

_Ip = ipaddress.IPv4Address | ipaddress.IPv6Address


class Proxies:
    """The proxies that are trusted to name their clients."""

    def __init__(self, networks: Iterable[str] = ()) -> None:
        self._networks = [ipaddress.ip_network(network) for network in networks]

    def has(self, address: str) -> bool:
        """Whether `address` belongs to a proxy."""
        found = _address(address)
        return found is not None and any(found in network for network in self._networks)

    def client(self, request: web.BaseRequest) -> str:
        """Return the address of the client: the last that is not a trusted proxy, as each proxy adds its own client."""
        here = str(_address(request.remote or "") or "")
        told = ",".join(request.headers.getall("X-Forwarded-For", ())).split(",")
        while told and self.has(here):
            before = _address(told.pop().strip())
            if before is None:
                break
            here = str(before)
        return here

    def origin(self, request: web.BaseRequest) -> str:
        """Return the address at which the client reached us: `https://HOST`."""
        scheme = request.scheme
        if self.has(request.remote or ""):
            told = request.headers.get("X-Forwarded-Proto", "").lower()
            scheme = told if told in ("http", "https") else scheme
        return f"{scheme}://{request.host}"


@lru_cache(_REMEMBERED)
def group(address: str) -> str:
    """Return what limits count together: an address, or for IPv6 its network."""
    found = _address(address)
    if isinstance(found, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((int(found), _HOME), strict=False))
    return address


@lru_cache(_REMEMBERED)
def _address(text: str) -> _Ip | None:
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found
