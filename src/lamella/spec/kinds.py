"""Kinds of single values: each reads them into one normal form, and describes them as JSON Schema.

Reading is idempotent: a normal form reads as itself, so values made in Python pass through the same checks. Wrong
values raise `KindError`.
"""

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, time
from decimal import Decimal
from typing import Any

from lamella.spec.globs import as_regex
from lamella.spec.problems import KindError, Problem, below, near_miss, wrong

Schema = Mapping[str, Any]


@dataclass(frozen=True)
class Kind:
    """`read` returns the normal form of what was written; `schema` describes what is allowed, for editors."""

    read: Callable[[Any], Any]
    schema: Schema


def kind_of(value: object) -> str:
    """The type of `value`, in TOML's words."""
    names = {str: "a string", bool: "a boolean", int: "a whole number", float: "a number", dict: "a table"}
    if isinstance(value, date):
        return "a date"
    if isinstance(value, time):
        return "a time of day"
    return names.get(type(value), "a list")


def must_be(what: str, value: object) -> KindError:
    return wrong(f"must be {what}, not {kind_of(value)}")


def text(check: Callable[[str], str] | None = None, **schema: Any) -> Kind:
    """A string; `check` returns it, or raises `KindError`."""

    def read(value: object) -> str:
        if not isinstance(value, str):
            raise must_be("a string", value)
        if "\0" in value:
            raise wrong("must not contain a NUL character")
        return check(value) if check else value

    return Kind(read, {"type": "string", **schema})


def text_or_number(check: Callable[[str], str] | None = None, **schema: Any) -> Kind:
    """A string, or a whole number that stands for its digits."""
    plain = text(check, **schema)

    def read(value: object) -> Any:
        return plain.read(str(value) if type(value) is int and value >= 0 else value)

    return Kind(read, {"anyOf": [plain.schema, {"type": "integer", "minimum": 0}]})


def texts(item: Kind) -> Kind:
    """A list of items of the kind `item`."""

    def read(value: object) -> tuple[Any, ...]:
        if not isinstance(value, list | tuple):
            raise must_be("a list", value)
        return tuple(_each(item, enumerate(value)))

    return Kind(read, {"type": "array", "items": item.schema})


def texts_or_keys(item: Kind) -> Kind:
    """A list, or a set as OCI writes it: a table whose values are empty tables."""
    listed = texts(item)

    def read(value: object) -> tuple[Any, ...]:
        if not isinstance(value, dict):
            return tuple(dict.fromkeys(listed.read(value)))
        for key, empty in value.items():
            if empty != {}:
                raise wrong("must be an empty table, as OCI has it", key)
        return tuple(_each(item, ((key, key) for key in value)))

    oci = {"type": "object", "additionalProperties": {"type": "object", "maxProperties": 0}}
    return Kind(read, {"anyOf": [listed.schema, oci]})


def table(item: Kind, name: str = "") -> Kind:
    """A table of names and strings; `name` is a pattern for the names."""

    def read(value: object) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise must_be("a table", value)
        for key in value:
            if name and not re.fullmatch(name, key):
                raise wrong(f'"{key}" is not a valid name here', key)
        return dict(zip(value, _each(item, value.items()), strict=True))

    names = {"propertyNames": {"pattern": f"^{name}$"}} if name else {}
    return Kind(read, {"type": "object", "additionalProperties": item.schema, **names})


def _each(item: Kind, values: Iterable[tuple[str | int, object]]) -> list[Any]:
    """The normal forms of `values`, which come with their places."""
    read = []
    problems: list[Problem] = []
    for place, value in values:
        try:
            read.append(item.read(value))
        except KindError as error:
            problems += [below((place,), problem) for problem in error.problems]
    if problems:
        raise KindError(*problems)
    return read


def whole(low: int, high: int) -> Kind:
    """A whole number from `low` to `high`, both included."""

    def read(value: object) -> int:
        if type(value) is not int:
            raise must_be("a whole number", value)
        if not low <= value <= high:
            raise wrong(f"must be from {low} to {high}, not {value}")
        return value

    return Kind(read, {"type": "integer", "minimum": low, "maximum": high})


