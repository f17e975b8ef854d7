"""Work under way, on stderr: bars where there is a terminal, lines where `-v` asks for them, nothing otherwise."""

import sys
import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

import click

from lamella.cli import show

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.progress import Progress, TaskID

_PATIENCE = 0.4


class Told:
    """Whom the workplace tells of its progress, from any thread. A name is done when all that is expected of it is."""

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
        """What goes on until the next progress; on a terminal it is shown if that takes a while."""
        self._say(what)
        if self._bars:
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
                self._say(f"{name}: {show.size(done)} in {time.monotonic() - started:.1f} s")

    def _say(self, line: str) -> None:
        if self._verbose:
            write: Callable[[str], None] = self._bars.say if self._bars else _to_stderr
            write(show.printable(line))


def _to_stderr(line: str) -> None:
    click.echo(line, err=True)


_WAITING = ""


class _Bars:
    """A bar for each name under way; they are gone when the work is."""

    def __init__(self) -> None:
        self._shown: Progress | None = None
        self._tasks: dict[str, TaskID] = {}

    def begin(self, what: str) -> None:
        """Shows `what` without an end in sight, until something moves."""
        shown = self._shown or self._start()
        self._tasks[_WAITING] = shown.add_task(what, total=None)

    def move(self, name: str, done: int, expected: int) -> None:
        shown = self._shown or self._start()
        if _WAITING in self._tasks:
            shown.remove_task(self._tasks.pop(_WAITING))
        if name not in self._tasks:
            self._tasks[name] = shown.add_task(show.printable(name), total=expected)
        if done == expected:
            shown.remove_task(self._tasks.pop(name))
        else:
            shown.update(self._tasks[name], completed=min(done, expected))

    def say(self, line: str) -> None:
        if self._shown:
            self._shown.console.print(line, markup=False, highlight=False)
        else:
            _to_stderr(line)

    def stop(self) -> None:
        if self._shown:
            self._shown.stop()

    def _start(self) -> "Progress":
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

        self._shown = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            DownloadColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._shown.start()
        return self._shown
