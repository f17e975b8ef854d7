"""A small server behind the entrance, and an issuer of tokens, both on loopback."""

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

import bcrypt
import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from lamella.server.access import admission, tls
from lamella.server.access.asked import CLIENT, IDENTITY, permit
from lamella.server.access.audit import Audit
from lamella.server.access.client import Proxies
from lamella.server.access.connections import Site
from lamella.server.access.identity import Door
from lamella.server.access.middleware import Entrance
from lamella.server.access.settings import Access, Limits, Tls
from lamella.server.answers import explaining
from lamella.server.gate import GATE, admit
from lamella.spec.fields import Said, Value
from lamella.spec.reader import parse_as
from lamella.transport.connections import Settings
from lamella.transport.fetch import Fetcher

AUDIENCE = "registry.example.com"
DOWNLOAD = 64 << 20


class Sections(Value, frozen=True, kw_only=True):
    """The sections of the server's settings that concern access."""

    access: Annotated[Access, Said(Access.summary, table=Access)] = Access()
    limits: Annotated[Limits, Said(Limits.summary, table=Limits)] = Limits()
    tls: Annotated[Tls | None, Said(Tls.summary, table=Tls)] = None


def sections(text: str) -> Sections:
    """Parse the settings in `text`."""
    return parse_as(Sections, text, "serve.toml")


def hashed(password: str, cost: int = 4) -> str:
    """Hash a password as `htpasswd -B` does."""
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(cost)).decode().replace("$2b$", "$2y$")


def fetch(url: str) -> bytes:
    """Download a document from another machine."""
    fetcher = Fetcher(Settings(timeout=5), pause=lambda _: None)
    with contextlib.closing(fetcher):
        return fetcher.document(url)


def door(text: str, *, loopback: bool = False) -> Door:
    """Return a door with the `[access]` section in `text`."""
    return Door(sections(text).access, fetch, loopback=loopback)


async def _answer(request: web.Request) -> web.StreamResponse:
    """Check the right that the request needs, and return the name of the client."""
    action = {"GET": "pull", "PUT": "push", "POST": "push", "DELETE": "delete"}[request.method]
    admit(request, request.query.get("action", action), request.match_info.get("name", ""))
    body = bytearray()
    async for block in request.content.iter_any():
        body += block
    told = {"who": request[IDENTITY].name, "client": request[CLIENT], "size": len(body)}
    return web.json_response(told)


async def _download(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    response.content_length = DOWNLOAD
    await response.prepare(request)
    for _ in range(DOWNLOAD >> 16):
        await response.write(bytes(1 << 16))
    return response


@contextlib.asynccontextmanager
async def serving(text: str = "", *, loopback: bool = False) -> AsyncIterator[str]:
    """Run a server with the settings in `text`; give its address."""
    told = sections(text)
    proxies = Proxies(told.access.trusted_proxies)
    entrance = Entrance(Door(told.access, fetch, loopback=loopback), told.limits, proxies, Audit(told.access.audit))
    app = web.Application(middlewares=[explaining, *entrance.middlewares])
    app[GATE] = permit
    app.add_routes(admission.routes())
    app.add_routes([web.get("/v2/", _answer), web.get("/download", _download)])
    app.add_routes([web.route("*", "/v2/{name:.+}/{kind:manifests|blobs}/{rest:.+}", _answer)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1, **told.limits.runner)
    await runner.setup()
    site = Site(runner, ("127.0.0.1", 0), told.limits, proxies, tls.context(told.tls) if told.tls else None)
    await site.start()
    try:
        yield site.name
    finally:
        await runner.cleanup()


async def raw(url: str, *parts: bytes, pause: float = 0, until: float = 10) -> bytes:
    """Send bytes with pauses in between; return what the server sends until it closes the connection."""
    host, _, port = url.partition("://")[2].partition(":")
    secure = ssl._create_unverified_context() if url.startswith("https") else None
    reader, writer = await asyncio.open_connection(host, int(port), ssl=secure)
    said = bytearray()

    async def listen() -> None:
        with contextlib.suppress(ConnectionError):
            while block := await reader.read(1 << 16):
                said.extend(block)

    listening = asyncio.ensure_future(listen())
    try:
        for part in parts:
            if listening.done():
                break
            writer.write(part)
            await asyncio.sleep(pause)
        await asyncio.wait_for(listening, until)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
    return bytes(said)


class FakeIssuer:
    """Makes tokens as CI services do. `keys` are the keys that it publishes, by name."""

    def __init__(self) -> None:
        self.url = ""
        self.asked = 0
        self.answers = True
        self.document: dict[str, Any] = {}
        self.keys: dict[str, Any] = {"first": rsa.generate_private_key(public_exponent=65537, key_size=2048)}

    def token(self, key: str = "first", **claims: Any) -> str:
        """Return a valid token, with `claims` replaced; None removes a claim."""
        now = int(time.time())
        usual = {"iss": self.url, "aud": AUDIENCE, "iat": now, "nbf": now, "exp": now + 300, "sub": "repo:team/app"}
        told = {name: value for name, value in {**usual, **claims}.items() if value is not None}
        private = self.keys[key]
        return jwt.encode(told, private, self.algorithm(private), headers={"kid": key})

    @staticmethod
    def algorithm(private: Any) -> str:
        """Return the name of a key's signature algorithm."""
        kinds = {rsa.RSAPrivateKey: "RS256", ec.EllipticCurvePrivateKey: "ES256", ed25519.Ed25519PrivateKey: "EdDSA"}
        return next(name for kind, name in kinds.items() if isinstance(private, kind))

    def published(self) -> list[dict[str, Any]]:
        """Return the public keys."""
        found = []
        for name, private in self.keys.items():
            algorithm = jwt.get_algorithm_by_name(self.algorithm(private))
            found.append({**algorithm.to_jwk(private.public_key(), as_dict=True), "kid": name, "use": "sig"})
        return found

    async def _about(self, _: web.Request) -> web.Response:
        self.asked += 1
        if not self.answers:
            raise web.HTTPNotFound
        return web.json_response({"issuer": self.url, "jwks_uri": f"{self.url}/keys", **self.document})

    async def _keys(self, _: web.Request) -> web.Response:
        return web.json_response({"keys": self.published()})

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["FakeIssuer"]:
        app = web.Application()
        app.add_routes([web.get("/.well-known/openid-configuration", self._about), web.get("/keys", self._keys)])
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = "http://127.0.0.1:{1}".format(*runner.addresses[0])
        try:
            yield self
        finally:
            await runner.cleanup()


def written(file: Path, *lines: str) -> Path:
    """Write a file that is old enough for its next change to be noticed."""
    file.write_text("".join(f"{line}\n" for line in lines))
    return file
