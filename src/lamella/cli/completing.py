"""Shell completion. It looks only at files of the folder and asks nothing else."""

import contextlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from lamella.errors import LamellaError

if TYPE_CHECKING:
    from lamella.pipeline.lock.file import Lock

_PLATFORMS = ("linux/amd64", "linux/arm64", "linux/arm/v7", "linux/riscv64")
_DAEMONS = ("docker", "podman", "containerd")
_LOOKS = (*_DAEMONS, "nix", "uv", "shell", "cache", "credentials")
_FILE = "file"


class ImageType(click.types.StringParamType):
    """An image as users name it, most often by a file."""

    name = "image"

    def shell_complete(self, _context: click.Context, _option: click.Parameter, typed: str) -> list[CompletionItem]:
        return [CompletionItem(typed, type=_FILE)]


IMAGE = ImageType()


def platforms(_context: click.Context, _option: click.Parameter, typed: str) -> list[str]:
    """The usual platforms."""
    return _that_begin(typed, _PLATFORMS)


def daemons(_context: click.Context, _option: click.Parameter, typed: str) -> list[str]:
    """The daemons that images can be loaded into; of a list with commas, the last one is completed."""
    before, comma, last = typed.rpartition(",")
    return [f"{before}{comma}{name}" for name in _that_begin(last, _DAEMONS)]


def looks(_context: click.Context, _option: click.Parameter, typed: str) -> list[CompletionItem]:
    """What `doctor` looks at by name, and specs."""
    named = [CompletionItem(name) for name in _that_begin(typed, _LOOKS)]
    return named if typed and named else [*named, CompletionItem(typed, type=_FILE)]


def layers(context: click.Context, _option: click.Parameter, typed: str) -> list[str]:
    """The layers of the spec that the command is about."""
    return _that_begin(typed, _layers(_named(context)))


def layers_and_packages(_context: click.Context, _option: click.Parameter, typed: str) -> list[str]:
    """What `explain` explains in the image that is here."""
    return _that_begin(typed, [*_layers("."), *_packages(Path("image.json"))])


def layer_or_spec(context: click.Context, _option: click.Parameter, typed: str) -> list[CompletionItem]:
    """The words of `build`: `layer NAME`, and a spec."""
    before = context.params.get("what") or ()
    if before[-1:] == ("layer",):
        return [CompletionItem(name) for name in _that_begin(typed, _layers("."))]
    first = ["layer"] if not before and typed and "layer".startswith(typed) else []
    return [*map(CompletionItem, first), CompletionItem(typed, type=_FILE)]


def locked_packages(context: click.Context, _option: click.Parameter, typed: str) -> list[str]:
    """The packages of the lock beside the spec."""
    return _that_begin(typed, _locked(_named(context)))


def _that_begin(typed: str, names: Iterable[str]) -> list[str]:
    """Names that can be typed as they are."""
    return [name for name in dict.fromkeys(names) if name.startswith(typed) and " " not in name]


def _named(context: click.Context) -> str:
    return context.params.get("image") or context.params.get("spec") or "."


def _layers(spec: str) -> list[str]:
    from lamella.spec.model import APP
    from lamella.spec.reader import read

    with contextlib.suppress(LamellaError):
        image = read(Path(spec)).image
        return [*(layer.name for layer in image.layers), *([APP] if image.take else [])]
    return []


def _packages(document: Path) -> list[str]:
    from lamella.pipeline.explain.view import of_document
    from lamella.pipeline.find import read_document

    with contextlib.suppress(LamellaError):
        return [package.name for package in of_document(read_document(document), str(document)).packages.values()]
    return []


def _locked(spec: str) -> list[str]:
    from lamella.pipeline.lock.file import lock_path, read_lock
    from lamella.spec.reader import read

    with contextlib.suppress(LamellaError):
        lock = read_lock(lock_path(read(Path(spec))))
        return names_in(lock) if lock else []
    return []


def names_in(lock: "Lock") -> list[str]:
    """What `lamella lock --upgrade` upgrades."""
    names = ["base"]
    for locked in lock.platforms.values():
        names += [one.name for one in (locked.python.wheels if locked.python else ())]
        names += [one.name for one in (locked.debian.debs if locked.debian else ())]
        names += list(locked.nix.roots if locked.nix else ())
        names += ["python"] if locked.python else []
    return names
