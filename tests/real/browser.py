"""A real browser that is told what to do: keys are pressed, and what it shows is looked at."""

import asyncio
import base64
import contextlib
import os
import signal
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

BROWSER = "chromium-headless-shell"
QUIET = (
    "--no-sandbox",
    "--headless",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)
_PATIENCE = 120.0
"""Seconds within which a browser has done anything that it is told, however busy the machine."""
_CODES = {"Enter": 13, "Escape": 27, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40, "Tab": 9}


class Tab:
    """A page that is open. `trouble` is what its scripts failed at, and `asked` what it asked others for."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._count = 0
        self.trouble: list[str] = []
        self.asked: list[str] = []

    async def do(self, method: str, **given: Any) -> dict[str, Any]:
        """Tells the browser something, and returns its answer."""
        self._count += 1
        await self._socket.send_json({"id": self._count, "method": method, "params": given})
        async with asyncio.timeout(_PATIENCE):
            while (said := await self._socket.receive_json()).get("id") != self._count:
                self._hear(said)
        assert "error" not in said, said
        found: dict[str, Any] = said["result"]
        return found

    def _hear(self, said: dict[str, Any]) -> None:
        told = said.get("params", {})
        if said["method"] in ("Runtime.exceptionThrown", "Log.entryAdded"):
            self.trouble.append(str(told))
        if said["method"] == "Network.requestWillBeSent":
            self.asked.append(told["request"]["url"])

    async def open(self, address: str) -> None:
        """Opens a page, and waits until its scripts ran."""
        for part in ("Runtime", "Log", "Network", "Page"):
            await self.do(f"{part}.enable")
        await self.do("Page.navigate", url=address)
        async with asyncio.timeout(_PATIENCE):
            while await self.value("document.readyState !== 'complete' || location.href === 'about:blank'"):
                await asyncio.sleep(0.02)

    async def value(self, script: str) -> Any:
        """What a script finds on the page."""
        found = await self.do("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    async def press(self, *keys: str) -> None:
        """Presses keys, one after the other."""
        for key in keys:
            code = _CODES.get(key, ord(key[0].upper()))
            text = {"text": "\r" if key == "Enter" else key} if len(key) == 1 or key == "Enter" else {}
            for kind in ("keyDown", "keyUp"):
                await self.do("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, **text)
                text = {}

    async def screen(self, width: int, height: int = 800, *, dark: bool = False) -> None:
        """Looks at the page on another screen."""
        await self.do(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.do("Emulation.setEmulatedMedia", features=[scheme])

    async def picture(self) -> bytes:
        """A PNG of what is seen."""
        return base64.b64decode((await self.do("Page.captureScreenshot"))["data"])


@contextlib.asynccontextmanager
async def browser(folder: Path) -> AsyncIterator[Tab]:
    """A browser of its own, that keeps what it needs in `folder`."""
    command = [BROWSER, *QUIET, "--remote-debugging-port=0", f"--user-data-dir={folder}", "about:blank"]
    # Debian's command is a script that waits for the browser: only the group ends both.
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        file = folder / "DevToolsActivePort"
        async with asyncio.timeout(_PATIENCE):
            while not file.exists() or file.read_text().count("\n") < 1:
                assert process.poll() is None, "the browser ended"
                await asyncio.sleep(0.05)
        port = file.read_text().split("\n")[0]
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
                page = next(one for one in await answer.json() if one["type"] == "page")
            async with session.ws_connect(page["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                yield Tab(socket)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()
