"""Who gives tokens for Debian's docker-registry: names and passwords in, signed words out (RFC 7519)."""

import base64
import json
import secrets
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.threaded import threaded

SERVICE = "registry of the tests"
ISSUER = "the tests"


class TokenServer:
    """Gives tokens to `me` with the password `secret`, and for reading to anybody who asks by `pull`."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self._certificate = certificate.read_text()
        self._key = key
        self.scopes: list[list[str]] = []
        self.realm = ""

    @property
    def settings(self) -> dict[str, str]:
        """The registry's `auth`, but for the file with the certificate."""
        return {"realm": self.realm, "service": SERVICE, "issuer": ISSUER}

    def token(self, scopes: list[str]) -> str:
        der = "".join(line for line in self._certificate.splitlines() if "-----" not in line)
        access = []
        for scope in scopes:
            kind, name, actions = scope.split(":")
            access.append({"type": kind, "name": name, "actions": actions.split(",")})
        now = int(time.time())
        head = {"typ": "JWT", "alg": "RS256", "x5c": [der]}
        claims = {"iss": ISSUER, "sub": "me", "aud": SERVICE, "nbf": now - 10, "iat": now, "exp": now + 300}
        body = ".".join(_spelled(json.dumps(part).encode()) for part in (head, {**claims, "access": access}))
        sign = ["openssl", "dgst", "-sha256", "-sign", str(self._key)]
        signed = subprocess.run(sign, input=body.encode(), capture_output=True, check=True).stdout
        return f"{body}.{_spelled(signed)}"


def _spelled(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


class Handler(BaseHTTPRequestHandler):
    tokens: TokenServer

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        told = parse_qs(urlsplit(self.path).query)
        expected = "Basic " + base64.b64encode(b"me:secret").decode()
        self._give(self.headers.get("Authorization") == expected, told)

    def do_POST(self) -> None:
        told = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self._give(told.get("refresh_token") == ["identity"], told)

    def _give(self, known: bool, told: dict[str, list[str]]) -> None:
        scopes = [scope for value in told.get("scope", []) for scope in value.split()]
        self.tokens.scopes.append(scopes)
        token = self.tokens.token(scopes) if known else ""
        answer = {"token": token, "access_token": token, "expires_in": 300, "nonce": secrets.token_hex(4)}
        body = json.dumps(answer).encode()
        self.send_response(200 if known else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def giving_tokens(certificate: Path, key: Path) -> Iterator[TokenServer]:
    """The server, on a port of its own."""
    tokens = TokenServer(certificate, key)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("TokenHandler", (Handler,), {"tokens": tokens}))
    tokens.realm = f"http://127.0.0.1:{server.server_port}/token"
    with threaded(server):
        yield tokens
