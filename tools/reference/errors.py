"""The page on errors: every kind that the code raises, by exit code."""

import importlib
import inspect
import pkgutil
from collections.abc import Iterator, Sequence

import lamella
from lamella.errors import LamellaError

MEANINGS = {
    0: "success",
    1: "what was requested does not exist, or cannot be determined",
    2: "the command, the spec or the name of a place is not valid",
    3: "packages or files cannot become an image as they are",
    4: "bytes are not what they should be: something changed, or is damaged",
    5: "a file, a folder or a destination cannot be read or written",
    6: "a registry refused a request, or cannot be reached",
    130: "stopped by Ctrl-C",
    143: "stopped by a signal (SIGTERM)",
}

_OPENING = """\
# Errors

<!-- Made by `make docs`. -->

A failure is one line on stderr: what happened, to which file or package, and what to do about it. The exit code tells
scripts the kind of failure.

| exit code | meaning |
| --- | --- |
"""

_PYTHON = """\
## From Python

All of these are subclasses of `lamella.LamellaError`, with the command's exit code as `exit_code`.
"""


def page() -> str:
    """Return the page as Markdown."""
    codes = "".join(f"| {code} | {meaning} |\n" for code, meaning in MEANINGS.items())
    kinds = sorted(every_kind(LamellaError), key=lambda kind: kind.__name__)
    sections = [_section(code, [kind for kind in kinds if kind.exit_code == code]) for code in MEANINGS]
    return "\n".join([f"{_OPENING}{codes}\n{_PYTHON}", *filter(None, sections)])


def _section(code: int, kinds: Sequence[type[LamellaError]]) -> str:
    rows = "".join(f"| `{kind.__name__}` | {_meaning(kind)} |\n" for kind in kinds)
    return f"### {code}: {MEANINGS[code]}\n\n| error | meaning |\n| --- | --- |\n{rows}" if rows else ""


def every_kind(base: type[LamellaError]) -> Iterator[type[LamellaError]]:
    """Return all errors of the package, from every module."""
    for module in pkgutil.walk_packages(lamella.__path__, "lamella."):
        importlib.import_module(module.name)
    waiting = [base]
    while waiting:
        kinds = waiting.pop().__subclasses__()
        yield from (kind for kind in kinds if not kind.__name__.startswith("_"))
        waiting += kinds


def _meaning(kind: type[LamellaError]) -> str:
    return (inspect.getdoc(kind) or "").partition("\n")[0].replace("|", "&#124;")
