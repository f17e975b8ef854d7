"""Manifests that are pushed and removed."""

import asyncio
from collections.abc import Iterator
from typing import Any

import msgspec
from aiohttp import web

from lamella.cache.repositories import Manifest, Referrer
from lamella.oci import media
from lamella.oci.digest import Digest, DigestError, is_digest_of, parse_digest, sha256
from lamella.server.answers import RefusedError
from lamella.server.gate import admit
from lamella.server.registry.names import Address, digest, is_digest, tag
from lamella.server.registry.pull import DIGEST, known_tag, unknown
from lamella.server.registry.registry import Registry

LARGEST = 4 << 20


class _Blob(msgspec.Struct, rename="camel"):
    media_type: str
    digest: str
    size: int
    urls: list[str] = []


class _Pushed(msgspec.Struct, rename="camel"):
    """What of a manifest or index matters to a registry."""

    schema_version: int = msgspec.field(name="schemaVersion")
    media_type: str = ""
    artifact_type: str = ""
    config: _Blob | None = None
    layers: list[_Blob] = []
    manifests: list[_Blob] = []
    subject: _Blob | None = None
    annotations: dict[str, str] = {}


async def put(registry: Registry, request: web.Request, address: Address) -> web.StreamResponse:
    """Takes a manifest, all of whose blobs are here, under a tag, under its digest, or under that and several tags."""
    admit(request, "push", address.name)
    data = await _body(request)
    named = digest(address.last) if is_digest(address.last) else None
    tags = [tag(text) for text in request.query.getall("tag", [])] if named else [tag(address.last)]
    if named and not is_digest_of(named, data):
        raise RefusedError(400, "DIGEST_INVALID", f"what was sent is not {named}")
    kind, pushed = _read(data, request.headers.get("Content-Type", ""))
    manifest = Manifest(named or sha256(data), kind, data)
    await asyncio.to_thread(_publish, registry, address.name, manifest, pushed)
    repository = registry.repository(address.name)
    for each in tags:
        await asyncio.to_thread(repository.tag, each, manifest.digest)
    headers = {"Location": f"/v2/{address.name}/manifests/{manifest.digest}", DIGEST: manifest.digest}
    if pushed.subject:
        headers["OCI-Subject"] = pushed.subject.digest
    answer = web.Response(status=201, headers=headers)
    for each in tags if named else ():
        answer.headers.add("OCI-Tag", each)
    return answer


async def _body(request: web.Request) -> bytes:
    if (request.content_length or 0) > LARGEST:
        raise RefusedError(413, "SIZE_INVALID", f"a manifest has no more than {LARGEST} bytes here")
    data = bytearray()
    async for block in request.content.iter_any():
        data += block
        if len(data) > LARGEST:
            raise RefusedError(413, "SIZE_INVALID", f"a manifest has no more than {LARGEST} bytes here")
    return bytes(data)


def _read(data: bytes, content_type: str) -> tuple[str, _Pushed]:
    """The media type of a manifest, and what it says."""
    try:
        pushed = msgspec.json.decode(data, type=_Pushed)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _invalid(str(error)) from error
    told = content_type.partition(";")[0].strip()
    kind = told or pushed.media_type
    if not media.is_manifest(kind):
        raise _invalid(f"{kind[:100]!a} is no kind of manifest that is known here")
    if pushed.media_type and pushed.media_type != kind:
        raise _invalid(f"it calls itself {pushed.media_type[:100]!r}, and was sent as {kind!r}")
    if pushed.schema_version != 2:
        raise _invalid(f"it is of schema {pushed.schema_version}, not 2")
    if kind in media.MANIFESTS and pushed.config is None:
        raise _invalid("it has no config")
    for one in (*_blobs(pushed), *pushed.manifests, *([pushed.subject] if pushed.subject else [])):
        try:
            parse_digest(one.digest)
        except DigestError as error:
            raise _invalid(str(error)) from error
    return kind, pushed


def _publish(registry: Registry, name: str, manifest: Manifest, pushed: _Pushed) -> None:
    repository = registry.repository(name)
    missing = [one.digest for one in _blobs(pushed) if not one.urls and repository.blob(Digest(one.digest)) is None]
    missing += [one.digest for one in pushed.manifests if not repository.has_manifest(Digest(one.digest))]
    if missing:
        code = "MANIFEST_BLOB_UNKNOWN"
        raise RefusedError(
            404, code, f"{name} has not {missing[0]}, to which this manifest leads", {"digests": missing}
        )
    repository.put_manifest(manifest)
    if pushed.subject:
        repository.refer(Digest(pushed.subject.digest), _referrer(manifest, pushed))


def _blobs(pushed: _Pushed) -> Iterator[_Blob]:
    if pushed.config:
        yield pushed.config
    yield from pushed.layers


def _referrer(manifest: Manifest, pushed: _Pushed) -> Referrer:
    return Referrer(
        media_type=manifest.media_type,
        digest=manifest.digest,
        size=len(manifest.data),
        artifact_type=pushed.artifact_type or (pushed.config.media_type if pushed.config else ""),
        annotations=pushed.annotations,
    )


async def delete(registry: Registry, request: web.Request, address: Address) -> web.StreamResponse:
    """Removes a tag, or a manifest with all its tags."""
    admit(request, "delete", address.name)
    repository = registry.repository(address.name)
    if not is_digest(address.last):
        if not await asyncio.to_thread(repository.delete_tag, known_tag(address)):
            raise unknown(address)
        return web.Response(status=202)
    named = digest(address.last)
    manifest = await asyncio.to_thread(repository.manifest, named)
    if manifest is None:
        raise unknown(address)
    await asyncio.to_thread(repository.delete_manifest, named)
    subject: Any = msgspec.json.decode(manifest.data).get("subject")
    if subject:
        await asyncio.to_thread(repository.refer_no_more, Digest(subject["digest"]), named)
    registry.forget(address.name, named)
    return web.Response(status=202)


def _invalid(why: str) -> RefusedError:
    return RefusedError(400, "MANIFEST_INVALID", f"this is not a manifest: {why}")
