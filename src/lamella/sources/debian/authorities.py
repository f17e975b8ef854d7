"""Certificate authorities as OpenSSL looks them up in a folder: by a hash of a certificate's subject.

The hash is the start of the SHA-1 of the subject in a canonical form: all text in UTF-8 and lower case, with single
spaces between words.
"""

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping

from lamella.sources.tree import SourceError

_FOLDER = "/etc/ssl/certs"
_SEQUENCE, _SET, _UTF8, _CONTEXT = 0x30, 0x31, 0x0C, 0xA0
_TEXTS = {
    0x0C: "utf-8",
    0x13: "ascii",
    0x14: "latin-1",
    0x16: "ascii",
    0x1A: "ascii",
    0x1C: "utf-32-be",
    0x1E: "utf-16-be",
}


class CertificateError(SourceError):
    """A certificate authority's certificate cannot be read."""


def links(texts: Mapping[str, bytes]) -> Iterator[tuple[str, str]]:
    """A link with a plain name to each certificate, and a link with its hash to that; `texts` are by path."""
    count: Counter[str] = Counter()
    for path, text in sorted(texts.items()):
        name = path.rpartition("/")[2].removesuffix(".crt").translate(str.maketrans(" (),", "_==_")) + ".pem"
        yield f"{_FOLDER}/{name}", path
        hashed = subject_hash(text)
        yield f"{_FOLDER}/{hashed}.{count[hashed]}", name
        count[hashed] += 1


def subject_hash(text: bytes) -> str:
    """The output of `openssl x509 -subject_hash` for a certificate in PEM."""
    match = re.search(rb"-----BEGIN CERTIFICATE-----(.*?)-----END", text, re.DOTALL)
    try:
        if not match:
            raise ValueError("it is not PEM")
        whole = base64.b64decode(match[1])
        canonical = b"".join(_canonical_set(part) for part in _subject(whole))
    except (ValueError, IndexError) as error:
        raise CertificateError(f"a certificate of ca-certificates cannot be read: {error}") from error
    return hashlib.sha1(canonical, usedforsecurity=False).digest()[3::-1].hex()


def _subject(certificate: bytes) -> list[bytes]:
    """The sets in the subject of a certificate."""
    signed = next(_items(_body(certificate)))
    fields = [item for item in _items(_body(signed)) if item[0] != _CONTEXT]
    return list(_items(_body(fields[4])))


def _canonical_set(part: bytes) -> bytes:
    pairs = []
    for pair in _items(_body(part)):
        kind, value = _items(_body(pair))
        if value[0] in _TEXTS:
            said = " ".join(_body(value).decode(_TEXTS[value[0]]).split())
            value = _encoded(_UTF8, re.sub("[A-Z]", lambda letter: letter[0].lower(), said).encode())
        pairs.append(_encoded(_SEQUENCE, kind + value))
    return _encoded(_SET, b"".join(sorted(pairs)))


def _length(data: bytes, at: int) -> tuple[int, int]:
    """The length at `at`, and where its contents begin."""
    first = data[at]
    if first < 0x80:
        return first, at + 1
    count = first & 0x7F
    return int.from_bytes(data[at + 1 : at + 1 + count]), at + 1 + count


def _body(item: bytes) -> bytes:
    length, start = _length(item, 1)
    return item[start : start + length]


def _items(data: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        length, start = _length(data, at + 1)
        yield data[at : start + length]
        at = start + length


def _encoded(kind: int, body: bytes) -> bytes:
    length = len(body)
    if length < 0x80:
        return bytes([kind, length]) + body
    digits = length.to_bytes((length.bit_length() + 7) // 8)
    return bytes([kind, 0x80 | len(digits)]) + digits + body