def choice(*names: str) -> Kind:
    """One of `names`."""

    def read(value: object) -> str:
        if not isinstance(value, str):
            raise must_be("a string", value)
        if value not in names:
            listed = ", ".join(f'"{name}"' for name in names)
            raise wrong(f'"{value}" is not one of {listed}{near_miss(value, names)}')
        return value

    return Kind(read, {"enum": list(names)})


def _read_flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise must_be("true or false", value)
    return value


flag = Kind(_read_flag, {"type": "boolean"})


_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([kKMGT]i?B|B)")
_STEPS = "BKMGT"


def _read_size(value: object) -> int:
    if isinstance(value, str):
        match = _SIZE.fullmatch(value)
        if not match:
            raise wrong(f'"{value}" is not a size such as "500 MB" or "1.5 GiB"')
        unit = match[2].upper()
        base = 1024 if "I" in unit else 1000
        value = int(Decimal(match[1]) * base ** _STEPS.index(unit[0]))
    if type(value) is not int:
        raise must_be('a size such as "1.5 GB"', value)
    if not 0 < value < 1 << 63:
        raise wrong("must be at least one byte and fit in 63 bits")
    return value


size = Kind(
    _read_size, {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": f"^{_SIZE.pattern}$"}]}
)


def _read_mode(value: object) -> int:
    if isinstance(value, str):
        if not re.fullmatch("[0-7]{3,5}", value):
            raise wrong(f'"{value}" is not an octal mode such as "0755"')
        value = int(value, 8)
    if type(value) is not int:
        raise must_be('an octal mode such as "0755"', value)
    if 512 <= value <= 999 and set(str(value)) <= set("01234567"):
        raise wrong(f'{value} is a decimal number; write "0{value}" or 0o{value}')
    if not 0 <= value <= 0o7777:
        raise wrong(f"{value:#o} is not a file mode; the highest is 0o7777")
    return value


mode = Kind(
    _read_mode,
    {"anyOf": [{"type": "string", "pattern": "^0?[0-7]{3,4}$"}, {"type": "integer", "minimum": 0, "maximum": 0o7777}]},
)


def _check_regex(value: str) -> str:
    try:
        re.compile(os.fsencode(value))
    except re.error as error:
        raise wrong(f'"{value}" is not a regular expression: {error}') from None
    return value


regex = text(_check_regex, format="regex")


def _check_absolute(value: str) -> str:
    if not value.startswith("/"):
        raise wrong(f'"{value}" must be absolute: start it with /')
    if ".." in value.split("/"):
        raise wrong(f'"{value}" must not contain ..')
    return value


absolute = text(_check_absolute, pattern="^/")


def _check_present(value: str) -> str:
    if not value.strip() or "\n" in value:
        raise wrong("must be a single line that is not empty")
    return value


line = text(_check_present, pattern=r"\S")


def _check_glob(value: str) -> str:
    _check_present(value)
    if value.startswith("!"):
        raise wrong(f'"{value}" would include files again, but patterns can only leave files out')
    if any(not inner.isascii() for inner in re.findall(r"\[([^\]]+)\]", value)):
        raise wrong(f'"{value}" must contain only ASCII between [ and ]')
    try:
        re.compile(os.fsencode(as_regex(value)))
    except re.error as error:
        raise wrong(f'"{value}" is not a pattern: {error.msg}') from None
    return value


glob = text(_check_glob, pattern=r"^[^!]")


def _read_step(value: object) -> dict[str, Any]:
    if not isinstance(value, dict) or not value:
        raise wrong("must be a table that names a step")
    if "bytes" not in value:
        return value
    (most,) = _each(size, [("bytes", value["bytes"])])
    return {**value, "bytes": most}


_step = Kind(_read_step, {"type": "object", "minProperties": 1, "properties": {"bytes": size.schema}})


def _read_pipeline(names: Kind, value: object) -> Any:
    if isinstance(value, str):
        return names.read(value)
    if not isinstance(value, list | tuple):
        raise must_be("a strategy's name or a list of tables", value)
    if not value:
        raise wrong("must contain at least one step")
    return tuple(_each(_step, enumerate(value)))


def strategy(*names: str) -> Kind:
    """The name of a strategy, or a pipeline: a list of steps, whose tables the layering step reads."""
    named = choice(*names)
    steps = {"type": "array", "minItems": 1, "items": _step.schema}
    return Kind(lambda value: _read_pipeline(named, value), {"anyOf": [named.schema, steps]})
