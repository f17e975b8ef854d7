"""Where the files of Python packages go in an image."""

import msgspec


class Scheme(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where things go in the Python of an image. `version` is such as `3.12`; places in `without` belong to others.

    Modules are compiled by the Python with the exact version `compiler`, if there is one.
    """

    version: str
    prefix: str
    packages: str
    interpreter: str
    without: tuple[str, ...] = ()
    compiler: str = ""


ANYWHERE = Scheme(version="{version}", prefix="{prefix}", packages="{packages}", interpreter="")
"""Stands for any scheme."""


def absolute(place: str, scheme: Scheme) -> str:
    """A place from `Wheel.places`, in that scheme."""
    if not place.startswith("{"):
        return f"{scheme.packages}/{place}"
    return place.replace(ANYWHERE.version, scheme.version).replace(ANYWHERE.prefix, scheme.prefix, 1)
