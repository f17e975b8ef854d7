"""Where the files of Python packages lie in an image."""

import msgspec


class Scheme(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where things lie in the Python of an image. `version` is as in `3.12`; what is at `without` is another's.

    Modules are compiled by the Python whose exact version `compiler` is, if it is any.
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
    """A place as `Wheel.places` tells it, in that scheme."""
    if not place.startswith("{"):
        return f"{scheme.packages}/{place}"
    return place.replace(ANYWHERE.version, scheme.version).replace(ANYWHERE.prefix, scheme.prefix, 1)
