"""Several users of one bucket, step by step: in any order, killed at any call, with failing requests."""

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from tests.buckets import Memory

from lamella.staging import StorageError

CALLS = frozenset({"get", "put", "list", "delete", "create", "swap", "find", "read", "stage", "move"})


class KilledError(BaseException):
    """The process was killed."""


class Clock:
    """A clock that advances only when told to."""

    def __init__(self) -> None:
        self.now = 1_000_000_000.0

    def __call__(self) -> float:
        return self.now


class Watched:
    """A bucket whose every call passes through `around`, with its name and the function that performs it."""

    def __init__(self, bucket: Memory, around: Callable[[str, Callable[[], Any]], Any]) -> None:
        self._bucket = bucket
        self._around = around

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._bucket, name)
        if name not in CALLS:
            return method

        def call(*args: Any) -> Any:
            return self._around(name, lambda: list(method(*args)) if name == "list" else method(*args))

        return (lambda prefix="": iter(call(prefix))) if name == "list" else call


def killed_at(bucket: Memory, last: int) -> Watched:
    """Performs `last` calls; in the next one the process is killed."""
    count = 0

    def around(_name: str, call: Callable[[], Any]) -> Any:
        nonlocal count
        count += 1
        if count > last:
            raise KilledError
        return call()

    return Watched(bucket, around)


def failing(bucket: Memory, fails: Iterator[bool]) -> Watched:
    """Requests fail when `fails` says so; of those that write, every second one takes effect nevertheless."""
    done = False

    def around(_name: str, call: Callable[[], Any]) -> Any:
        nonlocal done
        if not next(fails):
            return call()
        done = not done
        if done:
            call()
        raise StorageError("the bucket failed")

    return Watched(bucket, around)


class Turns:
    """Lets several threads make one call at a time, in the order of `order`; then all in rotation."""

    def __init__(self, order: Sequence[int]) -> None:
        self._order = list(reversed(order))
        self._turned = threading.Condition()
        self._left: list[int] = []

    def run(self, bucket: Memory, actors: Sequence[Callable[[Any], object]]) -> None:
        """Run all threads to their end; raise what one of them raises."""
        raised: list[BaseException] = []
        self._left = list(range(len(actors)))

        def run(number: int) -> None:
            try:
                actors[number](Watched(bucket, lambda _, call: self._turn(number, call)))
            except BaseException as error:
                raised.append(error)
            with self._turned:
                self._left.remove(number)
                self._turned.notify_all()

        threads = [threading.Thread(target=run, args=(number,)) for number in range(len(actors))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if raised:
            raise raised[0]

    def _turn(self, number: int, call: Callable[[], Any]) -> Any:
        with self._turned:
            self._turned.wait_for(lambda: self._next() == number)
            try:
                return call()
            finally:
                self._order.pop()
                self._turned.notify_all()

    def _next(self) -> int:
        while self._order and self._order[-1] not in self._left:
            self._order.pop()
        if not self._order:
            self._order = [*self._left]
        return self._order[-1]
