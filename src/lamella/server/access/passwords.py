"""Users and their passwords, from a file of `USER:HASH` lines made by `htpasswd -B`.

bcrypt is slow on purpose. So it runs in separate threads, simultaneous requests with the same password share one check,
and a right password is remembered for a while under a salted hash. An unknown user takes as long as a wrong password,
and no client has more checks running than it has `guesses`.
"""

import asyncio
import hmac
import logging
import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import bcrypt

from lamella.errors import LamellaError
from lamella.server.access.rates import Rate
from lamella.server.access.refusals import too_many
from lamella.server.access.watched import Watched

_HASH = re.compile(r"\$2[aby]\$(?:0[4-9]|1\d|2[0-4])\$[./A-Za-z0-9]{53}")
_SEEN_BY_BCRYPT = 72
_REMEMBERED = 300.0
_MOST_REMEMBERED = 1000
_THREADS = 2

TOO_OFTEN = "too many failed logins from your address"

Hashes = dict[str, bytes]

_log = logging.getLogger(__name__)


class PasswordFileError(LamellaError):
    """A password file cannot be used."""

    exit_code = 2


class Passwords:
    """Checks passwords of users."""

    def __init__(self, file: Path, guesses: Rate, clock: Callable[[], float] = time.monotonic) -> None:
        for problem in _read(file)[1]:
            raise PasswordFileError(problem)
        self._hashes = Watched((file,), lambda: _of_file(file), lambda _: {})
        self._clock = clock
        self._guesses = guesses
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="passwords")
        self._salt = secrets.token_bytes(32)
        self._right: OrderedDict[bytes, float] = OrderedDict()
        self._asked: dict[bytes, asyncio.Future[bool]] = {}

    async def are_right(self, user: str, password: str, client: str) -> bool:
        """Whether `password` is the password of `user`."""
        hashes = self._hashes.value
        if not hashes:
            return False
        against = hashes.get(user) or next(iter(hashes.values()))
        question = hmac.digest(self._salt, b"\0".join([user.encode(), password.encode(), against]), "sha256")
        if self._clock() < self._right.get(question, 0.0):
            return True
        is_right = await self._answer(question, password, against, client)
        if is_right and user in hashes:
            self._remember(question)
            return True
        return False

    async def _answer(self, question: bytes, password: str, against: bytes, client: str) -> bool:
        if question in self._asked:
            return await asyncio.shield(self._asked[question])
        if wait := self._guesses.take(client):
            raise too_many(TOO_OFTEN, wait)
        try:
            return await asyncio.shield(self._ask(question, password, against))
        finally:
            self._guesses.give_back(client)

    def _ask(self, question: bytes, password: str, against: bytes) -> "asyncio.Future[bool]":
        seen = password.encode()[:_SEEN_BY_BCRYPT]
        answer = asyncio.get_running_loop().run_in_executor(self._threads, bcrypt.checkpw, seen, against)
        self._asked[question] = answer
        answer.add_done_callback(lambda _: self._asked.pop(question, None))
        return answer

    def _remember(self, question: bytes) -> None:
        self._right[question] = self._clock() + _REMEMBERED
        self._right.move_to_end(question)
        while len(self._right) > _MOST_REMEMBERED:
            self._right.popitem(last=False)


def _of_file(file: Path) -> Hashes:
    """Return the users in `file`. Unusable lines are logged, and nobody can log in with them."""
    hashes, problems = _read(file)
    for problem in problems:
        _log.warning("%s", problem)
    return hashes


def _read(file: Path) -> tuple[Hashes, list[str]]:
    hashes: Hashes = {}
    problems: list[str] = []
    try:
        lines = file.read_text(errors="replace").splitlines()
    except OSError as error:
        raise PasswordFileError(f"cannot read {file}: {error.strerror}") from error
    for number, line in enumerate(lines, 1):
        user, _, hashed = line.strip().partition(":")
        if not user or user.startswith("#"):
            continue
        if _HASH.fullmatch(hashed):
            hashes[user] = hashed.encode()
        else:
            problems.append(f"{file}:{number}: the password of {user!a} is not a bcrypt hash; make it with htpasswd -B")
    return hashes, problems
