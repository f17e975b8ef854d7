"""Which certificates to trust for a host, and which to present to it.

HOST:PORT/*.crt         trusted, in addition to those that this machine trusts anyway
HOST:PORT/NAME.cert     presented to the host, with NAME.key
"""

import ssl
from collections.abc import Sequence
from pathlib import Path

from lamella.transport.errors import TransportError

FOLDERS = (Path("/etc/containers/certs.d"), Path("/etc/docker/certs.d"))


def context_for(host: str, folders: Sequence[Path], ca_file: str, *, insecure: bool) -> ssl.SSLContext:
    """The TLS settings for `host` (with its port). With `insecure`, any certificate is trusted.

    The certificates that this machine trusts take some 20 ms to load, and are loaded only if they count.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if insecure else ssl.create_default_context()
    if ca_file:
        _load(context, Path(ca_file))
    for folder in (root / host for root in folders):
        for file in sorted(folder.glob("*.crt")):
            _load(context, file)
        for file in sorted(folder.glob("*.cert")):
            _load(context, file, file.with_suffix(".key"))
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _load(context: ssl.SSLContext, file: Path, key: Path | None = None) -> None:
    """Load a certificate to trust, or one of ours with its key. Never asks for a key's password."""
    try:
        if key:
            context.load_cert_chain(file, key, password=lambda: b"")
        else:
            context.load_verify_locations(file)
    except (OSError, ssl.SSLError, ValueError) as error:
        also = f" with {key.name}" if key else ""
        raise TransportError(f"cannot use the certificate {file}{also}: {error}") from error
