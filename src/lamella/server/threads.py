"""Threads for what waits for other machines: they may take their time, and what is here is never held up by them."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

_AT_ONCE = 64


class Threads:
    """So many calls go on at once; others wait until one has ended."""

    def __init__(self, name: str) -> None:
        self._pool = ThreadPoolExecutor(_AT_ONCE, name)

    async def run(self, function: Callable[..., T], *arguments: object) -> T:
        """What `function` gives."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, function, *arguments)
