"""Pages that tell of the code leave nothing out: every place of the source, every key of the files that are written."""

import hashlib
import json
import re
from pathlib import Path

import msgspec
import pytest

from lamella.images.document import ImageNotes, LayerItem, LayerNotes
from lamella.oci.digest import Digest
from lamella.oci.image import Record
from lamella.package import Package
from lamella.pipeline.lock.file import LockedDebian, LockedNix, LockedPlatform, LockedPython
from lamella.plan import TAR_RULES, Part, key
from lamella.sources.locked import LockedDeb, LockedPath, LockedWheel

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "lamella"
FORMATS = (ROOT / "docs" / "formats.md").read_text()
WRITTEN: list[type[msgspec.Struct]] = [
    ImageNotes,
    LayerItem,
    LayerNotes,
    LockedDeb,
    LockedDebian,
    LockedNix,
    LockedPath,
    LockedPlatform,
    LockedPython,
    LockedWheel,
]


def test_the_concepts_name_every_place_of_the_source() -> None:
    page = (ROOT / "docs" / "concepts.md").read_text()
    places = [f"{file.parent.name}/" for file in SOURCE.glob("*/__init__.py")]
    places += [file.name for file in SOURCE.glob("[!_]*.py")]
    assert [place for place in places if f"`{place}`" not in page] == []


@pytest.mark.parametrize("kind", WRITTEN, ids=lambda kind: kind.__name__)
def test_the_formats_name_every_key(kind: type[msgspec.Struct]) -> None:
    for field in msgspec.structs.fields(kind):
        assert re.search(rf"[`\"]{re.escape(field.encode_name)}[`\"]", FORMATS), field.encode_name


def test_the_formats_name_every_folder_of_cache_and_bucket() -> None:
    code = "".join(
        file.read_text() for place in ("cache", "pipeline", "sources") for file in (SOURCE / place).rglob("*.py")
    )
    items = set(re.findall(r'f"([a-z]+/)\{', code)) - {"blobs/", "linux/"}
    assert {"builds/", "uploads/", "licences/"} <= items
    assert [item for item in items if f"`{item}" not in FORMATS] == []


def test_the_formats_name_every_annotation() -> None:
    code = "".join(file.read_text() for file in SOURCE.rglob("*.py"))
    told = set(re.findall(r'"(dev\.lamella\.[a-z]+)"', code))
    assert len(told) == 3
    assert [one for one in told if f"`{one}`" not in FORMATS] == []


def test_a_key_is_what_the_formats_say() -> None:
    part = Part(Package("a-1", "a", Digest("sha256:" + "0" * 64), 1))
    rules = {"rewrites": [], "permissions": [], "ignore": ""}
    told = json.dumps([part.package.content, rules, None], sort_keys=True)
    assert f'["{TAR_RULES}", COMPRESSOR' in FORMATS
    assert key([part], "none") == hashlib.sha256(json.dumps([TAR_RULES, "none", [told]]).encode()).hexdigest()
    assert [name for name in Record.__dataclass_fields__ if f"`{name}`" not in FORMATS] == []
