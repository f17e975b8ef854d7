"""Pushing and deleting manifests."""

import asyncio
from collections.abc import Sequence

import msgspec
from aiohttp import web

from lamella.cache.publishing import UnknownPartsError, publish, withdraw
from lamella.cache.repositories import Manifest, Repository
from lamella.oci import media
from lamella.oci.digest import Digest, DigestError, is_digest_of, sha256
from lamella.oci.typed import decode_as
from lamella.oci.wire import WireError
from lamella.server.answers import RefusedError
from lamella.server.gate import admit
from lamella.server.registry.names import Address, digest, is_digest, tag
from lamella.server.registry.pull import DIGEST, known_tag, unknown
from lamella.server.registry.registry import Registry


class _Told(msgspec.Struct):
    """What a manifest or index says about itself."""

    schema_version: int = msgspec.field(name="schemaVersion")
    media_type: str = msgspec.field(name="mediaType", default="")
    config: dict[str, object] | None = None


async def put(registry: Registry, request: web.Request, address: Address) -> web.StreamResponse:
    """Accept a manifest whose blobs all exist: under a tag, under its digest, or under its digest and several tags."""
    admit(request, "push", address.name)
    data = await _body(request, registry.largest.manifest)
    named = digest(address.last) if is_digest(address.last) else None
    tags = [tag(text) for text in request.query.getall("tag", [])] if named else [tag(address.last)]
    if named and not is_digest_of(named, data):
        raise RefusedError(400, "DIGEST_INVALID", f"the body does not have the digest {named}")
    kind = _kind(data, request.headers.get("Content-Type", ""))
    manifest = Manifest(named or sha256(data), kind, data)
    subject = await asyncio.to_thread(_publish, registry.repository(address.name), manifest, tags)
    headers = {"Location": f"/v2/{address.name}/manifests/{manifest.digest}", DIGEST: manifest.digest}
    if subject:
        headers["OCI-Subject"] = subject
    answer = web.Response(status=201, headers=headers)
    for each in tags if named else ():
        answer.headers.add("OCI-Tag", each)
    return answer


async def _body(request: web.Request, largest: int) -> bytes:
    data = bytearray()
    async for block in request.content.iter_any():
        data += block
        if len(data) > largest:
            raise RefusedError(
                413, "SIZE_INVALID", f"the manifest is larger than {largest} bytes, which is the limit here"
            )
    return bytes(data)


def _kind(data: bytes, content_type: str) -> str:
    """Return the media type of a manifest."""
    try:
        told = decode_as(data, _Told)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _invalid(str(error)) from error
    kind = content_type.partition(";")[0].strip() or told.media_type
    if not media.is_manifest(kind):
        raise _invalid(f"{kind[:100]!a} is not a known media type of manifests")
    if told.media_type not in ("", kind):
        raise _invalid(f"its media type is {told.media_type[:100]!r}, but it was sent as {kind!r}")
    if told.schema_version != 2:
        raise _invalid(f"its schema version is {told.schema_version}, not 2")
    if kind in media.MANIFESTS and told.config is None:
        raise _invalid("it has no config")
    return kind


def _publish(repository: Repository, manifest: Manifest, tags: Sequence[str]) -> Digest | None:
    try:
        return publish(repository, manifest, *tags)
    except UnknownPartsError as error:
        raise RefusedError(404, "MANIFEST_BLOB_UNKNOWN", str(error)) from error
    except (WireError, DigestError) as error:
        raise _invalid(str(error)) from error


async def delete(registry: Registry, request: web.Request, address: Address) -> web.StreamResponse:
    """Delete a tag, or a manifest with all its tags."""
    admit(request, "delete", address.name)
    repository = registry.repository(address.name)
    if not is_digest(address.last):
        if not await asyncio.to_thread(repository.delete_tag, known_tag(address)):
            raise unknown(address)
        return web.Response(status=202)
    named = digest(address.last)
    if not await asyncio.to_thread(withdraw, repository, named):
        raise unknown(address)
    registry.forget(address.name, named)
    return web.Response(status=202)


def _invalid(why: str) -> RefusedError:
    return RefusedError(400, "MANIFEST_INVALID", f"this is not a valid manifest: {why}")
