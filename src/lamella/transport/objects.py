"""Objects in S3, GCS or Azure, by addresses as Nix writes them: `s3://BUCKET/NAME?region=..&endpoint=..&scheme=http`.

Credentials come from the environment (`AWS_ACCESS_KEY_ID` and the like), or from the machine. obstore does the rest.
"""

import contextlib
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

from lamella.oci.image import Sink
from lamella.transport.connections import shown
from lamella.transport.errors import ForbiddenError, GoneError, TransportError

if TYPE_CHECKING:
    from obstore.store import AzureStore, GCSStore, S3Store

_USUAL_REGION = "us-east-1"
_OTHERS = {
    "gs": ("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_SERVICE_ACCOUNT", "GOOGLE_SERVICE_ACCOUNT_KEY"),
    "az": (
        "AZURE_STORAGE_ACCOUNT_NAME",
        "AZURE_STORAGE_ACCOUNT_KEY",
        "AZURE_STORAGE_SAS_KEY",
        "AZURE_CLIENT_ID",
        "AZURE_CLIENT_SECRET",
        "AZURE_TENANT_ID",
        "AZURE_FEDERATED_TOKEN_FILE",
    ),
}
"""Kinds of store besides S3, and the environment variables that configure them."""


def get(address: str, environment: Mapping[str, str], sink: Sink, start: int = 0) -> None:
    """Push the bytes of an object to `sink`, from `start` on."""
    with _explained(address):
        from obstore import get as fetch

        store, name = _at(address, environment)
        found = fetch(store, name, options={"range": {"offset": start}} if start else None)
        for block in found.stream():
            sink(memoryview(block))


def has(address: str, environment: Mapping[str, str]) -> bool:
    """Whether the object exists."""
    try:
        with _explained(address):
            from obstore import head

            head(*_at(address, environment))
    except GoneError:
        return False
    return True


def put(address: str, environment: Mapping[str, str], file: Path) -> None:
    """Write an object, whole or not at all."""
    with _explained(address):
        from obstore import put as write

        store, name = _at(address, environment)
        write(store, name, file)


def is_address(text: str) -> bool:
    """Whether `text` is the address of a bucket in an object store."""
    return urlsplit(text).scheme in ("s3", *_OTHERS)


def store_at(address: str, environment: Mapping[str, str]) -> "tuple[S3Store | GCSStore | AzureStore, str]":
    """The store at `address` in S3, GCS (`gs://`) or Azure (`az://`), and the prefix of its names."""
    kind = urlsplit(address).scheme
    with _explained(address):
        if kind not in _OTHERS:
            return _at(address, environment)
        from obstore.store import AzureStore, GCSStore

        parts = urlsplit(address)
        told = {
            **dict(parse_qsl(parts.query)),
            **{n.lower(): environment[n] for n in _OTHERS[kind] if n in environment},
        }
        plain = {"allow_http": told.pop("scheme", "https") == "http"}
        name = unquote(parts.path).lstrip("/")
        make = GCSStore if kind == "gs" else AzureStore
        return make(parts.netloc, client_options=plain, **told), name  # type: ignore[arg-type]


def _at(address: str, environment: Mapping[str, str]) -> "tuple[S3Store, str]":
    parts = urlsplit(address)
    told = dict(parse_qsl(parts.query))
    settings = tuple(sorted((name, value) for name, value in environment.items() if name.startswith("AWS_")))
    return _store(parts.netloc, told.get("region", ""), _endpoint(told), settings), unquote(parts.path).lstrip("/")


def _endpoint(told: Mapping[str, str]) -> str:
    if "endpoint" not in told:
        return ""
    return told["endpoint"] if "://" in told["endpoint"] else f"{told.get('scheme', 'https')}://{told['endpoint']}"


@lru_cache(maxsize=8)
def _store(bucket: str, region: str, endpoint: str, settings: tuple[tuple[str, str], ...]) -> "S3Store":
    from obstore.store import S3Store

    environment = dict(settings)
    where = region or environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or _USUAL_REGION
    told = {
        "access_key_id": environment.get("AWS_ACCESS_KEY_ID"),
        "secret_access_key": environment.get("AWS_SECRET_ACCESS_KEY"),
        "session_token": environment.get("AWS_SESSION_TOKEN"),
        "endpoint": endpoint or environment.get("AWS_ENDPOINT_URL"),
    }
    known = {name: value for name, value in told.items() if value}
    plain = str(told["endpoint"]).startswith("http:")
    return S3Store(bucket, region=where, client_options={"allow_http": plain}, **known)  # type: ignore[arg-type]


@contextlib.contextmanager
def _explained(address: str) -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise TransportError(
            f"{shown(address)} cannot be reached without obstore; run pip install 'lamella[s3]'"
        ) from error
    except FileNotFoundError as error:
        raise GoneError(f"there is nothing at {shown(address)}") from error
    except Exception as error:
        if not type(error).__module__.startswith("obstore"):
            raise
        if type(error).__name__ == "PermissionDeniedError":
            raise ForbiddenError(f"{shown(address)} does not exist, or these credentials may not use it") from error
        said = " ".join(str(error).split())[:300]
        raise TransportError(f"{shown(address)} cannot be reached: {said}") from error
