"""What the real thing does, but small: makes a picture from numbers, and serves it. `--once` only makes it."""

import io
import sys

import aiohttp.web
import numpy
from PIL import Image

x, y = numpy.mgrid[0:1:256j, 0:1:256j]
waves = 0.5 + 0.5 * numpy.sin(20 * numpy.hypot(x - 0.5, y - 0.5) + numpy.array([0, 2, 4])[:, None, None])
file = io.BytesIO()
Image.fromarray((waves.transpose(1, 2, 0) * 255).astype("uint8")).save(file, "PNG")


async def picture(_request: aiohttp.web.Request) -> aiohttp.web.Response:
    return aiohttp.web.Response(body=file.getvalue(), content_type="image/png")


print(f"a picture of {len(file.getvalue())} bytes, made with numpy {numpy.__version__}")
if "--once" not in sys.argv:
    app = aiohttp.web.Application()
    app.router.add_get("/", picture)
    aiohttp.web.run_app(app, port=8188)
