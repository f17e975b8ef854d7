"""How the values of a spec declare their keys: one origin for reading, checking, schema and reference."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, get_type_hints

import msgspec

from lamella.spec.kinds import Kind
from lamella.spec.problems import KindError, Problem, SpecError, below

TAKE = "take"
"""The attribute for what is taken, under whichever key it is written."""


@dataclass(frozen=True)
class Said:
    """What a key means: a single value of some `kind`, or a table (`each`: a list of tables) of some class.

    `also` are other spellings of the key.
    """

    description: str
    kind: Kind | None = None
    table: "type[Value] | None" = None
    each: "type[Value] | None" = None
    also: tuple[str, ...] = ()


@dataclass(frozen=True)
class Fact:
    """A key of the file, and the attribute that it fills. Several keys may fill one attribute that is a list."""

    key: str
    attribute: str
    said: Said
    default: Any

    @property
    def required(self) -> bool:
        return self.default is msgspec.NODEFAULT


class Value(msgspec.Struct, frozen=True):
    """Base of everything in a spec: checked and normalized when made; lists become tuples."""

    short: ClassVar[str] = ""
    """The key that a plain string in place of the table stands for."""
    summary: ClassVar[str] = ""
    """What the table is for."""
    spread: ClassVar[dict[str, "type[Value]"]] = {}
    """The keys that together fill the attribute `TAKE`, and the class of their items."""

    def __post_init__(self) -> None:
        problems: list[Problem] = []
        for fact in facts(type(self)):
            given = getattr(self, fact.attribute)
            if fact.attribute == TAKE or given == fact.default:
                continue
            try:
                msgspec.structs.force_setattr(self, fact.attribute, _normal(fact.said, given))
            except KindError as error:
                problems += [below((fact.key,), problem) for problem in error.problems]
        problems += self._group_what_is_taken() if self.spread else ()
        problems += self.wrongs() if not problems else ()
        if problems:
            raise SpecError(type(self).__name__, problems)

    def _group_what_is_taken(self) -> Iterator[Problem]:
        """Groups it by source, so that the order of these keys in a file does not matter."""
        given = getattr(self, TAKE)
        for i, want in enumerate(given):
            if type(want) not in self.spread.values():
                makers = " or ".join(f"{key}(...)" for key in self.spread)
                yield Problem((TAKE, i), f"{want!r} must be written as {makers}")
        grouped = tuple(want for kind in self.spread.values() for want in given if type(want) is kind)
        msgspec.structs.force_setattr(self, TAKE, grouped)

    def wrongs(self) -> Iterator[Problem]:
        """What is wrong with the fields taken together."""
        return iter(())


def _normal(said: Said, given: Any) -> Any:
    if said.kind:
        return said.kind.read(given)
    return tuple(given) if said.each else given


@cache
def facts(value: type[Value]) -> tuple[Fact, ...]:
    """The keys of `value`, in the order of their declaration."""
    hints = get_type_hints(value, include_extras=True)
    found = []
    for field in msgspec.structs.fields(value):
        make = field.default_factory
        default = field.default if make is msgspec.NODEFAULT else make()
        if field.name == TAKE:
            spread = value.spread.items()
            found += [Fact(key, TAKE, Said(item.summary, each=item), ()) for key, item in spread]
        else:
            said = hints[field.name].__metadata__[0]
            found.append(Fact(field.encode_name, field.name, said, default))
    return tuple(found)
