"""Long lists, a page at a time."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from aiohttp import web

from lamella.server.answers import RefusedError

T = TypeVar("T")

_SIZE = 50


@dataclass(frozen=True)
class Page(Generic[T]):
    """Some of many items; `before` and `after` are the numbers of the pages around this one, or 0."""

    items: Sequence[T]
    number: int
    count: int

    @property
    def before(self) -> int:
        """The number of the previous page."""
        return self.number - 1

    @property
    def after(self) -> int:
        """The number of the next page."""
        return self.number + 1 if self.number < self.count else 0


def page_of(request: web.Request, items: Sequence[T]) -> Page[T]:
    """Return the page in `?page=`; numbers that are too high mean the last page."""
    asked = request.query.get("page", "1")
    if not re.fullmatch("[0-9]{1,9}", asked):
        raise RefusedError(400, "PAGINATION_NUMBER_INVALID", f"page={asked[:40]!a} is not a whole number")
    count = max(1, -(-len(items) // _SIZE))
    number = min(max(1, int(asked)), count)
    return Page(items[(number - 1) * _SIZE : number * _SIZE], number, count)
