"""SBOMs, read by independent parsers of the formats, and found from the image in a registry."""

import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests import command
from tests.debs import Repository
from tests.index import Index
from tests.index import serving as index_serving
from tests.registry.fake import Fake, serving

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator
    from spdx_tools.spdx.parser.parse_anything import parse_file
    from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

from tests.wheels import wheel_files, zipped

SPEC = """
name = "listed"
platforms = ["linux/amd64"]
pypi = ["top"]

[python]
version = "3.12"

[debian]
archives = ["{line}"]

[[layer]]
name = "low"
deb = ["demo"]
files = ["lamella.toml"]
"""
COPYRIGHT = b"Format: copyright-format/1.0\n\nFiles: *\nLicense: GPL-2+\n"


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "index").mkdir()
    files = wheel_files("top", "1.0", {"top.py": b""})
    files["top-1.0.dist-info/METADATA"] = b"Metadata-Version: 2.4\nName: top\nVersion: 1.0\nLicense-Expression: MIT\n"
    zipped(tmp_path / "index" / "top-1.0-py3-none-any.whl", files)
    archive = Repository(tmp_path / "archive")
    archive.add("demo", "2:1.0+x", {"./usr/share/doc/demo/copyright": COPYRIGHT})
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "lamella.toml").write_text(SPEC.format(line=archive.line))
    with index_serving(Index(tmp_path / "index")) as index:
        good(folder, "lock", UV_DEFAULT_INDEX=index.url)
        good(folder, "build", UV_DEFAULT_INDEX=index.url)
        yield folder


def good(folder: Path, *args: str, **more: str) -> str:
    return command.good(folder, *args, UV_CACHE_DIR=str(folder.parent / "uv"), **more)


def named(packages: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(package for package in packages if package["name"] == name)


@pytest.mark.filterwarnings("ignore")
def test_spdx(work: Path) -> None:
    good(work, "sbom", "-o", "list.spdx.json")
    document = parse_file(str(work / "list.spdx.json"))
    assert validate_full_spdx_document(document) == []
    told = json.loads((work / "list.spdx.json").read_text())
    wheel, deb = named(told["packages"], "top"), named(told["packages"], "demo")
    assert wheel["licenseDeclared"] == "MIT"
    assert wheel["externalRefs"][0]["referenceLocator"] == "pkg:pypi/top@1.0"
    assert deb["licenseDeclared"] == "GPL-2.0-or-later"
    assert deb["externalRefs"][0]["referenceLocator"] == "pkg:deb/debian/demo@2%3A1.0%2Bx?arch=amd64"
    assert len(wheel["checksums"][0]["checksumValue"]) == 64
    kinds = [relation["relationshipType"] for relation in told["relationships"]]
    assert kinds.count("CONTAINS") == 5


def test_cyclonedx(work: Path) -> None:
    text = good(work, "sbom", "image.json", "--format", "cyclonedx")
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    told = json.loads(text)
    wheel = named(told["components"], "top")
    assert {one["name"]: one["value"] for one in wheel["properties"]}["lamella:layer"] == "app"
    assert text == good(work, "sbom", "image.json", "--format", "cyclonedx")


@pytest.mark.parametrize("knows_referrers", [True, False])
def test_attached_to_what_is_pushed(work: Path, knows_referrers: bool) -> None:
    with serving(Fake(has_referrers=knows_referrers)) as registry:
        pushed = json.loads(good(work, "push", ".", f"{registry.name}/team/app:v1", "--sbom", "spdx", "--json"))
        manifests = registry.manifests["team/app"]
        about = [json.loads(data) for _, data in manifests.values() if b'"subject"' in data]
        assert {one["subject"]["digest"] for one in about} == {pushed[0]["digest"]}
        assert about[0]["artifactType"] == "application/spdx+json"
        document = json.loads(registry.blobs["team/app"][about[0]["layers"][0]["digest"]])
        assert named(document["packages"], "top")["versionInfo"] == "1.0"
        fallback = pushed[0]["digest"].replace(":", "-") in manifests
        assert fallback is not knows_referrers
