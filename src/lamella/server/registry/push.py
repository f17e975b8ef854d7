"""Pushing and deleting blobs."""

import asyncio
import re
from urllib.parse import quote

from aiohttp import web

from lamella.cache import uploads
from lamella.cache.publishing import arriving, mount
from lamella.cache.repositories import Repository
from lamella.cache.uploads import ALGORITHMS, Upload, UploadError
from lamella.oci.digest import Digest
from lamella.server.access.refusals import too_large
from lamella.server.answers import RefusedError
from lamella.server.gate import admit, is_admitted
from lamella.server.registry.names import Address, digest, repository_name, upload
from lamella.server.registry.pull import DIGEST
from lamella.server.registry.registry import Registry

_RANGE = re.compile("([0-9]{1,18})-([0-9]{1,18})")


async def start(registry: Registry, request: web.Request, address: Address) -> web.StreamResponse:
    """Begin an upload. If the request says so, take the whole blob at once, or mount it from another repository."""
    admit(request, "push", address.name)
    if "mount" in request.query and await _mounted(registry, request, address):
        return _created(registry, address, digest(request.query["mount"]))
    named = digest(request.query["digest"]) if "digest" in request.query else None
    algorithm = named.partition(":")[0] if named else request.query.get("digest-algorithm", ALGORITHMS[0])
    if algorithm not in ALGORITHMS:
        raise RefusedError(400, "UNSUPPORTED", f"unknown digest algorithm; there are: {', '.join(ALGORITHMS)}")
    begun = await asyncio.to_thread(uploads.begin, registry.bucket, address.name, algorithm)
    if named:
        try:
            return await _finished(registry, request, address, begun, named)
        except (RefusedError, ConnectionError):
            await asyncio.to_thread(begun.cancel)  # no client knows its name
            raise
    return _accepted(address, begun)


async def _mounted(registry: Registry, request: web.Request, address: Address) -> bool:
    """Mount a blob from another repository, if the client may pull from that.

    Without `from`, no repository is searched: that would mean a search through all of them for each blob of a push.
    """
    wanted = digest(request.query["mount"])
    origin = repository_name(request.query["from"]) if "from" in request.query else ""
    if not origin or not is_admitted(request, "pull", origin) or await registry.blob(origin, wanted) is None:
        return False
    return await asyncio.to_thread(mount, registry.repository(address.name), wanted)


async def patch(registry: Registry, request: web.Request, address: Address) -> web.StreamResponse:
    """Accept the next chunk of an upload."""
    admit(request, "push", address.name)
    found = await _found(registry, address)
    return _accepted(address, await _received(registry, request, address, found))


async def status(registry: Registry, request: web.Request, address: Address) -> web.StreamResponse:
    """Return how much of an upload has arrived."""
    admit(request, "push", address.name)
    found = await _found(registry, address)
    return web.Response(status=204, headers=_told(address, found))


async def cancel(registry: Registry, request: web.Request, address: Address) -> web.StreamResponse:
    """Cancel an upload."""
    admit(request, "push", address.name)
    found = await _found(registry, address)
    await asyncio.to_thread(found.cancel)
    return web.Response(status=204)


async def finish(registry: Registry, request: web.Request, address: Address) -> web.StreamResponse:
    """Finish an upload and make it a blob; the body of this request is its last part."""
    admit(request, "push", address.name)
    if "digest" not in request.query:
        raise RefusedError(400, "DIGEST_INVALID", "the address has no digest; add ?digest=sha256:...")
    named = digest(request.query["digest"])
    return await _finished(registry, request, address, await _found(registry, address), named)


async def _finished(
    registry: Registry, request: web.Request, address: Address, found: Upload, named: Digest
) -> web.StreamResponse:
    whole = await _received(registry, request, address, found)
    try:
        await asyncio.to_thread(_finish, registry.repository(address.name), whole, named)
    except UploadError as error:
        await asyncio.to_thread(whole.cancel)
        raise RefusedError(400, "DIGEST_INVALID", str(error)) from error
    return _created(registry, address, named)


def _finish(repository: Repository, whole: Upload, named: Digest) -> None:
    with arriving(repository, named):
        whole.finish(named)


async def _received(registry: Registry, request: web.Request, address: Address, found: Upload) -> Upload:
    """Add the body of the request to the upload. All of its chunks together may be as large as one blob."""
    if not request.body_exists:
        return found
    length = _told_length(request, address, found)
    with found.receive() as receiving:
        async for block in request.content.iter_any():
            if registry.largest.blob is not None and found.size + receiving.size + len(block) > registry.largest.blob:
                raise too_large(registry.largest.blob)
            await asyncio.to_thread(receiving.write, block)
        if length not in (None, receiving.size):
            raise RefusedError(400, "SIZE_INVALID", f"the range has {length} bytes, but {receiving.size} arrived")
        return await asyncio.to_thread(receiving.commit)


def _told_length(request: web.Request, address: Address, found: Upload) -> int | None:
    """Return the length of a chunk, if it has a range; the range must start where the last chunk ended."""
    told = request.headers.get("Content-Range")
    if told is None:
        return None
    match = _RANGE.fullmatch(told.removeprefix("bytes "))
    if match is None or int(match[2]) < int(match[1]):
        raise RefusedError(400, "BLOB_UPLOAD_INVALID", f"{told[:60]!a} is not a range; write START-END")
    if int(match[1]) != found.size:
        message = f"the upload continues at {found.size}, not at {match[1]}"
        raise RefusedError(416, "BLOB_UPLOAD_INVALID", message, headers=_told(address, found))
    return int(match[2]) - int(match[1]) + 1


async def _found(registry: Registry, address: Address) -> Upload:
    found = await asyncio.to_thread(uploads.find, registry.bucket, address.name, upload(address.last))
    if found is None:
        raise RefusedError(404, "BLOB_UPLOAD_UNKNOWN", f"{address.name} has no upload {address.last}")
    return found


def _accepted(address: Address, found: Upload) -> web.Response:
    return web.Response(status=202, headers=_told(address, found))


def _told(address: Address, found: Upload) -> dict[str, str]:
    return {
        "Location": quote(f"/v2/{address.name}/blobs/uploads/{found.id}"),
        "Range": f"0-{max(0, found.size - 1)}",
        "Docker-Upload-UUID": found.id,
    }


def _created(registry: Registry, address: Address, named: Digest) -> web.Response:
    registry.forget(address.name, named)
    return web.Response(status=201, headers={"Location": f"/v2/{address.name}/blobs/{named}", DIGEST: named})


async def delete_blob(registry: Registry, request: web.Request, address: Address) -> web.StreamResponse:
    """Remove a blob from the repository; its bytes stay as long as others need them."""
    admit(request, "delete", address.name)
    named = digest(address.last)
    if not await asyncio.to_thread(registry.repository(address.name).unlink, named):
        raise RefusedError(404, "BLOB_UNKNOWN", f"{address.name} has no blob {named}")
    registry.forget(address.name, named)
    return web.Response(status=202)
