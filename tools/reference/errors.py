"""The page on errors: every kind that the code raises, by exit code."""

import importlib
import inspect
import pkgutil
from collections.abc import Iterator, Sequence

import lamella
from lamella.errors import LamellaError

MEANINGS = {
    0: "all is well",
    1: "what was asked for is not there, or cannot be told",
    2: "the command, the spec or the name of a place is not written as it should be",
    3: "packages or files cannot become an image as they are",
    4: "bytes are not what they were said to be: something changed, or is damaged",
    5: "a file, a folder or a destination cannot be read or written",
    6: "a registry refuses, or cannot be reached",
    130: "stopped by Ctrl-C",
    143: "stopped by a signal (SIGTERM)",
}

_OPENING = """\
# Errors

<!-- Made by `make docs`. -->

A failure is one line on stderr: what happened, to which file or package, and what to do about it. The exit code tells
scripts which kind it was.

| exit code | meaning |
| --- | --- |
"""

_PYTHON = """\
## From Python

All of these are a `lamella.LamellaError`, and have the exit code of the command as `exit_code`.
"""


def page() -> str:
    """The page as Markdown."""
    codes = "".join(f"| {code} | {meaning} |\n" for code, meaning in MEANINGS.items())
    kinds = sorted(every_kind(LamellaError), key=lambda kind: kind.__name__)
    sections = [_section(code, [kind for kind in kinds if kind.exit_code == code]) for code in MEANINGS]
    return "\n".join([f"{_OPENING}{codes}\n{_PYTHON}", *filter(None, sections)])


def _section(code: int, kinds: Sequence[type[LamellaError]]) -> str:
    rows = "".join(f"| `{kind.__name__}` | {_meaning(kind)} |\n" for kind in kinds)
    return f"### {code}: {MEANINGS[code]}\n\n| error | meaning |\n| --- | --- |\n{rows}" if rows else ""


def every_kind(base: type[LamellaError]) -> Iterator[type[LamellaError]]:
    """All errors of the package, in whichever module."""
    for module in pkgutil.walk_packages(lamella.__path__, "lamella."):
        importlib.import_module(module.name)
    waiting = [base]
    while waiting:
        kinds = waiting.pop().__subclasses__()
        yield from (kind for kind in kinds if not kind.__name__.startswith("_"))
        waiting += kinds


def _meaning(kind: type[LamellaError]) -> str:
    return (inspect.getdoc(kind) or "").partition("\n")[0].replace("|", "&#124;")
