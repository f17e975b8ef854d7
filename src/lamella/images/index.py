"""Indexes: several images under one name, one for each platform; and the tags of releases.

The tags of a release are unique and in this order: those given, the branch, `latest` on the default branch, the version
without `v`, and `major.minor` and `major` unless it is a pre-release. The first is pushed, the others are aliases.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

from lamella.errors import LamellaError
from lamella.images.form import DOCKER_FORM, OCI_FORM, kind_in
from lamella.oci import media
from lamella.oci.digest import sha256
from lamella.oci.platforms import spelled
from lamella.oci.wire import Descriptor, Index, encode

_NO_SYSTEM = "unknown"
"""The platform of BuildKit's attestations, of which an index may have any number."""
_ATTESTED = "vnd.docker.reference.digest"
"""Annotation of an attestation: the image that it is about. Both are removed together."""


class PlatformsError(LamellaError):
    """Images cannot share a name."""

    exit_code = 3


def index_of(
    children: Iterable[tuple[str, Descriptor]],
    annotations: Mapping[str, str],
    existing: Sequence[Descriptor] = (),
    form: str = "",
) -> tuple[Descriptor, bytes]:
    """Return the index of `children`, each with its origin, and of `existing` entries for other platforms.

    Docker's form has no annotations.
    """
    found: dict[str, tuple[str, Descriptor]] = {}
    for origin, child in children:
        if child.platform is None:
            raise PlatformsError(f"{origin} does not say which platform it is for")
        name = spelled(child.platform)
        other = found.setdefault(name, (origin, child))
        if other[1].digest != child.digest:
            raise PlatformsError(f"{other[0]} and {origin} are both for {name}; an index has one image per platform")
    for child in existing:
        found.setdefault(_kept_as(child), ("", child))
    there = {child.digest for _, child in found.values()}
    about = ((child, child.annotations.get(_ATTESTED)) for _, (_, child) in sorted(found.items()))
    manifests = [child for child, image in about if image is None or image in there]
    kind = kind_in(form or OCI_FORM, media.INDEX)
    told = {} if form == DOCKER_FORM else dict(annotations)
    data = encode(Index(schema_version=2, media_type=kind, manifests=manifests, annotations=told))
    return Descriptor(media_type=kind, digest=sha256(data), size=len(data)), data


def _kept_as(child: Descriptor) -> str:
    """The key under which an entry is unique: the same platform may exist for several versions of a system."""
    if child.platform is None or child.platform.os == _NO_SYSTEM:
        return child.digest
    told = (spelled(child.platform), child.platform.os_version, *child.platform.os_features)
    return " ".join(filter(None, told))


def release_tags(given: Iterable[str], branch: str = "", default_branch: str = "", version: str = "") -> list[str]:
    """Return the tags of a release, starting with the one that is pushed."""
    tags = [*given, re.sub("[^a-zA-Z0-9._-]", "-", branch)]
    if branch and branch == default_branch:
        tags.append("latest")
    plain = version.removeprefix("v")
    tags.append(plain.replace("+", "-"))
    numbers = re.fullmatch(r"(\d+)\.(\d+)\.\d+(?:\+.*)?", plain)
    if numbers:
        tags += [f"{numbers[1]}.{numbers[2]}", numbers[1]]
    return list(dict.fromkeys(tag for tag in tags if tag))
