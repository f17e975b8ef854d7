"""Images to report on, made of files that need not exist; some of their names are malicious."""

import hashlib
from collections.abc import Mapping, Sequence

from lamella.oci import media
from lamella.oci.digest import sha256
from lamella.oci.image import Record
from lamella.oci.wire import Platform, RuntimeConfig
from lamella.package import Package
from lamella.pipeline.explain.view import ImageView, LayerView
from lamella.plan import LayerPlan, Part
from lamella.report.facts import Facts, Image, facts
from lamella.report.files import File, Sort

EVIL = """</script><script>document.title='taken'</script>"'<img src=x onerror=document.title='taken'>\u202e\x1b"""
PYTHON, NUMPY, APP = (f"/nix/store/{number:032}-{name}" for number, name in enumerate(("python", "numpy", "app")))


def file(path: str, size: int, package: str = "", what: str = "") -> File:
    """A file whose content is `what`, or its own."""
    return File(path, Sort.FILE, size, hashlib.sha256((what or f"{path} {size}").encode()).digest(), package)


def package(name: str, size: int, *references: str, text: str = "") -> Package:
    """A store path; a different `text` means different content."""
    at = name if name.startswith("/") else f"/srv/{len(name)}"
    return Package(name, name.rpartition("-")[2], sha256(f"{name} {text}".encode()), size, references, "nix", at, at)


def layer(name: str, size: int, *packages: Package) -> LayerView:
    """A layer with that download size."""
    diff_id = sha256(f"{name} {[one.content for one in packages]}".encode())
    record = Record(diff_id, 3 * size, sha256(diff_id.encode()), size, media.LAYER_GZIP)
    return LayerView(name, record, LayerPlan(name, tuple(map(Part, packages))) if packages else None)


def image(name: str, layers: Mapping[LayerView, Sequence[File] | None]) -> Image:
    """An image made of layers and their files."""
    view = ImageView(name, "1", Platform(architecture="amd64", os="linux"), RuntimeConfig(), tuple(layers))
    return Image(name, view, tuple(None if files is None else tuple(files) for files in layers.values()))


def python(text: str = "", name: str = "analysis") -> Image:
    """An image of three layers and four packages: the app needs numpy, which needs Python."""
    low = [package(PYTHON, 60_000_000)]
    middle = [package(NUMPY, 30_000_000, PYTHON, text=text)]
    top = [package(APP, 5_000_000, NUMPY), package(EVIL, 1_000)]
    return image(
        name,
        {
            layer("python", 20_000_000, *low): [
                file(f"{PYTHON}/lib/libpython.so", 40_000_000, PYTHON),
                file(f"{PYTHON}/lib/__pycache__/os.pyc", 20_000_000, PYTHON),
            ],
            layer("numpy", 10_000_000, *middle): [
                file(f"{NUMPY}/lib/core.so", 20_000_000, NUMPY, f"core {text}"),
                file(f"{NUMPY}/lib/{EVIL}", 10_000_000, NUMPY),
            ],
            layer(EVIL, 2_000_000, *top): [
                file(f"{APP}/core.so", 20_000_000, APP, f"core {text}"),
                file(f"{APP}/small", 5, APP),
            ],
        },
    )


def foreign() -> Image:
    """An image made by another tool: layers hide each other's files."""
    gone = [File("/srv/.wh.data", Sort.OTHER), File("/etc/.wh..wh..opq", Sort.OTHER), file("/etc/own", 7)]
    return image(
        "foreign",
        {
            layer("RUN apt-get install", 50_000): [
                file("/usr/lib/big", 40_000),
                file("/usr/bin/tool", 500),
                file("/var/lib/apt/lists/debian", 9_000),
                File("/etc", Sort.FOLDER),
                file("/etc/passwd", 100),
                file("/etc/own", 8),
                File("/srv", Sort.FOLDER),
                File("/srv/data", Sort.FOLDER),
                file("/srv/data/one", 1_000),
            ],
            layer("RUN rm", 200): gone,
            layer("COPY tool", 300): [file("/usr/bin/tool", 600)],
        },
    )


def told() -> Facts:
    """The facts about a change in one of three packages."""
    return facts(python("new"), python("", "before"))
