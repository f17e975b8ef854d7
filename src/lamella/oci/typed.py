"""Decodes JSON into typed values, in any thread.

msgspec examines a type when it is first decoded. Another thread that decodes the same type meanwhile sees it half
examined, which crashes the process. So types are examined here first, one at a time.
"""

import threading
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

_decoders: dict[Any, msgspec.json.Decoder[Any]] = {}
_lock = threading.Lock()


def decode_as(data: bytes | str, kind: type[T]) -> T:
    """Decode `data` as a `kind`; raise a `msgspec.DecodeError` if it is not one."""
    decoded: T = _decoder(kind).decode(data)
    return decoded


def convert_to(value: object, kind: type[T]) -> T:
    """Do the same with a value that is decoded already."""
    _decoder(kind)
    return msgspec.convert(value, kind)


def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    found = _decoders.get(kind)
    if found is None:
        with _lock:
            found = _decoders.setdefault(kind, msgspec.json.Decoder(kind))
    return found
