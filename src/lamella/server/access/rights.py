"""Rights: `ACTION` or `ACTION:PATTERN`, as in `pull:team/*`."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from lamella.oci.patterns import matches
from lamella.spec.kinds import Kind, text, texts
from lamella.spec.problems import near_miss, wrong

PULL, PUSH, DELETE, BUILD, ADMIN = ACTIONS = ("pull", "push", "delete", "build", "admin")
CHANGING = frozenset(ACTIONS) - {PULL}
ANY = "*"
EVERYTHING = "**"

_PATTERN = r"(?:[a-z0-9._/-]|\*{1,2}(?!\*))+"
"""The characters of repository names, and stars."""


@dataclass(frozen=True, slots=True)
class Right:
    """An action that is allowed for all names that match a pattern."""

    action: str
    pattern: str = EVERYTHING

    def allows(self, action: str) -> bool:
        """Whether `action` is allowed for any name. All actions on some names do not include `admin`."""
        if self.action == ANY:
            return action != ADMIN or self.pattern == EVERYTHING
        return self.action == action

    def covers(self, action: str, name: str) -> bool:
        """Whether `action` is allowed for `name`."""
        return self.allows(action) and matches(self.pattern, name)


def rights(written: Iterable[str]) -> tuple[Right, ...]:
    """Parse rights as the settings have them."""
    return tuple(Right(action, pattern or EVERYTHING) for action, _, pattern in (one.partition(":") for one in written))


def _check_right(value: str) -> str:
    action, colon, pattern = value.partition(":")
    if action not in (*ACTIONS, ANY):
        raise wrong(f'"{value}" does not start with one of {", ".join(ACTIONS)} or {ANY}{near_miss(action, ACTIONS)}')
    if colon and action == ADMIN:
        raise wrong(f'"{value}": this right applies to the whole server; write "{ADMIN}"')
    if colon and not re.fullmatch(_PATTERN, pattern):
        raise wrong(f'"{value}": after the colon must be a repository\'s name, in which * and ** may stand for parts')
    return value


_ON_NAMES = "|".join(action for action in ACTIONS if action != ADMIN)
listed: Kind = texts(text(_check_right, pattern=rf"^(?:{ADMIN}|(?:{_ON_NAMES}|\*)(?::{_PATTERN})?)$"))
"""The kind of a setting that lists rights."""
