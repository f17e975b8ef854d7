"""Items of a bucket as answers: whole, in part, or as the address at which the bucket itself gives them.

An item never changes under its name, so the last part of the name is its ETag. Where items are files, the kernel
sends them; else they pass through in blocks, and the next one is read when the client has taken the last.
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
_WHOLE, _PART, _REDIRECT, _NOT_MODIFIED, _BEYOND = 200, 206, 307, 304, 416


@dataclass(frozen=True, slots=True)
class Served:
    """An item, and what is told of it. Its size is looked up where the caller does not know it."""

    name: str
    media_type: str
    size: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def etag(self) -> str:
        """What a client that has the item knows it by."""
        return f'"{self.name.rpartition("/")[2]}"'


async def serve_item(
    request: web.Request, bucket: SharedBucket, served: Served, redirect: timedelta | None = None
) -> web.StreamResponse:
    """Answers a GET or HEAD with an item.

    With `redirect` the client is sent to the bucket where that can be, with an address that is good for so long. If the
    item is not there, a `MissingError` says so before anything is sent.
    """
    path = bucket.file(served.name)
    if path is not None:
        with await asyncio.to_thread(_open, path) as file:
            answer = _answer(request, served, os.fstat(file.fileno()).st_size)
            await answer.response.prepare(request)
            if answer.count and request.transport:
                loop = asyncio.get_running_loop()
                sent = await loop.sendfile(request.transport, file, answer.start, answer.count)
                if sent != answer.count:
                    raise _cut(request, f"{path} has become shorter")
        return answer.response
    size = served.size
    if size is None:
        item = await asyncio.to_thread(bucket.find, served.name)
        if item is None:
            raise MissingError(f"{served.name} is not there")
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


async def in_threads(blocks: Iterable[Buffer]) -> AsyncIterator[Buffer]:
    """The same, each read in a thread when it is asked for."""
    remaining = iter(blocks)
    while block := await asyncio.to_thread(next, remaining, b""):
        yield block


async def send_blocks(
    request: web.Request, response: web.StreamResponse, blocks: AsyncIterable[Buffer]
) -> web.StreamResponse:
    """Sends `blocks`, each when the client has taken the last.

    What fails before the first one is raised; after that the connection is cut, so that nobody takes a part for the
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
    """What ends an answer that has begun."""
    _log.error("%s %s is cut: %s", request.method, request.path, why)
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
    """Whether the client says that it has what `etag` stands for."""
    return any(tag.value in ("*", etag.strip('"')) for tag in request.if_none_match or ())


def _part(header: str, size: int) -> tuple[int, int] | None:
    """Where the part that is asked for starts, and how many bytes it has: none if there is no such part.

    What means nothing, and several parts at once, are passed over, as HTTP wants it.
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
        raise MissingError(f"{path.name} is not there") from error
