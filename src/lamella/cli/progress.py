"""Progress on stderr: bars on a terminal, lines with `-v`, nothing otherwise."""

import sys
import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

import click

from lamella.cli import show
from lamella.oci.image import Steps

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console
    from rich.progress import Progress, ProgressColumn, TaskID

_PATIENCE = 0.4


class Told:
    """Receives the workplace's progress, from any thread. A name is done when all its expected bytes are."""

    def __init__(self, *, quiet: bool = False, verbose: bool = False) -> None:
        self._bars = _Bars() if sys.stderr.isatty() and not quiet else None
        self._verbose = verbose
        self._started: dict[str, float] = {}
        self._lock = threading.Lock()
        self._soon = threading.Timer(0, lambda: None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._bars:
            self._soon.cancel()
            with self._lock:
                self._bars.stop()
                self._bars = None

    def doing(self, what: str) -> None:
        """Report what goes on until the next progress; a terminal shows it if it takes a while."""
        self._say(what)
        if self._bars:
            self._soon.cancel()
            self._soon = threading.Timer(_PATIENCE, self._begin, [what])
            self._soon.daemon = True
            self._soon.start()

    def _begin(self, what: str) -> None:
        with self._lock:
            if self._bars and not self._started:
                self._bars.begin(what)

    def progress(self, name: str, done: int, expected: int) -> None:
        """`done` of `expected` bytes have passed."""
        with self._lock:
            started = self._started.setdefault(name, time.monotonic())
            if self._bars:
                self._bars.move(name, done, expected)
            if done == expected:
                del self._started[name]
                self._say(f"{_label(name)}: {_amount(name, done)} in {time.monotonic() - started:.1f} s")

    def _say(self, line: str) -> None:
        if self._verbose:
            write: Callable[[str], None] = self._bars.say if self._bars else _to_stderr
            write(show.printable(line))


def _label(name: str) -> str:
    """The name of a layer; the start of the digest of one that has no name."""
    return show.short(name) if name.startswith("sha256:") else show.printable(name)


def _amount(name: str, count: int) -> str:
    return f"{count:,}" if isinstance(name, Steps) else show.size(count)


def _to_stderr(line: str) -> None:
    click.echo(line, err=True)


_WAITING = ""
_FOR_OTHERS = 3
_NARROW = 72
"""Columns; with fewer there is no room for bars, only for numbers."""


class _Bars:
    """A line for each name in progress, however narrow the terminal is; the lines disappear at the end."""

    def __init__(self) -> None:
        self._shown: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._shown_columns: tuple[ProgressColumn, ...] = ()

    def begin(self, what: str) -> None:
        """Show `what` without a known end, until there is progress."""
        shown = self._shown or self._start()
        if _WAITING in self._tasks:
            shown.remove_task(self._tasks.pop(_WAITING))
        self._tasks[_WAITING] = shown.add_task(what, total=None, so_far="")

    def move(self, name: str, done: int, expected: int) -> None:
        shown = self._shown or self._start()
        if _WAITING in self._tasks:
            shown.remove_task(self._tasks.pop(_WAITING))
        if name not in self._tasks:
            self._tasks[name] = shown.add_task(_label(name), total=expected, so_far="")
        if done == expected:
            shown.remove_task(self._tasks.pop(name))
        else:
            so_far = f"{100 * done // max(expected, 1)} %"
            if self._fit(shown):
                so_far = f"{_amount(name, done)} of {_amount(name, expected)}"
            shown.update(self._tasks[name], completed=min(done, expected), so_far=so_far)

    def say(self, line: str) -> None:
        if self._shown:
            self._shown.console.print(line, markup=False, highlight=False)
        else:
            _to_stderr(line)

    def stop(self) -> None:
        if self._shown:
            self._shown.stop()

    def _start(self) -> "Progress":
        from rich.progress import Progress

        self._shown = Progress(console=_screen(), transient=True)
        self._fit(self._shown)
        self._shown.start()
        return self._shown

    def _fit(self, shown: "Progress") -> bool:
        """Choose the columns that fit now; return whether all of them do."""
        is_wide = shown.console.width >= _NARROW
        if is_wide == shown.expand or not self._shown_columns:
            shown.expand = not is_wide
            shown.columns = self._shown_columns = _columns(is_wide=is_wide)
        return is_wide


def _columns(*, is_wide: bool) -> "tuple[ProgressColumn, ...]":
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.table import Column

    name = Column(no_wrap=True, overflow="ellipsis", ratio=None if is_wide else 1)
    so_far = Column(no_wrap=True, justify="right", min_width=18 if is_wide else 5)
    first = TextColumn("{task.description}", markup=False, table_column=name)
    moved = TextColumn("{task.fields[so_far]}", markup=False, table_column=so_far)
    if not is_wide:
        return first, moved
    bar = BarColumn(bar_width=24, table_column=Column(no_wrap=True, min_width=24))
    return first, bar, moved, TimeRemainingColumn(table_column=Column(no_wrap=True, min_width=7))


def _screen() -> "Console":
    """The terminal, except the columns that a `^C` at a line's end takes, so that it never moves our lines."""
    from rich.console import Console, ConsoleDimensions

    class Screen(Console):
        @property  # type: ignore[misc] # nobody sets the size of a terminal
        def size(self) -> ConsoleDimensions:
            found = super().size
            return ConsoleDimensions(max(found.width - _FOR_OTHERS, 1), found.height)

    return Screen(stderr=True)
