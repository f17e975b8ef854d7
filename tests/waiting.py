"""Waiting for what others do, with an end: a test that waits in vain fails, and says what did not happen."""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

import pytest

T = TypeVar("T")

_LONGEST = 120.0
"""Seconds. Enough for any machine; only tests that fail wait as long."""


def until(is_so: Callable[[], T | None], what: str) -> T:
    """Waits until `is_so` returns something true, and returns that."""
    deadline = time.monotonic() + _LONGEST
    while not (found := is_so()):
        _check(deadline, what)
        time.sleep(0.005)
    return found


async def soon(is_so: Callable[[], T | None], what: str) -> T:
    """The same in an event loop."""
    deadline = time.monotonic() + _LONGEST
    while not (found := is_so()):
        _check(deadline, what)
        await asyncio.sleep(0.005)
    return found


def _check(deadline: float, what: str) -> None:
    if time.monotonic() > deadline:
        pytest.fail(f"waited {_LONGEST:g} s in vain: {what}")
