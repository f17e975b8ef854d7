"""The proxy that the environment names for an address, read as other programs read it."""

import ipaddress
from collections.abc import Mapping
from urllib.parse import SplitResult, urlsplit

from lamella.transport.errors import TransportError


def proxy_for(url: SplitResult, environment: Mapping[str, str]) -> SplitResult | None:
    """The proxy for `url`; None for this machine itself, and for what `NO_PROXY` names."""
    name = f"{url.scheme}_proxy"
    told = environment.get(name) or environment.get(name.upper())
    host = url.hostname or ""
    if not told or is_loopback(host):
        return None
    excepted = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
    if any(_covers(pattern.strip().lower(), host, url.port) for pattern in excepted.split(",")):
        return None
    try:
        proxy = urlsplit(told if "://" in told else f"http://{told}")
        usable = proxy.scheme == "http" and proxy.hostname and proxy.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise TransportError(f"the proxy in {name.upper()} cannot be used: write http://HOST:PORT")
    return proxy


def is_loopback(host: str) -> bool:
    """Whether `host`, without a port, is this machine itself."""
    address = _address(host)
    return address.is_loopback if address else host == "localhost" or host.endswith(".localhost")


def _covers(pattern: str, host: str, port: int | None) -> bool:
    """Whether an entry of `NO_PROXY` (a name, a network or `*`, perhaps with a port) covers `host`."""
    if pattern == "*":
        return True
    address = _address(host)
    if address and "/" in pattern:
        try:
            return address in ipaddress.ip_network(pattern, strict=False)
        except ValueError:
            return False
    name, colon, only = pattern.rpartition(":")
    if colon and only.isdigit() and _address(pattern) is None:
        if int(only) != port:
            return False
        pattern = name
    suffix = pattern.strip("[]").lstrip("*").lstrip(".")
    return bool(suffix) and (host == suffix or (address is None and host.endswith(f".{suffix}")))


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
