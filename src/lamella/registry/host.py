"""Asking a registry: authorization, patience, and errors that name what was asked.

A request whose body is known whole is sent again after a failure that may pass: a lost connection, 429, 5xx. How long
to wait says the registry itself, or else each wait is about twice the one before.
"""

import email.utils
import http.client
import random
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import urljoin, urlsplit

from lamella.oci.image import Buffer
from lamella.registry.challenge import challenges
from lamella.registry.connections import Connections, Exchange, Settings, is_loopback
from lamella.registry.credentials import Keychain
from lamella.registry.errors import RegistryError, own_words
from lamella.registry.tokens import Answer, Authorization

T = TypeVar("T")
TRIES = 6
_LONGEST_BODY = 32 << 20
_LONGEST_WAIT = 60.0
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 8

Lost = (OSError, http.client.HTTPException)
"""What a connection raises that fails."""

Give = Callable[[Callable[[Buffer], None]], None]
"""Pushes the bytes of a body."""


@dataclass(frozen=True)
class Ask:
    """A request. `what` is how errors speak of it; `give` pushes a body of `length` bytes, or in chunks for None."""

    method: str
    url: str
    what: str
    scopes: Sequence[str] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    give: Give | None = None
    length: int | None = 0


class Host:
    """A registry, by its name as in image references. May be used by any number of threads."""

    def __init__(
        self,
        name: str,
        keychain: Keychain,
        settings: Settings,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.name = name
        self._settings = settings
        self._keychain = keychain
        self._connections = Connections(settings)
        self._pause = pause
        self._authorization = Authorization(name, self._fetch)
        self._origin = ""
        self._lock = threading.Lock()

    def close(self) -> None:
        """Ends the connections that are kept."""
        self._connections.close()

    def ask(self, ask: Ask, expected: Sequence[int]) -> Answer:
        """The answer, read as a whole; an error if its status is none of those `expected`."""
        return self.read(ask, expected, lambda response, url: self._whole(response, url))

    def read(self, ask: Ask, expected: Sequence[int], take: Callable[[http.client.HTTPResponse, str], T]) -> T:
        """What `take` makes of the answer while it comes in. What is lost then is for the caller to see to."""
        for number in range(1, TRIES + 1):
            try:
                found = self._once(ask, expected, take)
            except Lost as error:
                if ask.give or number == TRIES or isinstance(error, ssl.SSLCertVerificationError):
                    raise self._unreachable(ask, error) from error
                self._pause(_wait(None, number))
                continue
            if not isinstance(found, Answer) or found.status in expected:
                return found  # type: ignore[return-value]  # an Answer is what take makes, or what is expected
            if found.status not in _PASSING or ask.give or number == TRIES:
                raise self.refused(ask, found)
            self._pause(_wait(found.headers.get("Retry-After"), number))
        raise AssertionError

    def refused(self, ask: Ask, answer: Answer) -> RegistryError:
        """The error for an answer that nobody wanted."""
        said = own_words(answer.body)
        hint = {
            401: f"; log in with: docker login {self.name}",
            403: "; whoever is logged in there may not do this",
            413: "; the registry takes no more bytes at once: give the layer a smaller max_bytes",
            429: "; try again later, or log in for a higher limit",
        }.get(answer.status, "")
        message = f"{self.name} refuses {ask.what}: {answer.status}{f' ({said})' if said else ''}{hint}"
        return RegistryError(message, answer.status)

    @property
    def origin(self) -> str:
        """Scheme and host. Plain http is found out, where it is allowed: on this machine, or if it was said."""
        with self._lock:
            if not self._origin:
                self._origin = f"https://{self._address}"
                if (self._settings.insecure or is_loopback(self.name)) and not self._speaks_tls():
                    self._origin = f"http://{self._address}"
            return self._origin

    @property
    def _address(self) -> str:
        return "registry-1.docker.io" if self.name == "docker.io" else self.name

    def _speaks_tls(self) -> bool:
        try:
            with self._connections.exchange(f"{self._origin}/v2/") as exchange:
                exchange.start("GET", {})
                exchange.answer().read()
        except ssl.SSLCertVerificationError:
            return True
        except Lost:
            return False
        return True

    def _once(
        self, ask: Ask, expected: Sequence[int], take: Callable[[http.client.HTTPResponse, str], T]
    ) -> "T | Answer":
        url = urljoin(self.origin, ask.url)
        credential = self._keychain.find(self.name, _repository(ask.scopes))
        learned = False
        for _ in range(_MOST_REDIRECTS):
            headers = dict(ask.headers)
            if _same_host(url, self.origin):
                header = self._authorization.header(credential, ask.scopes)
                headers |= {"Authorization": header} if header else {}
            with self._connections.exchange(url) as exchange:
                response = _sent(exchange, ask, headers)
                if response.status in expected:
                    return take(response, url)
                answer = self._whole(response, url)
            if answer.status == 401 and not learned and _same_host(url, self.origin):
                demanded = challenges(answer.headers.get("WWW-Authenticate") or "")
                learned = self._authorization.learn(demanded, ask.scopes)
                if learned:
                    continue
            where = answer.headers.get("Location")
            if answer.status in _REDIRECTS and where and ask.method in ("GET", "HEAD"):
                url = urljoin(url, where)
                continue
            return answer
        raise RegistryError(f"{self.name} sends {ask.what} from one place to another, and to no end")

    def _fetch(self, method: str, url: str, headers: dict[str, str], body: bytes) -> Answer:
        """Asks somebody else, such as who gives tokens."""
        for number in range(1, TRIES + 1):
            try:
                with self._connections.exchange(url) as exchange:
                    exchange.start(method, headers, len(body))
                    if body:
                        exchange.send(body)
                    answer = self._whole(exchange.answer(), url)
            except Lost as error:
                if number == TRIES:
                    raise RegistryError(f"{url} cannot be reached for a token: {_told(error)}") from error
                self._pause(_wait(None, number))
                continue
            if answer.status not in _PASSING or number == TRIES:
                return answer
            self._pause(_wait(answer.headers.get("Retry-After"), number))
        raise AssertionError

    def _whole(self, response: http.client.HTTPResponse, url: str) -> Answer:
        body = response.read(_LONGEST_BODY)
        if response.read(1):
            raise RegistryError(f"{self.name} says more than anybody could want to know, at {url}")
        return Answer(response.status, response.headers, body, url)

    def _unreachable(self, ask: Ask, error: BaseException) -> RegistryError:
        hint = ""
        if isinstance(error, ssl.SSLCertVerificationError):
            hint = f"; give its certificate with --ca, or put it into /etc/containers/certs.d/{self.name}"
        elif isinstance(error, ssl.SSLError):
            hint = "; if it speaks plain http, say --insecure"
        return RegistryError(f"{self.name} cannot be reached for {ask.what}: {_told(error)}{hint}")


def _sent(exchange: Exchange, ask: Ask, headers: Mapping[str, str]) -> http.client.HTTPResponse:
    """Sends the request. An answer that comes before its end is taken for one."""
    exchange.start(ask.method, headers, ask.length if ask.give else len(ask.body))
    try:
        if ask.give:
            ask.give(exchange.send)
        elif ask.body:
            exchange.send(ask.body)
    except (BrokenPipeError, ConnectionResetError) as error:
        try:
            return exchange.answer(complete=False)
        except Lost:
            raise error from None
    return exchange.answer()


def _repository(scopes: Sequence[str]) -> str:
    return scopes[0].split(":")[1] if scopes else ""


def _same_host(url: str, origin: str) -> bool:
    one, other = urlsplit(url), urlsplit(origin)
    return (one.scheme, one.netloc) == (other.scheme, other.netloc)


def _wait(told: str | None, number: int) -> float:
    """How long to wait after try `number`."""
    if told and told.strip().isdigit():
        return min(float(told), _LONGEST_WAIT)
    if told:
        parsed = email.utils.parsedate_to_datetime(told) if "," in told else None
        if parsed:
            return float(min(max(parsed.timestamp() - time.time(), 0.0), _LONGEST_WAIT))
    return min(0.25 * 2.0**number, _LONGEST_WAIT) * (0.5 + random.random() / 2)


def _told(error: BaseException) -> str:
    return str(getattr(error, "strerror", None) or error or type(error).__name__)
