"""JSON as typed values, in any thread.

msgspec finds out what a type is made of when one is decoded first, and leaves it half known to any other thread that
decodes one meanwhile, which ends the process. So that is found out here, for one type at a time.
"""

import threading
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

_decoders: dict[Any, msgspec.json.Decoder[Any]] = {}
_lock = threading.Lock()


def decode_as(data: bytes | str, kind: type[T]) -> T:
    """`data` as a `kind`; a `msgspec.DecodeError` if it is none."""
    decoded: T = _decoder(kind).decode(data)
    return decoded


def convert_to(value: object, kind: type[T]) -> T:
    """The same for what was read already."""
    _decoder(kind)
    return msgspec.convert(value, kind)


def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    found = _decoders.get(kind)
    if found is None:
        with _lock:
            found = _decoders.setdefault(kind, msgspec.json.Decoder(kind))
    return found
