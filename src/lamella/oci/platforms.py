"""Platforms as people write them, and which image fits which platform."""

import platform
import re

from lamella.errors import LamellaError
from lamella.oci.wire import Platform

OTHER_NAMES = {"x86_64": "amd64", "x86-64": "amd64", "aarch64": "arm64", "armv7l": "arm/v7", "i686": "386"}
"""Other names of architectures, and OCI's names for them."""

_IMPLIED = {"amd64": "v1", "arm64": "v8", "arm": "v7"}


class PlatformError(LamellaError):
    """A text is not a platform."""

    exit_code = 2


def parse_platform(text: str) -> Platform:
    """Parse a platform such as `linux/arm64` or `linux/arm/v7`."""
    match = re.fullmatch(r"([a-z0-9]+)/([a-z0-9_]+)(?:/([a-z0-9.]+))?", text)
    if not match:
        raise PlatformError(f"{text!r} is not a platform such as linux/amd64 or linux/arm/v7")
    return Platform(os=match[1], architecture=match[2], variant=match[3] or "")


def wanted_platform(text: str) -> Platform | None:
    """Return the platform that the user wants; None for an empty text."""
    return parse_platform(text) if text else None


def here() -> Platform:
    """Return the platform of containers on this machine."""
    machine = platform.machine()
    return parse_platform(f"linux/{OTHER_NAMES.get(machine, machine)}")


def spelled(told: Platform) -> str:
    """Return the platform as people write it."""
    return f"{told.os}/{told.architecture}" + (f"/{told.variant}" if told.variant else "")


def matches(wanted: Platform, has: Platform) -> bool:
    """Whether an image for `has` runs on `wanted`. Variants count if `wanted` has one; that of `has` may be implied."""
    if (wanted.os, wanted.architecture) != (has.os, has.architecture):
        return False
    implied = _IMPLIED.get(has.architecture, "")
    return not wanted.variant or wanted.variant == (has.variant or implied)
