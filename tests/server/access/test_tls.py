"""Certificates: served, renewed while the server runs, and never half-replaced."""

import asyncio
import shutil
import ssl
from pathlib import Path

import pytest
from tests.real.programs import certificate
from tests.server.access.house import raw, sections, serving

from lamella.server.access import tls
from lamella.server.access.tls import ServerCertificateError

ASK = b"GET /v2/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
OPEN = '[access]\nanonymous = ["pull"]\n'


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    return certificate(tmp_path)


@pytest.fixture
def renewed(tmp_path: Path) -> tuple[Path, Path]:
    folder = tmp_path / "renewed"
    folder.mkdir()
    return certificate(folder)


def settings(files: tuple[Path, Path]) -> str:
    return f'{OPEN}[tls]\ncertificate = "{files[0]}"\nkey = "{files[1]}"\n'


async def shown(url: str, *, by_name: bool = True, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> str:
    """Return the certificate that a server presents."""
    host, _, port = url.partition("://")[2].partition(":")
    context = ssl._create_unverified_context()
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.maximum_version = version
    name = "localhost" if by_name else host
    _, writer = await asyncio.open_connection(host, int(port), ssl=context, server_hostname=name)
    found = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    await writer.wait_closed()
    return ssl.DER_cert_to_PEM_cert(found)


@pytest.mark.parametrize("by_name", [True, False])
def test_a_renewed_certificate_is_shown_from_the_next_connection_on(
    files: tuple[Path, Path], renewed: tuple[Path, Path], by_name: bool
) -> None:
    first, second = files[0].read_text(), renewed[0].read_text()

    async def run() -> None:
        async with serving(settings(files)) as url:
            assert (await raw(url, ASK)).startswith(b"HTTP/1.1 200")
            assert await shown(url, by_name=by_name) == first
            shutil.copy(renewed[0], files[0])
            assert await shown(url, by_name=by_name) == first  # its key is still the old one
            shutil.copy(renewed[1], files[1])
            assert await shown(url, by_name=by_name) == second
            files[0].unlink()
            assert await shown(url, by_name=by_name) == second
            assert (await raw(url, ASK)).startswith(b"HTTP/1.1 200")

    asyncio.run(run())


def test_old_versions_are_not_spoken(files: tuple[Path, Path]) -> None:
    async def run() -> None:
        async with serving(settings(files)) as url:
            await shown(url, version=ssl.TLSVersion.TLSv1_2)
            with pytest.raises((ssl.SSLError, ConnectionError)), pytest.warns(match="TLSv1_1"):
                await shown(url, version=ssl.TLSVersion.TLSv1_1)

    asyncio.run(run())


def test_plain_http_and_nothing_at_all_do_not_hold_a_connection(files: tuple[Path, Path]) -> None:
    async def run() -> None:
        async with serving(settings(files) + "[limits]\nheader_seconds = 1\n") as url:
            plain = url.replace("https", "http")
            assert not await raw(plain, ASK)
            assert not await raw(plain, until=5)
            assert not await raw(url, b"GET", until=5)

    asyncio.run(run())


def test_what_cannot_be_used_is_told_at_the_start(files: tuple[Path, Path], renewed: tuple[Path, Path]) -> None:
    for pair in ((files[0], renewed[1]), (files[1], files[1]), (files[0], files[0].parent / "none")):
        told = sections(settings(pair)).tls
        assert told is not None
        with pytest.raises(ServerCertificateError, match=str(pair[0])):
            tls.context(told)
