"""Runs commands in their own terminal, and records what it showed, and when."""

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyte

COLUMNS, ROWS = 104, 27
PROMPT = "\x1b[1;32m$\x1b[0m "
TYPING, AFTERWARDS, SHORTEST, LONGEST = 0.045, 1.6, 0.05, 0.8
"""Seconds for typing a letter, for reading output, and the shortest and longest time of a picture: shorter ones
would not be seen, and longer waits are cut."""

Cell = tuple[str, str, bool]
"""A character, its colour, and whether it is bold."""
Row = tuple[Cell, ...]


@dataclass(frozen=True)
class Frame:
    """What the terminal showed, and for how many seconds."""

    rows: tuple[Row, ...]
    seconds: float


def record(commands: Sequence[str], folder: Path, env: Mapping[str, str]) -> list[Frame]:
    """Return what a terminal shows while `commands` are typed and run in `folder`, one after the other."""
    screen = pyte.Screen(COLUMNS, ROWS)
    screen.set_mode(pyte.modes.LNM)
    stream = pyte.ByteStream(screen)
    frames: list[Frame] = []

    def show(data: bytes, seconds: float) -> None:
        stream.feed(data)
        rows = tuple(_row(screen, number) for number in range(ROWS))
        if frames and frames[-1].rows == rows:
            frames[-1] = Frame(rows, frames[-1].seconds + seconds)
        else:
            frames.append(Frame(rows, seconds))

    for command in commands:
        show(PROMPT.encode(), AFTERWARDS / 2)
        for start in range(0, len(command), 3):
            show(command[start : start + 3].encode(), 3 * TYPING)
        show(b"\n", 0.1)
        for data, seconds in _run(command, folder, env):
            show(data, min(seconds, LONGEST))
        show(b"", AFTERWARDS)
    return frames


def _row(screen: pyte.Screen, number: int) -> Row:
    cells = [(cell.data, cell.fg, cell.bold) for cell in (screen.buffer[number][x] for x in range(COLUMNS))]
    while cells and cells[-1][0] == " ":
        cells.pop()
    return tuple(cells)


def _run(command: str, folder: Path, env: Mapping[str, str]) -> Iterator[tuple[bytes, float]]:
    """Yield what `command` writes, and how long it took until it wrote more."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    process = subprocess.Popen(
        ["sh", "-c", command], cwd=folder, env=dict(env), stdin=theirs, stdout=theirs, stderr=theirs, close_fds=True
    )
    os.close(theirs)
    data, since = b"", time.monotonic()
    while True:
        ready, _, _ = select.select([ours], [], [], 0.1)
        try:
            more = os.read(ours, 65536) if ready else b""
        except OSError:
            break
        if more and time.monotonic() - since > SHORTEST:
            yield data, time.monotonic() - since
            data, since = b"", time.monotonic()
        data += more
    yield data, time.monotonic() - since
    os.close(ours)
    if process.wait():
        raise SystemExit(f"{command!r} ended with {process.returncode}")
