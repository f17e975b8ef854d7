"""Images of Python packages, with the Python of Debian or of a base image.

A tag is a day: packages are those that existed when it began. `latest` means those of this moment.
"""

import hashlib
import re
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from lamella.pipeline.lock.file import Lock
from lamella.pipeline.workplace import Workplace
from lamella.server.demand import deb
from lamella.server.demand.errors import DemandError, UnknownError
from lamella.server.demand.names import LATEST, Pin, Request
from lamella.server.demand.workshop import PATH, Workshop, config, each_platform, locked
from lamella.spec.model import Image, Layer, Spec
from lamella.spec.problems import SpecError
from lamella.spec.python import Python
from lamella.spec.wants import PypiWant

_DEBS = ("libstdc++6", "python-is-python3")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


def pin(request: Request, place: Workplace, now: datetime) -> Pin:
    """Return the pin: a day that is over pins packages; archives or a base's digest pin the Python below them.

    The constraints are part of it, as their files may change.
    """
    day, source = _day(request), request.source
    past = bool(day) and datetime.fromisoformat(day) < now.astimezone(UTC)
    limits = "".join(f" {one}" for one in _constraints(request))
    if source.base:
        return Pin(f"packages {day} {source.base}{limits}", moving=not past or "@sha256:" not in source.base)
    return Pin(f"packages {day} {deb.archives(source, place)}{limits}", moving=not past)


def specs(request: Request, folder: Path, workshop: Workshop) -> list[Spec]:
    """Return the image for each platform, with the lock of what was chosen."""
    source, python = request.source, _python(request)
    below = [] if source.base else [Layer("python", deb.wants(_DEBS, shell=request.shell))]
    wants = [_want(name) for name in request.packages]
    image = Image(
        name=request.short_name,
        layers=[*below, *([Layer("packages", wants, layering="dominators")] if wants else [])],
        config=config({} if source.base else PATH, shell=request.shell),
        python=python,
        base=source.base,
        debian=source.debian,
        platforms=request.platforms,
        max_layers=request.layers,
    )
    lock = locked(image, folder, workshop)
    if not source.base:
        _check_version(lock, python)
    return each_platform(image, folder)


def _python(request: Request) -> Python:
    """Return the Python, with the folder of its packages and the day up to which packages are considered."""
    told = request.source.python
    assert told
    day = _day(request)
    changed = {"exclude_newer": day} if day else {}
    if not request.source.base:
        changed["packages"] = told.packages or f"/usr/local/lib/python{told.version}/dist-packages"
        changed["interpreter"] = told.interpreter or f"/usr/bin/python{told.version}"
    return msgspec.structs.replace(told, **changed)


def _constraints(request: Request) -> list[str]:
    """Return the hash of each file of constraints."""
    files = request.source.python.constraints if request.source.python else ()
    return [hashlib.sha256(Path(file).read_bytes()).hexdigest() for file in files]


def _day(request: Request) -> str:
    """Return the moment up to which packages are considered, as far as the settings allow; empty for now."""
    source, tag = request.source, request.tag
    known = source.python.exclude_newer if source.python else ""
    if tag == LATEST:
        return known
    try:
        if _DAY.fullmatch(tag):
            day = f"{datetime.fromisoformat(tag).date()}T00:00:00Z"
            return min(day, known) if known else day
    except ValueError:
        pass
    raise UnknownError(f"there is no tag {tag}: the tags of {source.name} are {LATEST} and days such as 2026-01-31")


def _want(name: str) -> PypiWant:
    try:
        return PypiWant(name)
    except SpecError as error:
        raise UnknownError(f"{name} is not a valid name of a Python package") from error


def _check_version(lock: Lock, python: Python) -> None:
    """Raise an error if the archives have a different Python."""
    for name, platform in lock.platforms.items():
        debs = platform.debian.debs if platform.debian else ()
        version = next((one.version for one in debs if one.name == "python3"), "none")
        if not version.startswith(f"{python.version}."):
            raise DemandError(
                f"the archives have Python {version} for {name}, not {python.version}; "
                "set different archives or a base image in the settings"
            )
