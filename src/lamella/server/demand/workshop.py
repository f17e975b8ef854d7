"""What a build works with, and how locks are made for images that nobody has written down."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from lamella.pipeline.lock.decide import make_lock
from lamella.pipeline.lock.file import Lock, lock_path, write_lock
from lamella.pipeline.outside import needed
from lamella.pipeline.workplace import Workplace
from lamella.server.demand.errors import UnknownError
from lamella.server.demand.programs import Log, silent
from lamella.server.demand.settings import Limits
from lamella.sources.debian.resolve import DependencyError
from lamella.sources.python.uv import UnsatisfiableError
from lamella.spec.model import Config, Image, Spec

PATH = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
"""Where images that are built on no other have their programs."""


@dataclass(frozen=True)
class Workshop:
    """A workplace, what may be built there, and whom its programs' words are told to, line by line."""

    place: Workplace
    limits: Limits = field(default_factory=Limits)
    log: Log = silent

    @property
    def folder(self) -> Path:
        """Where what was fetched is kept."""
        return needed(self.place.outside, "what images are made of").downloads.folder


def locked(image: Image, folder: Path, workshop: Workshop) -> Lock:
    """Decides in `folder` which packages these are, for all platforms of `image`."""
    spec = Spec(image, folder)
    workshop.log(f"choosing packages for {image.name}")
    try:
        lock = make_lock(spec, Lock(), lambda _: True, workshop.place)
    except (DependencyError, UnsatisfiableError) as error:
        raise UnknownError(str(error)) from error
    write_lock(lock_path(spec), lock)
    return lock


def each_platform(image: Image, folder: Path, file: Path | None = None) -> list[Spec]:
    """The image as specs of one platform each; a single one if it names none."""
    if not image.platforms:
        return [Spec(image, folder, file)]
    return [Spec(msgspec.structs.replace(image, platforms=[one]), folder, file) for one in image.platforms]


def config(env: Mapping[str, str], *, shell: bool) -> Config:
    """How an image of packages is run."""
    return Config(cmd=["bash"] if shell else None, env=env)
