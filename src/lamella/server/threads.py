"""Threads that wait for other machines: however slow those are, local work never has to wait for them."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

_AT_ONCE = 64


class Threads:
    """A limited number of calls run at once; others wait until one has ended."""

    def __init__(self, name: str) -> None:
        self._pool = ThreadPoolExecutor(_AT_ONCE, name)

    async def run(self, function: Callable[..., T], *arguments: object) -> T:
        """Return the result of `function`."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, function, *arguments)
