"""Which address a request comes from, and which proxies are trusted to say so."""

import asyncio
from typing import Any

import pytest
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict, CIMultiDictProxy

from lamella.server.access.client import Proxies, group


class Transport(asyncio.Transport):
    def __init__(self, peer: Any) -> None:
        super().__init__({"peername": peer, "sockname": ("127.0.0.1", 80)})


def client(peer: Any, forwarded: list[str], *trusted: str) -> str:
    headers = [("Host", "registry.example.com"), *(("X-Forwarded-For", one) for one in forwarded)]
    request = make_mocked_request("GET", "/", headers=dict(headers), transport=Transport(peer))
    request = request.clone(headers=CIMultiDictProxy(CIMultiDict(headers)))
    return Proxies(trusted).client(request)


@pytest.mark.parametrize(
    ("peer", "forwarded", "trusted", "expected"),
    [
        ("192.0.2.1", [], [], "192.0.2.1"),
        ("192.0.2.1", ["198.51.100.7"], [], "192.0.2.1"),
        ("10.0.0.1", ["198.51.100.7"], ["10.0.0.0/8"], "198.51.100.7"),
        ("10.0.0.1", ["203.0.113.9, 198.51.100.7"], ["10.0.0.0/8"], "198.51.100.7"),
        ("10.0.0.1", ["203.0.113.9", "198.51.100.7, 10.0.0.2"], ["10.0.0.0/8"], "198.51.100.7"),
        ("10.0.0.1", ["10.0.0.3"], ["10.0.0.0/8"], "10.0.0.3"),
        ("10.0.0.1", ["203.0.113.9, nonsense"], ["10.0.0.0/8"], "10.0.0.1"),
        ("10.0.0.1", ["\n"], ["10.0.0.0/8"], "10.0.0.1"),
        ("10.0.0.1", [], ["10.0.0.0/8"], "10.0.0.1"),
        ("::ffff:10.0.0.1", ["2001:db8::1"], ["10.0.0.0/8"], "2001:db8::1"),
        ("fe80::1%eth0", [], [], "fe80::1"),
    ],
)
def test_the_client(peer: str, forwarded: list[str], trusted: list[str], expected: str) -> None:
    assert client((peer, 1234), forwarded, *trusted) == expected


def test_a_socket_without_addresses_has_an_empty_one() -> None:
    assert client("", [], "10.0.0.0/8") == ""


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("", ""),
    ],
)
def test_limits_count_a_household_as_one(address: str, expected: str) -> None:
    assert group(address) == expected


@pytest.mark.parametrize(
    ("told", "expected"), [("https", "https"), ("HTTPS", "https"), ("javascript", "http"), ("", "http")]
)
def test_a_proxy_says_how_it_was_asked(told: str, expected: str) -> None:
    headers = {"Host": "registry.example.com", "X-Forwarded-Proto": told}
    request = make_mocked_request("GET", "/", headers=headers, transport=Transport(("127.0.0.1", 1)))
    assert Proxies(["127.0.0.0/8"]).origin(request) == f"{expected}://registry.example.com"
    assert Proxies().origin(request) == "http://registry.example.com"
