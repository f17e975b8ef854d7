"""The Python that packages are chosen for: its values for markers, and the wheels that suit it, best first."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

import msgspec
from packaging.markers import Marker
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from lamella.oci.wire import Platform
from lamella.sources.tree import SourceError

_MACHINES = {"amd64": "x86_64", "arm64": "aarch64", "riscv64": "riscv64"}
_OLDEST = {"x86_64": 5, "riscv64": 31}
_ALSO = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
_NEWEST_MUSL = 2


Word = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9_.]*\Z")]
"""A word that may be part of a path."""


@dataclass(frozen=True)
class Target:
    """A version such as `3.12`, a machine as in wheel tags, and the newest C library that wheels may need."""

    version: Word
    machine: Word
    libc: Word

    @property
    def uv_platform(self) -> str:
        """The same in the words of `uv --python-platform`."""
        libc = "unknown-linux-musl" if self.libc == "musl" else self.libc
        return f"{self.machine}-{libc}"

    @cached_property
    def ranks(self) -> dict[Tag, int]:
        """The tags of wheels that run there; lower ranks are better."""
        version = tuple(int(part) for part in self.version.split("."))
        interpreter = f"cp{self.version.replace('.', '')}"
        platforms = list(self._platforms())
        tags = [*cpython_tags(version, [interpreter], platforms), *compatible_tags(version, interpreter, platforms)]
        return {tag: rank for rank, tag in reversed(list(enumerate(tags)))}

    def rank(self, file: str) -> int | None:
        """The rank of the wheel with that file name; None if it does not run there."""
        try:
            tags = parse_wheel_filename(file)[3]
        except InvalidWheelFilename:
            return None
        return min((self.ranks[tag] for tag in tags if tag in self.ranks), default=None)

    def takes(self, marker: Marker | None, extras: frozenset[str] = frozenset()) -> bool:
        """Whether `marker` applies to this Python, with these extras."""
        if marker is None:
            return True
        return any(marker.evaluate({**self._environment, "extra": extra}) for extra in ("", *sorted(extras)))

    def _platforms(self) -> Iterator[str]:
        if self.libc == "musl":
            yield from (f"musllinux_1_{minor}_{self.machine}" for minor in range(_NEWEST_MUSL, -1, -1))
        else:
            newest = int(self.libc.rpartition("_")[2])
            for minor in range(newest, _OLDEST.get(self.machine, 17) - 1, -1):
                yield f"manylinux_2_{minor}_{self.machine}"
                if minor in _ALSO:
                    yield f"{_ALSO[minor]}_{self.machine}"
        yield f"linux_{self.machine}"

    @cached_property
    def _environment(self) -> dict[str, str]:
        return {
            "implementation_name": "cpython",
            "implementation_version": f"{self.version}.0",
            "os_name": "posix",
            "platform_machine": self.machine,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": "Linux",
            "platform_version": "",
            "python_full_version": f"{self.version}.0",
            "python_version": self.version,
            "sys_platform": "linux",
        }


def target(version: str, libc: str, platform: Platform) -> Target:
    """The target of an image for `platform`."""
    machine = _MACHINES.get(platform.architecture) if platform.os == "linux" else None
    if machine is None:
        known = ", ".join(f"linux/{name}" for name in _MACHINES)
        raise SourceError(
            f"Python packages cannot be chosen for {platform.os}/{platform.architecture}, only for {known}"
        )
    return Target(version, machine, libc)
