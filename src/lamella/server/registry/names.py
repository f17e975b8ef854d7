"""Parses the address of a request. Nothing but valid names, tags and digests gets past this module."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from lamella.oci.digest import Digest, DigestError, parse_digest
from lamella.oci.reference import LONGEST_NAME, REPOSITORY, TAG
from lamella.server.answers import RefusedError

_NAME = re.compile(REPOSITORY)
_TAG = re.compile(TAG)
_UPLOAD = re.compile("[0-9a-f]{32}")

_SHAPES = (
    ("tags", re.compile("(?P<name>.+)/tags/list")),
    ("upload", re.compile("(?P<name>.+)/blobs/uploads/(?P<last>[^/]+)")),
    ("uploads", re.compile("(?P<name>.+)/blobs/uploads/?")),
    ("blob", re.compile("(?P<name>.+)/blobs/(?P<last>[^/]+)")),
    ("manifest", re.compile("(?P<name>.+)/manifests/(?P<last>[^/]+)")),
    ("referrers", re.compile("(?P<name>.+)/referrers/(?P<last>[^/]+)")),
)


@dataclass(frozen=True, slots=True)
class Address:
    """What a request is about: `last` is a tag, a digest or an upload, depending on `kind`."""

    kind: str
    name: str
    last: str = ""


def parse_address(path: str) -> Address:
    """Parse what follows `/v2/`."""
    for kind, shape in _SHAPES:
        match = shape.fullmatch(path)
        if match:
            return Address(kind, repository_name(match["name"]), match.groupdict().get("last") or "")
    raise RefusedError(404, "NOT_FOUND", "registries have no such address")


def repository_name(text: str) -> str:
    """Return `text` if it is a valid repository name; refuse it otherwise."""
    if len(text) > LONGEST_NAME or not _NAME.fullmatch(text):
        raise RefusedError(
            400, "NAME_INVALID", f"{_shown(text)} is not a valid name (lower-case letters, digits, . _ - and /)"
        )
    return text


def tag(text: str) -> str:
    """Return `text` if it is a valid tag; refuse it otherwise."""
    if not is_tag(text):
        raise RefusedError(400, "TAG_INVALID", f"{_shown(text)} is not a tag (letters, digits, . _ -; at most 128)")
    return text


def is_tag(text: str) -> bool:
    """Whether `text` is a valid tag."""
    return _TAG.fullmatch(text) is not None


def digest(text: str) -> Digest:
    """Return `text` if it is a digest; refuse it otherwise."""
    try:
        return parse_digest(text)
    except DigestError:
        raise RefusedError(400, "DIGEST_INVALID", f"{_shown(text)} is not a sha256 or sha512 digest") from None


def is_digest(text: str) -> bool:
    """Whether a reference is meant as a digest: no tag has a colon."""
    return ":" in text


def upload(text: str) -> str:
    """Return `text` if it is a valid name of an upload; refuse it otherwise."""
    if not _UPLOAD.fullmatch(text):
        raise RefusedError(404, "BLOB_UPLOAD_UNKNOWN", f"there is no upload {_shown(text)}")
    return text


def number(values: Sequence[str], what: str) -> int | None:
    """Return the whole number in a query, if there is one."""
    if not values:
        return None
    if not re.fullmatch("[0-9]{1,9}", values[0]):
        raise RefusedError(400, "PAGINATION_NUMBER_INVALID", f"{what}={_shown(values[0])} is not a whole number")
    return int(values[0])


def _shown(text: str) -> str:
    return ascii(text[:80])
