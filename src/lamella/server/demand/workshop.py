"""What a build works with, and locks for images that have no spec."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from lamella.pipeline.lock.decide import make_lock
from lamella.pipeline.lock.file import Lock, lock_path, write_lock
from lamella.pipeline.outside import needed
from lamella.pipeline.workplace import Workplace
from lamella.server.demand.errors import UnavailableError, UnknownError
from lamella.server.demand.programs import OnLine, silent
from lamella.server.demand.settings import BuildLimits
from lamella.sources.debian.resolve import DependencyError
from lamella.sources.python.uv import ResolveError, UnsatisfiableError
from lamella.spec.model import Config, Image, Spec

PATH = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
"""The search path of images without a base image."""


@dataclass(frozen=True)
class Workshop:
    """A workplace, the limits of builds there, and the log that gets the output of programs line by line."""

    place: Workplace
    limits: BuildLimits = field(default_factory=BuildLimits)
    log: OnLine = silent

    @property
    def folder(self) -> Path:
        """The folder for downloads."""
        return needed(self.place.outside, "what images are made of").downloads.folder


def locked(image: Image, folder: Path, workshop: Workshop) -> Lock:
    """Choose the packages for all platforms of `image`, and write the lock to `folder`."""
    spec = Spec(image, folder)
    workshop.log(f"choosing packages for {image.name}")
    try:
        lock = make_lock(spec, Lock(), lambda _: True, workshop.place)
    except (DependencyError, UnsatisfiableError) as error:
        raise UnknownError(str(error)) from error
    except ResolveError as error:
        raise UnavailableError(str(error)) from error
    write_lock(lock_path(spec), lock)
    return lock


def each_platform(image: Image, folder: Path, file: Path | None = None) -> list[Spec]:
    """Return the image as one spec per platform; a single one if it names no platforms."""
    if not image.platforms:
        return [Spec(image, folder, file)]
    return [Spec(msgspec.structs.replace(image, platforms=[one]), folder, file) for one in image.platforms]


def config(env: Mapping[str, str], *, shell: bool) -> Config:
    """Return how to run an image of packages."""
    return Config(cmd=["bash"] if shell else None, env=env)
