"""The whole server's application, with everything that a request passes."""

import asyncio
import io
from pathlib import Path

import pytest
from tests.buckets import Memory
from tests.server.page.house import served

CACHE = '[[nix]]\nname = "main"\n'
OPEN = '[access]\nanonymous = ["pull", "push"]\n'
HASH = "0" * 32
LARGER_THAN_A_MANIFEST = b"x" * ((4 << 20) + 1)


@pytest.mark.parametrize("path", [f"log/{HASH}-hello.drv", f"{HASH}.ls"])
def test_logs_and_listings_may_be_larger_than_manifests(tmp_path: Path, path: str) -> None:
    async def ask() -> None:
        async with served(Memory(), tmp_path, OPEN + CACHE) as client:
            for item, status in ((path, 200), (f"{HASH}.narinfo", 413)):
                answer = await client.put(f"/nix/main/{item}", data=io.BytesIO(LARGER_THAN_A_MANIFEST))
                assert answer.status == status

    asyncio.run(ask())
