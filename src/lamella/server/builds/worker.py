"""A build in its own process: it can be stopped, cannot crash the server, and ends when the server does."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Sequence

import msgspec

from lamella.cache.bucket import SharedBucket
from lamella.oci.typed import decode_as
from lamella.server.builds.jobs import Outcome
from lamella.server.builds.log import Log
from lamella.server.builds.orders import Order

_LINE = 1 << 20
_FORGET = 60.0


async def work(command: Sequence[str], order: Order, bucket: SharedBucket, log: str, seconds: float) -> Outcome:
    """Have a worker carry out an order, and return the outcome. The end of its input tells it that we are gone."""
    async with Log(bucket, log) as lines:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
            limit=_LINE,
        )
        assert process.stdin
        assert process.stdout
        assert process.stderr
        try:
            async with asyncio.timeout(seconds):
                process.stdin.write(msgspec.json.encode(order) + b"\n")
                with contextlib.suppress(ConnectionError):
                    await process.stdin.drain()
                said, _ = await asyncio.gather(process.stdout.read(), _gather(process.stderr, lines))
                code = await process.wait()
        except TimeoutError:
            lines.add(b"the build took too long and was stopped\n")
            return Outcome(code="DENIED", message=f"the build took more than {seconds:g} s", seconds=_FORGET)
        finally:
            await _end(process)
        return _outcome(said, code)


async def _gather(stream: asyncio.StreamReader, lines: Log) -> None:
    while True:
        try:
            line = await stream.readline()
        except ValueError:  # a line without an end
            line = b"...\n"
        if not line:
            return
        lines.add(line)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kill the worker and everything that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


def _outcome(said: bytes, code: int) -> Outcome:
    try:
        return decode_as(said, Outcome)
    except msgspec.DecodeError:
        return Outcome(code="UNKNOWN", message=f"the build ended with code {code}; see its log", seconds=5.0)
