"""From `lamella.toml` to a `Spec`. Everything wrong with a file is reported at once, with line numbers."""

import difflib
import re
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from lamella.spec.fields import TAKE, Fact, Value, facts
from lamella.spec.kinds import kind_of
from lamella.spec.model import Config, Image, Layer, Spec
from lamella.spec.places import lines
from lamella.spec.problems import KeyPath, KindError, Problem, SpecError, below, dotted, near_miss

NAME = "lamella.toml"

V = TypeVar("V", bound=Value)


def read(path: Path) -> Spec:
    """The spec in the file `path`, or in the `lamella.toml` of the folder `path`."""
    file = path / NAME if path.is_dir() else path
    if not file.exists():
        raise SpecError(str(file), [Problem((), f"no such file; {_instead(file)}")])
    return Spec(parse(text_of(file), str(file)), file.parent, file)


def _instead(file: Path) -> str:
    """What may have been meant by `file`, which does not exist."""
    host = str(file).partition("/")[0]
    if "." in host.strip(".") and "/" in str(file) and not Path(host).exists():
        return f"an image in a registry is written docker://{file}"
    beside = [one.name for one in file.parent.iterdir()] if file.parent.is_dir() else []
    near = difflib.get_close_matches(file.name, beside, 1)
    return f"did you mean {file.with_name(near[0])}?" if near else "write a spec, or name a folder with one"


def text_of(file: Path) -> str:
    """The text of a file."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise SpecError(str(file), [Problem((), f"cannot be read: {error.strerror}")]) from error
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SpecError(str(file), [Problem((), "the file is not UTF-8", line)]) from error


def parse(text: str, file: str = NAME) -> Image:
    """The image that `text` describes; `file` is what errors call it."""
    return parse_as(Image, text, file)


def parse_as(kind: type[V], text: str, file: str) -> V:
    """The value that `text` describes, with the keys of `kind`."""
    try:
        tables = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise SpecError(file, [_syntax(text, str(error))]) from error
    reading = _Reading(of_image=kind is Image)
    found = reading.table(tables, kind, ())
    if isinstance(found, kind) and not reading.problems:
        return found
    places = lines(text, [problem.path for problem in reading.problems])
    problems = [replace(problem, line=line) for problem, line in zip(reading.problems, places, strict=True)]
    raise SpecError(file, sorted(problems, key=lambda problem: problem.order))


def _syntax(text: str, message: str) -> Problem:
    """The message of `tomllib`, with its line."""
    match = re.search(r" \((?:at line (\d+), column (\d+)|at end of document)\)$", message)
    if not match:
        return Problem((), f"not valid TOML: {message}")
    line, column = match[1] or text.rstrip().count("\n") + 1, match[2]
    where = f" (column {column})" if column else " (at the end of the file)"
    return Problem((), f"not valid TOML: {message[: match.start()]}{where}", int(line))


class _Reading:
    """Makes values from tables, and collects what is wrong on the way."""

    def __init__(self, *, of_image: bool) -> None:
        self.problems: list[Problem] = []
        self._of_image = of_image

    def table(self, raw: object, kind: type[Value], path: KeyPath) -> Value | None:
        """`raw` as a `kind`, or None if something in it is wrong."""
        if kind.short and isinstance(raw, str):
            raw = {kind.short: raw}
        if not isinstance(raw, dict):
            expected = "a string or a table" if kind.short else "a table"
            self.problems.append(Problem(path, f"must be {expected}, not {kind_of(raw)}"))
            return None
        before = len(self.problems)
        values = self._values(raw, kind, path)
        if len(self.problems) > before:
            return None
        try:
            return kind(**values)
        except SpecError as error:
            self.problems += [below(path, problem) for problem in error.problems]
            return None

    def _values(self, raw: dict[str, Any], kind: type[Value], path: KeyPath) -> dict[str, Any]:
        known = {key: fact for fact in facts(kind) for key in (fact.key, *fact.said.also)}
        values: dict[str, Any] = {}
        spelled: dict[str, str] = {}
        for key, item in raw.items():
            here = (*path, key)
            fact = known.get(key)
            if fact is None:
                self.problems.append(self._unknown(key, list(known), path))
            elif (first := spelled.setdefault(fact.key, key)) != key:
                self.problems.append(Problem(here, f'means the same as "{first}"; keep one of them'))
            elif fact.attribute == TAKE:
                values[TAKE] = (*values.get(TAKE, ()), *self._value(item, fact, here))
            else:
                values[fact.attribute] = self._value(item, fact, here)
        for fact in facts(kind):
            if fact.required and fact.attribute not in values:
                self.problems.append(Problem(path, f'the key "{fact.key}" is missing{_inside(path)}', names_key=True))
        return values

    def _value(self, raw: Any, fact: Fact, path: KeyPath) -> Any:
        said = fact.said
        if said.table:
            return self.table(raw, said.table, path)
        if said.each and isinstance(raw, list):
            return tuple(self.table(item, said.each, (*path, i)) for i, item in enumerate(raw))
        if said.kind:
            try:
                return said.kind.read(raw)
            except KindError as error:
                self.problems += [below(path, problem) for problem in error.problems]
                return None
        self.problems.append(Problem(path, f"must be a list, not {kind_of(raw)}"))
        return ()

    def _unknown(self, key: str, known: list[str], path: KeyPath) -> Problem:
        hint = (self._of_image and _elsewhere(key, path)) or near_miss(key, known)
        if not hint and self._of_image and not path:
            hint = near_miss(key, _CONFIG).replace("?", ", in [config]?")
        return Problem((*path, key), f'unknown key "{key}"{_inside(path)}{hint}', names_key=True)


_CONFIG = [spelling for fact in facts(Config) for spelling in (fact.key, *fact.said.also)]


def _elsewhere(key: str, path: KeyPath) -> str:
    """Where `key` belongs, if it is a key of another table: TOML headers are easily misplaced."""
    if path:
        top = [fact.key for fact in facts(Image)]
        return "; it belongs at the top of the file, before the first [table]" if key in top else ""
    if key in _CONFIG:
        return "; it belongs in [config]"
    return "; it belongs in a [[layer]]" if key in [fact.key for fact in facts(Layer)] else ""


def _inside(path: KeyPath) -> str:
    if not path:
        return ""
    if len(path) == 2 and path[0] == "layer":
        return " in [[layer]]"
    return f" in [{dotted(path)}]" if all(isinstance(part, str) for part in path) else f" in {dotted(path)}"
