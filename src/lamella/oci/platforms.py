"""Platforms as people write them, and which of them serves whom."""

import re

from lamella.errors import LamellaError
from lamella.oci.wire import Platform

_IMPLIED = {"arm64": "v8", "arm": "v7"}


class PlatformError(LamellaError):
    """What should be a platform is none."""

    exit_code = 2


def parse_platform(text: str) -> Platform:
    """`linux/arm64` or `linux/arm/v7` as a platform."""
    match = re.fullmatch(r"([a-z0-9]+)/([a-z0-9_]+)(?:/([a-z0-9.]+))?", text)
    if not match:
        raise PlatformError(f"{text!r} is not a platform such as linux/amd64 or linux/arm/v7")
    return Platform(os=match[1], architecture=match[2], variant=match[3] or "")


def spelled(platform: Platform) -> str:
    """The platform as people write it."""
    return f"{platform.os}/{platform.architecture}" + (f"/{platform.variant}" if platform.variant else "")


def matches(wanted: Platform, has: Platform) -> bool:
    """Whether an image for `has` is one for `wanted`. Variants count when both are told, or are implied."""
    if (wanted.os, wanted.architecture) != (has.os, has.architecture):
        return False
    implied = _IMPLIED.get(has.architecture, "")
    return not wanted.variant or wanted.variant == (has.variant or implied)
