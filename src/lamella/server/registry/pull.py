"""Pulling: manifests, blobs, tags and referrers."""

import asyncio
import json
from typing import TypeVar
from urllib.parse import quote, urlencode

import msgspec
from aiohttp import web

from lamella.cache.bucket import MissingError
from lamella.cache.repositories import Referrer, blob_name
from lamella.oci import media
from lamella.server.answers import RefusedError
from lamella.server.gate import admit, is_admitted
from lamella.server.registry.names import Address, digest, is_digest, is_tag, number
from lamella.server.registry.registry import Registry
from lamella.server.serving import Served, has_already, serve_item

MOST_TAGS = 1000
N = TypeVar("N", bound=str)

_MOST_REFERRERS = 100
"""How many are on a page; each has to be read, and may be as large as a manifest's annotations."""
DIGEST = "Docker-Content-Digest"


async def base(request: web.Request) -> web.StreamResponse:
    """Say that this is a registry, and whether a login is needed."""
    admit(request, "pull", "")
    return web.json_response({}, headers={"Docker-Distribution-API-Version": "registry/2.0"})


async def catalog(registry: Registry, request: web.Request) -> web.StreamResponse:
    """Return the names of the repositories that the client may pull from, a page at a time."""
    everything = await registry.names()
    page, headers = paged(request, [name for name in everything if is_admitted(request, "pull", name)])
    return _json({"repositories": page}, headers)


async def manifest(registry: Registry, request: web.Request, address: Address) -> web.StreamResponse:
    """Return a manifest by tag or digest."""
    admit(request, "pull", address.name)
    reference = digest(address.last) if is_digest(address.last) else known_tag(address)
    found = await registry.manifest(address.name, reference, lambda action: admit(request, action, address.name))
    if found is None:
        raise unknown(address)
    headers = {DIGEST: found.digest, "ETag": f'"{found.digest}"', "Content-Type": found.media_type}
    if has_already(request, headers["ETag"]):
        return web.Response(status=304, headers=headers)
    return web.Response(body=found.data, headers=headers)


def known_tag(address: Address) -> str:
    """Return the tag of an address; an invalid tag is treated as unknown."""
    if not is_tag(address.last):
        raise unknown(address)
    return address.last


def unknown(address: Address) -> RefusedError:
    """Return the refusal for an unknown manifest."""
    return RefusedError(404, "MANIFEST_UNKNOWN", f"{address.name} has no manifest {address.last[:140]!a}")


async def blob(registry: Registry, request: web.Request, address: Address) -> web.StreamResponse:
    """Return a blob, or part of one."""
    admit(request, "pull", address.name)
    named = digest(address.last)
    find = registry.counted_on if request.method == "HEAD" and registry.writable else registry.blob
    size = await find(address.name, named)
    if size is not None:
        try:
            served = Served(blob_name(named), "application/octet-stream", size, {DIGEST: named})
            return await serve_item(request, registry.bucket, served, registry.redirect)
        except MissingError:
            registry.forget(address.name, named)
    raise RefusedError(404, "BLOB_UNKNOWN", f"{address.name} has no blob {named}")


async def tags(registry: Registry, request: web.Request, address: Address) -> web.StreamResponse:
    """Return the tags of a repository, a page at a time."""
    admit(request, "pull", address.name)
    repository = registry.repository(address.name)
    everything = await asyncio.to_thread(lambda: list(repository.tags()))
    if not everything and not await asyncio.to_thread(repository.exists):
        raise RefusedError(404, "NAME_UNKNOWN", f"there is no repository {address.name}")
    page, headers = paged(request, everything)
    return _json({"name": address.name, "tags": page}, headers)


def paged(request: web.Request, names: list[N], most: int = MOST_TAGS) -> tuple[list[N], dict[str, str]]:
    """Return the requested page of sorted `names`, at most `most` of them, and the headers that link to the next."""
    wanted = number(request.query.getall("n", []), "n")
    count = most if wanted is None else min(wanted, most)
    last = request.query.get("last", "")
    rest = [name for name in names if name > last]
    page = rest[:count]
    if not page or len(rest) <= count:
        return page, {}
    following = urlencode({**request.query, "n": count, "last": page[-1]})
    return page, {"Link": f'<{quote(request.path)}?{following}>; rel="next"'}


async def referrers(registry: Registry, request: web.Request, address: Address) -> web.StreamResponse:
    """Return the referrers of a manifest, which may be missing here, a page at a time, filtered by artifact type."""
    admit(request, "pull", address.name)
    subject = digest(address.last)
    repository = registry.repository(address.name)
    everything = await asyncio.to_thread(lambda: list(repository.referring(subject)))
    page, headers = paged(request, everything, _MOST_REFERRERS)
    found = await asyncio.to_thread(lambda: [repository.referrer(subject, one) for one in page])
    wanted = request.query.get("artifactType")
    if wanted:
        headers["OCI-Filters-Applied"] = "artifactType"
    told = [one for one in found if one and wanted in (None, "", one.artifact_type)]
    return web.Response(body=_index(told), content_type=media.INDEX, headers=headers)


def _index(found: list[Referrer]) -> bytes:
    return msgspec.json.encode({"schemaVersion": 2, "mediaType": media.INDEX, "manifests": found})


def _json(value: object, headers: dict[str, str]) -> web.Response:
    return web.Response(body=json.dumps(value).encode(), content_type="application/json", headers=headers)
