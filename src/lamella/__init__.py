"""lamella: container images whose layers follow change.

An image written in Python is the same value as one in `lamella.toml`:

    from lamella import Image, Layer, files, nix

    image = Image(
        "registry.example.com/hello",
        layers=[Layer("tools", [nix("./result")]), Layer("data", [files("data", to="/srv/data")])],
        take=[files("app")],
    )

Names are loaded on first use, so that the command starts quickly.
"""

from typing import TYPE_CHECKING

from lamella.errors import LamellaError

if TYPE_CHECKING:
    from lamella.spec.debian import Debian
    from lamella.spec.model import Config, Image, Layer, Perm, Rewrite
    from lamella.spec.python import Python
    from lamella.spec.store import Store
    from lamella.spec.wants import deb, files, nix, pypi

    __version__: str

__all__ = [
    "Config",
    "Debian",
    "Image",
    "LamellaError",
    "Layer",
    "Perm",
    "Python",
    "Rewrite",
    "Store",
    "__version__",
    "deb",
    "files",
    "nix",
    "pypi",
]


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        return version("lamella")
    if name in __all__:
        from lamella.spec import model, wants

        return getattr(wants if name.islower() else model, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
