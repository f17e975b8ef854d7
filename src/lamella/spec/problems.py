"""What is wrong with a spec: the file, the line, the key, and how to fix it."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from lamella.errors import LamellaError

KeyPath = tuple[str | int, ...]
"""Where a value is: keys, and positions in lists."""

_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong. `names_key` is set if the message itself names the key."""

    path: KeyPath
    message: str
    line: int = 0
    names_key: bool = False

    def told(self, file: str) -> str:
        place = f"{file}:{self.line}: " if self.line else f"{file}: "
        key = "" if self.names_key or not self.path else f"{dotted(self.path)}: "
        return f"{place}{key}{self.message}".replace("\n", "\\n")

    @property
    def order(self) -> tuple[object, ...]:
        """Sorts by line, and within a line by place, with numbers in numeric order."""
        places = [(isinstance(part, int), part if isinstance(part, int) else 0, str(part)) for part in self.path]
        return self.line, places, self.message


class SpecError(LamellaError):
    """A spec is wrong; `problems` are in the order of the file, one line each. The message shows the first of them."""

    exit_code = 2

    def __init__(self, file: str, problems: Iterable[Problem]) -> None:
        self.file = file
        self.problems = tuple(problems)
        told = [problem.told(file) for problem in self.problems[:_SHOWN]]
        more = len(self.problems) - len(told)
        super().__init__("\n".join([*told, *([f"{file}: {more} more like these"] if more else [])]))


class KindError(ValueError):
    """A value is not what its key requires; the paths of `problems` start at that key."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__(problems)
        self.problems = problems


def wrong(message: str, *path: str | int) -> KindError:
    """An error with one problem."""
    return KindError(Problem(path, message))


def below(path: KeyPath, problem: Problem) -> Problem:
    """`problem` with `path` before its own path."""
    return replace(problem, path=(*path, *problem.path))


def dotted(path: KeyPath) -> str:
    """`path` as people write it: `layer[0].files[1].to`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def near_miss(word: str, known: Sequence[str]) -> str:
    """`; did you mean "..."?` if one of `known` is similar to `word`, otherwise empty."""
    found = difflib.get_close_matches(word, known, 1) or difflib.get_close_matches(word.lower(), known, 1)
    return f'; did you mean "{found[0]}"?' if found else ""
