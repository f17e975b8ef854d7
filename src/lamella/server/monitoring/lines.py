"""The log: a line for each request and each other message, as JSON for programs or in colours for people.

Everything that a client sent is escaped, so that no client can start a line of its own, or control a terminal.
"""

import contextlib
import json
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from lamella.server.answers import NUMBER
from lamella.server.words import duration, plain, plain_lines
from lamella.words import size

_LONGEST = 500
_ENCODER = msgspec.json.Encoder()
_DIM, _RED, _YELLOW, _GREEN, _END = "\x1b[2m", "\x1b[31m", "\x1b[33m", "\x1b[32m", "\x1b[0m"


class Line(NamedTuple):
    """A request that was answered. `who` is empty without a login."""

    request: str
    client: str
    who: str
    method: str
    path: str
    status: int
    bytes: int
    seconds: float
    error: str = ""


Tell = Callable[[Line], object]


def as_json(line: Line) -> str:
    """Return a request as a line of JSON."""
    told = {
        "time": _now(),
        "level": "info",
        "logger": "lamella.access",
        "request": line.request,
        "client": line.client,
        "who": line.who,
        "method": line.method[:_LONGEST],
        "path": line.path[:_LONGEST],
        "status": line.status,
        "bytes": line.bytes,
        "seconds": round(line.seconds, 6),
    }
    if line.error:
        told["error"] = line.error
    return _spelled(told)


def _spelled(told: dict[str, object]) -> str:
    """Return JSON in printable ASCII; by the faster encoder if that happens to give nothing else."""
    with contextlib.suppress(UnicodeEncodeError):
        text = _ENCODER.encode(told).decode()
        if text.isascii() and text.isprintable():
            return text
    return json.dumps(told)


def in_colours(line: Line) -> str:
    """Return a request as a line for a terminal."""
    colour = _GREEN if line.status < 400 else _YELLOW if line.status < 500 else _RED
    what = plain(f"{line.method} {line.path}"[:_LONGEST])
    by = plain(f"{line.client} {line.who}".strip())
    took = "" if line.seconds < 0.001 else f" in {duration(line.seconds)}"
    said = plain(f": {line.error}") if line.error else ""
    return f"{_DIM}{_clock()}{_END} {colour}{line.status}{_END} {what} {_DIM}{size(line.bytes)}{took}, {by}{said}{_END}"


class JsonFormatter(logging.Formatter):
    """Formats other messages as JSON."""

    def format(self, record: logging.LogRecord) -> str:
        told = {
            "time": _now(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "request": NUMBER.get(""),
            "message": record.getMessage(),
        }
        if record.exc_info:
            told["exception"] = self.formatException(record.exc_info)
        return json.dumps({name: value for name, value in told.items() if value})


class ColourFormatter(logging.Formatter):
    """Formats other messages for a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        colour = _RED if record.levelno >= logging.ERROR else _YELLOW if record.levelno >= logging.WARNING else _DIM
        number = NUMBER.get("")
        about = f" {_DIM}(request {number}){_END}" if number else ""
        trace = f"\n{self.formatException(record.exc_info)}" if record.exc_info else ""
        said = f"{colour}{record.levelname.lower()}{_END} {plain(record.getMessage())}{about}"
        return f"{_DIM}{_clock()}{_END} {said}{plain_lines(trace)}"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _clock() -> str:
    return time.strftime("%H:%M:%S")
