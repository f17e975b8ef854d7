"""Requests to a registry: authorization, redirects, retries, and errors that name what was requested."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TypeVar
from urllib.parse import urljoin, urlsplit

from lamella.oci.image import Sink
from lamella.registry.challenge import challenges
from lamella.registry.credentials import Keychain
from lamella.registry.errors import LoginError, RegistryError, own_words
from lamella.registry.messages import Answer, Ask
from lamella.registry.tokens import Authorization
from lamella.transport.connections import Connections, Exchange, Response, Settings, shown, split
from lamella.transport.errors import LostError
from lamella.transport.proxies import is_loopback
from lamella.transport.retry import PASSING, TRIES, wait

T = TypeVar("T")
_LONGEST_BODY = 32 << 20
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_KEPT_REDIRECTS = frozenset({307, 308})
"""Redirects that repeat the same request, with its body."""

_MOST_TURNS = 8
_MOST_RENEWALS = 4
_PLAIN_HTTP = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE")
_HINTS = {
    403: "; the user who is logged in there may not do this",
    405: "; it does not allow anyone to do this",
    429: "; try again later, or log in for a higher limit",
}


@dataclass(frozen=True)
class _Refusal:
    answer: Answer


class Host:
    """A registry, by its name in image references. Safe to use from any number of threads."""

    def __init__(
        self,
        name: str,
        keychain: Keychain,
        settings: Settings,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.name = name
        self._settings = settings
        self._connections = Connections(settings)
        self._pause = pause
        self._authorization = Authorization(
            name, lambda repository: keychain.find(name, repository), self._fetch, insecure=settings.insecure
        )
        self._origin = ""
        self._met = False
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close the connections that are kept open."""
        self._connections.close()

    def ask(self, ask: Ask, expected: Sequence[int]) -> Answer:
        """Return the answer, read completely; raise an error if its status is not one of those `expected`."""
        return self._patiently(ask, lambda: self._once(ask, expected, self._whole))

    def read(self, ask: Ask, expected: Sequence[int], take: Callable[[Response, str], T]) -> T:
        """Return what `take` makes of the answer as it arrives. Once it has begun, a lost connection is not retried."""
        begun = False

        def taking(response: Response, url: str) -> T:
            nonlocal begun
            begun = True
            return take(response, url)

        return self._patiently(ask, lambda: self._once(ask, expected, taking), lambda: begun)

    def wait(self, number: int, told: str = "") -> None:
        """Wait after try `number`, for as long as the registry `told` us to."""
        self._pause(wait(told, number))

    @property
    def origin(self) -> str:
        """Scheme and host. Plain http is detected where it is allowed: on this machine, or with `insecure`."""
        with self._lock:
            if not self._origin:
                address = "registry-1.docker.io" if self.name == "docker.io" else self.name
                own = is_loopback(urlsplit(f"//{self.name}").hostname or "")
                plain = (self._settings.insecure or own) and not self._speaks_tls(f"https://{address}/v2/")
                self._origin = f"{'http' if plain else 'https'}://{address}"
            return self._origin

    def _speaks_tls(self, url: str) -> bool:
        """Whether the host answers to TLS, whatever its certificate; no credentials are sent."""
        try:
            with closing(Connections(replace(self._settings, insecure=True))) as probe, probe.exchange(url) as exchange:
                exchange.request("GET", {}).read(_LONGEST_BODY, self._settings.patience)
        except LostError as error:
            cause = error.__cause__
            if isinstance(cause, (ConnectionRefusedError, TimeoutError, socket.gaierror)):
                raise
            return isinstance(cause, ssl.SSLError) and _is_alert(cause)
        return True

    def _patiently(self, ask: Ask, once: Callable[[], "T | _Refusal"], begun: Callable[[], bool] = lambda: False) -> T:
        for number in range(1, TRIES + 1):
            last = number == TRIES or not ask.repeatable
            try:
                found = once()
            except LostError as error:
                if last or begun() or self._is_for_good(error.__cause__):
                    raise self._unreachable(ask, error) from error
                self.wait(number)
                continue
            if not isinstance(found, _Refusal):
                return found
            answer = found.answer
            if last or answer.status not in PASSING:
                raise self._refused(ask, answer)
            self.wait(number, answer.header("Retry-After"))
        raise AssertionError

    def _once(self, ask: Ask, expected: Sequence[int], take: Callable[[Response, str], T]) -> "T | _Refusal":
        url = urljoin(self.origin, ask.url)
        renewals = 0
        for _ in range(_MOST_TURNS):
            used = self._authorization.header(ask.scopes) if _same_host(url, self.origin) else ""
            headers = {**ask.headers, "Authorization": used} if used else ask.headers
            with self._connections.exchange(url) as exchange:
                response = _sent(exchange, ask, headers)
                self._met = True
                if response.status in expected:
                    return take(response, url)
                answer = self._whole(response, url)
            if answer.status == 401 and renewals < _MOST_RENEWALS and _same_host(url, self.origin):
                demanded = challenges(", ".join(answer.headers.get_all("WWW-Authenticate") or ()))
                renewals += 1
                if self._authorization.renew(demanded, ask.scopes, used):
                    continue
            where = answer.header("Location")
            followed = _REDIRECTS if ask.method in ("GET", "HEAD") else _KEPT_REDIRECTS
            if answer.status not in followed or not where:
                return _Refusal(answer)
            url = self.joined(url, where)
        raise RegistryError(f"{self.name} redirects too many times for {ask.what}")

    def joined(self, base: str, where: str) -> str:
        """The address `where`, as given at `base`; an encrypted address never leads to an unencrypted one."""
        try:
            to = split(urljoin(base, where))
        except ValueError as error:
            raise RegistryError(f"{shown(base)} leads to an address that cannot be used") from error
        if to.scheme == "http" and urlsplit(base).scheme == "https":
            if to.netloc == urlsplit(base).netloc:
                return to._replace(scheme="https").geturl()
            if not self._settings.insecure:
                raise RegistryError(f"{self.name} leads from {shown(base)} to {shown(where)}, which is not encrypted")
        return to.geturl()

    def _fetch(self, method: str, url: str, headers: dict[str, str], body: bytes) -> Answer:
        """Send a request to a token server."""
        ask = Ask(method, url, f"a token from {shown(url)}", (), headers, body)

        def once() -> Answer | _Refusal:
            with self._connections.exchange(url) as exchange:
                answer = self._whole(_sent(exchange, ask, headers), url)
            return _Refusal(answer) if answer.status in PASSING else answer

        return self._patiently(ask, once)

    def _is_for_good(self, error: BaseException | None) -> bool:
        """Whether a connection will fail in the same way again; a host that has answered before may be back soon."""
        absent = (ConnectionRefusedError, TimeoutError)
        if isinstance(error, socket.gaierror):
            return error.errno == socket.EAI_NONAME
        hopeless = isinstance(error, ssl.SSLCertVerificationError) or _is_plain_http(error)
        return hopeless or (isinstance(error, absent) and not self._met)

    def _whole(self, response: Response, url: str) -> Answer:
        body = response.read(_LONGEST_BODY, self._settings.patience)
        if response.read(1, self._settings.patience):
            raise RegistryError(f"{self.name} sends an answer that is too large, at {shown(url)}")
        return Answer(response.status, response.headers, body, url)

    def _refused(self, ask: Ask, answer: Answer) -> RegistryError:
        """The error for an answer with an unexpected status."""
        said = self._authorization.hidden(own_words(answer.body))
        hint, kind = _HINTS.get(answer.status, ""), RegistryError
        if answer.status == 401:
            tried = self._authorization.tried(ask.scopes)
            kind = LoginError if tried and self._authorization.is_basic else RegistryError
            hint = f"; it does not accept {tried.who}" if tried else ""
            hint += f"; log in with: docker login {self.name}"
        message = f"{self.name} refuses {ask.what}: {answer.status}{f' ({said})' if said else ''}{hint}"
        passing = answer.status in PASSING
        return kind(message, answer.status, answer.header("Retry-After"), passing=passing)

    def _unreachable(self, ask: Ask, error: LostError) -> RegistryError:
        cause = error.__cause__
        hint = ""
        if isinstance(cause, ssl.SSLCertVerificationError):
            hint = f"; pass its certificate with --ca, or put it into /etc/containers/certs.d/{self.name}"
        elif isinstance(cause, ssl.SSLError) and _is_plain_http(cause):
            hint = "; if it speaks plain http, pass --insecure"
        elif _is_alert(cause):
            hint = f"; if it requires a certificate, put it into /etc/containers/certs.d/{self.name}"
        elif isinstance(cause, ConnectionRefusedError):
            hint = "; is it running, and on that port?"
        elif isinstance(cause, socket.gaierror):
            hint = "; is its name right, and does the network work?"
        message = f"{self.name} cannot be reached for {ask.what}: {error}{hint}"
        return RegistryError(message, passing=not self._is_for_good(cause))


def _sent(exchange: Exchange, ask: Ask, headers: Mapping[str, str]) -> Response:
    """Send the request. An error that is answered before the request is complete counts as the answer."""

    def give(send: Sink) -> None:
        send(ask.body)

    length = ask.length if ask.give else len(ask.body)
    response = exchange.request(ask.method, headers, ask.give or give, length)
    if response.lost and response.status < 300:
        raise response.lost
    return response


def _same_host(url: str, origin: str) -> bool:
    usual = {"http": 80, "https": 443}
    one, other = ((p.scheme, p.hostname, p.port or usual[p.scheme]) for p in (split(url), split(origin)))
    return one == other


def _is_plain_http(error: BaseException | None) -> bool:
    return isinstance(error, ssl.SSLError) and error.reason in _PLAIN_HTTP


def _is_alert(error: BaseException | None) -> bool:
    """Whether the other side of TLS reports what it does not accept."""
    return isinstance(error, ssl.SSLError) and "ALERT" in (error.reason or "")
