"""Files that are read again when they change, without a signal or restart."""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

T = TypeVar("T")

_JUST_NOW = 2_000_000_000
"""Nanoseconds: a file younger than this may change again without looking different."""

_log = logging.getLogger(__name__)


class Watched(Generic[T]):
    """The result of `read` for the current `files`; of `otherwise`, given the last result, if `read` fails.

    At the start, errors of `read` are raised.
    """

    def __init__(self, files: tuple[Path, ...], read: Callable[[], T], otherwise: Callable[[T], T]) -> None:
        self._files = files
        self._read = read
        self._otherwise = otherwise
        self._seen = self._state()
        self._value = read()

    @property
    def value(self) -> T:
        """The current value."""
        state = self._state()
        if state is None or state != self._seen:
            try:
                self._value = self._read()
            except Exception as error:  # whatever it is, the server goes on
                _log.warning("%s", error)
                self._value = self._otherwise(self._value)
            self._seen = state
        return self._value

    def _state(self) -> tuple[tuple[int, ...], ...] | None:
        """Return what shows that files changed; None if they are too young to tell."""
        try:
            stats = [file.stat() for file in self._files]
        except OSError:
            return ()
        if any(abs(time.time_ns() - stat.st_mtime_ns) < _JUST_NOW for stat in stats):
            return None
        return tuple((stat.st_mtime_ns, stat.st_size, stat.st_ino) for stat in stats)
