"""Items of a bucket as answers: whole, in part, or as an address where the bucket itself serves them.

An item never changes under its name, so the last part of the name is its ETag. If items are files, the kernel sends
them; otherwise they pass through in blocks, and the next is read when the client has taken the last.
"""

import asyncio
import logging
import os
import re
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

from aiohttp import web

from lamella.cache.bucket import MissingError, SharedBucket
from lamella.errors import LamellaError
from lamella.oci.image import Buffer

_log = logging.getLogger("lamella.server")

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)
_SLICE = 16 << 20
_WHOLE, _PART, _REDIRECT, _NOT_MODIFIED, _BEYOND = 200, 206, 307, 304, 416


@dataclass(frozen=True, slots=True)
class Served:
    """An item, and the headers that describe it. Its size is looked up if the caller does not know it."""

    name: str
    media_type: str
    size: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def etag(self) -> str:
        """The ETag of the item."""
        return f'"{self.name.rpartition("/")[2]}"'


async def serve_item(
    request: web.Request, bucket: SharedBucket, served: Served, redirect: timedelta | None = None
) -> web.StreamResponse:
    """Answer a GET or HEAD with an item.

    With `redirect`, the client is sent to the bucket if possible, with an address that is valid for that long. If the
    item is missing, raises a `MissingError` before anything is sent.
    """
    path = bucket.file(served.name) if _is_plain(request) else None
    if path is not None:
        with await asyncio.to_thread(_open, path) as file:
            answer = _answer(request, served, os.fstat(file.fileno()).st_size)
            await answer.response.prepare(request)
            await _send_file(request, file, answer)
        return answer.response
    size = served.size
    if size is None:
        item = await asyncio.to_thread(bucket.find, served.name)
        if item is None:
            raise MissingError(f"{served.name} does not exist")
        size = item.size
    answer = _answer(request, served, size)
    if redirect and answer.count:
        address = await asyncio.to_thread(bucket.signed, served.name, redirect)
        if address:
            return web.Response(status=_REDIRECT, headers={**served.headers, "Location": address})
    if not answer.count:
        return answer.response
    blocks = in_threads(bucket.read(served.name, answer.start, answer.count))
    return await send_blocks(request, answer.response, blocks)


def _is_plain(request: web.Request) -> bool:
    """Whether the kernel can send for us. Encrypted answers pass through here, in larger blocks than asyncio's."""
    return request.transport is not None and request.transport.get_extra_info("sslcontext") is None


async def _send_file(request: web.Request, file: BinaryIO, answer: "_Answer") -> None:
    """Have the kernel send part of a file. Other requests get their turn in between, however fast the client is."""
    loop, at, end = asyncio.get_running_loop(), answer.start, answer.start + answer.count
    while at < end and request.transport:
        sent = await loop.sendfile(request.transport, file, at, min(_SLICE, end - at))
        if not sent:
            raise _cut(request, f"{file.name} became shorter while it was sent")
        at += sent


async def in_threads(blocks: Iterable[Buffer]) -> AsyncIterator[Buffer]:
    """Yield the same blocks, each read in a thread when it is needed."""
    remaining = iter(blocks)
    while block := await asyncio.to_thread(next, remaining, b""):
        yield block


async def send_blocks(
    request: web.Request, response: web.StreamResponse, blocks: AsyncIterable[Buffer]
) -> web.StreamResponse:
    """Send `blocks`, each when the client has taken the last.

    Errors before the first block are raised; after that the connection is cut, so that no client takes a part for the
    whole.
    """
    try:
        async for block in blocks:
            if not response.prepared:
                await response.prepare(request)
            await response.write(block)
    except LamellaError as error:
        if response.prepared:
            raise _cut(request, str(error)) from error
        raise
    return response


def _cut(request: web.Request, why: str) -> ConnectionError:
    """Return the error that ends an answer that has begun."""
    _log.error("%s %s was cut off: %s", request.method, request.path, why)
    return ConnectionAbortedError(why)


@dataclass(frozen=True, slots=True)
class _Answer:
    """How an answer begins, and which bytes follow."""

    response: web.StreamResponse
    start: int = 0
    count: int = 0


def _answer(request: web.Request, served: Served, size: int) -> _Answer:
    headers = {**served.headers, "ETag": served.etag, "Accept-Ranges": "bytes"}
    if has_already(request, served.etag):
        return _Answer(web.Response(status=_NOT_MODIFIED, headers=headers))
    start, count, status = 0, size, _WHOLE
    part = _part(request.headers.get("Range", ""), size)
    if part and request.headers.get("If-Range", served.etag) == served.etag:
        start, count = part
        if count <= 0:
            return _Answer(web.Response(status=_BEYOND, headers={**headers, "Content-Range": f"bytes */{size}"}))
        headers["Content-Range"] = f"bytes {start}-{start + count - 1}/{size}"
        status = _PART
    response = web.StreamResponse(status=status, headers={**headers, "Content-Type": served.media_type})
    response.content_length = count
    return _Answer(response, start, 0 if request.method == "HEAD" else count)


def has_already(request: web.BaseRequest, etag: str) -> bool:
    """Whether the client says that it already has what `etag` stands for."""
    return any(tag.value in ("*", etag.strip('"')) for tag in request.if_none_match or ())


def _part(header: str, size: int) -> tuple[int, int] | None:
    """Return where the requested part starts, and how many bytes it has: none if the item has no such part.

    Headers without a meaning, and those that ask for several parts, are ignored, as HTTP requires.
    """
    wanted = _RANGE.fullmatch(header)
    if not wanted or not any(wanted.groups()):
        return None
    first, last = wanted.groups()
    if not first:
        count = min(int(last), size)
        return size - count, count
    start = int(first)
    return start, min(int(last) + 1 if last else size, size) - start


def _open(path: Path) -> BinaryIO:
    try:
        return path.open("rb", buffering=0)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise MissingError(f"{path.name} does not exist") from error
