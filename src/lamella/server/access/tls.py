"""The server's certificate, read again at the first connection after its files have changed."""

import ssl
from pathlib import Path

from lamella.errors import LamellaError
from lamella.server.access.settings import Tls
from lamella.server.access.watched import Watched


class ServerCertificateError(LamellaError):
    """The server's certificate or its key cannot be used."""

    exit_code = 2


def context(tls: Tls) -> ssl.SSLContext:
    """Return the TLS context, for TLS 1.2 or newer. If a new certificate and key do not match, the old ones stay."""
    files = Path(tls.certificate), Path(tls.key)
    now = Watched(files, lambda: _load(*files), lambda before: before)

    def choose(connection: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _context: ssl.SSLContext) -> None:
        connection.context = now.value

    front = _load(*files)
    front.sni_callback = choose  # called for each connection, whether it names a host or not
    return front


def _load(certificate: Path, key: Path) -> ssl.SSLContext:
    loaded = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    loaded.minimum_version = ssl.TLSVersion.TLSv1_2
    loaded.set_alpn_protocols(["http/1.1"])
    try:
        loaded.load_cert_chain(certificate, key, password=lambda: b"")
    except (OSError, ssl.SSLError, ValueError) as error:
        raise ServerCertificateError(f"cannot use the certificate {certificate} with {key}: {error}") from error
    return loaded
