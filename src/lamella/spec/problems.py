"""What is wrong with a spec, said so that it can be mended: the file, the line, the key, and what was meant."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from lamella.errors import LamellaError

KeyPath = tuple[str | int, ...]
"""Where a value is: keys, and positions in lists."""

_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong. `names_key` is set when the message itself says at which key."""

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
        """By line, and on one line by place: the tenth after the ninth."""
        places = [(isinstance(part, int), part if isinstance(part, int) else 0, str(part)) for part in self.path]
        return self.line, places, self.message


class SpecError(LamellaError):
    """A spec is wrong; `problems` are in the order of the file, one line each, as many as can be read at once."""

    exit_code = 2

    def __init__(self, file: str, problems: Iterable[Problem]) -> None:
        self.file = file
        self.problems = tuple(problems)
        told = [problem.told(file) for problem in self.problems[:_SHOWN]]
        more = len(self.problems) - len(told)
        super().__init__("\n".join([*told, *([f"{file}: {more} more like these"] if more else [])]))


class KindError(ValueError):
    """A value is not of the kind that its key asks for; the paths of `problems` start at that key."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__(problems)
        self.problems = problems


def wrong(message: str, *path: str | int) -> KindError:
    """The error of one problem."""
    return KindError(Problem(path, message))


def below(path: KeyPath, problem: Problem) -> Problem:
    """`problem` as seen from further up: its path starts with `path`."""
    return replace(problem, path=(*path, *problem.path))


def dotted(path: KeyPath) -> str:
    """`path` as people write it: `layer[0].files[1].to`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def near_miss(word: str, known: Sequence[str]) -> str:
    """`; did you mean "..."?` if one of `known` is like `word`, else nothing."""
    found = difflib.get_close_matches(word, known, 1) or difflib.get_close_matches(word.lower(), known, 1)
    return f'; did you mean "{found[0]}"?' if found else ""
