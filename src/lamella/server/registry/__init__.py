"""An image registry on top of a bucket, following the OCI distribution specification (1.1).

names       parsing the address of a request
registry    what the handlers share
pull        manifests, blobs, tags, referrers
push        uploads of blobs
manifests   pushing and deleting manifests
"""

from collections.abc import Awaitable, Callable

from aiohttp import web

from lamella.server.answers import RefusedError
from lamella.server.registry import manifests, pull, push
from lamella.server.registry.names import Address, parse_address
from lamella.server.registry.registry import Registry

Answer = Callable[[Registry, web.Request, Address], Awaitable[web.StreamResponse]]

_READ: dict[tuple[str, str], Answer] = {
    ("manifest", "GET"): pull.manifest,
    ("blob", "GET"): pull.blob,
    ("tags", "GET"): pull.tags,
    ("referrers", "GET"): pull.referrers,
}
_WRITE: dict[tuple[str, str], Answer] = {
    ("manifest", "PUT"): manifests.put,
    ("manifest", "DELETE"): manifests.delete,
    ("blob", "DELETE"): push.delete_blob,
    ("uploads", "POST"): push.start,
    ("upload", "PATCH"): push.patch,
    ("upload", "PUT"): push.finish,
    ("upload", "GET"): push.status,
    ("upload", "DELETE"): push.cancel,
}


_READ_ONLY = (
    "this registry is read-only; to allow pushes and deletion, start the server with --writable or `writable = true`"
)


def routes(registry: Registry) -> list[web.RouteDef]:
    """Return the routes of a registry. Each handler asks the gate itself."""
    answers = {**_READ, **(_WRITE if registry.writable else {})}
    answers |= {(kind, "HEAD"): answer for (kind, method), answer in answers.items() if method == "GET"}

    async def answer(request: web.Request) -> web.StreamResponse:
        address = parse_address(request.match_info["path"])
        found = answers.get((address.kind, request.method))
        if found is None:
            allowed = ", ".join(sorted(method for kind, method in answers if kind == address.kind))
            message = (
                _READ_ONLY if (address.kind, request.method) in _WRITE else "this address does not support this method"
            )
            raise RefusedError(405, "UNSUPPORTED", message, headers={"Allow": allowed})
        return await found(registry, request, address)

    async def catalog(request: web.Request) -> web.StreamResponse:
        return await pull.catalog(registry, request)

    return [
        web.get("/v2/", pull.base),
        web.get("/v2", pull.base),
        web.get("/v2/_catalog", catalog),
        web.route("*", "/v2/{path:.+}", answer),
    ]
