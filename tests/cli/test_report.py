"""`lamella report`: for a spec, for what was built from it, and for images made by other tools."""

import io
import os
import shutil
import tarfile
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result
from tests.made import image_with, layer_of, tar_of
from tests.registry.fake import Fake, serving

from lamella.cli.main import cli
from lamella.destinations.layout import Layout
from lamella.destinations.publish import publish
from lamella.errors import LamellaError
from lamella.oci.image import parcel_of
from lamella.report.facts import Facts
from lamella.report.tree import Node

HELLO = Path(__file__).parents[2] / "examples" / "hello"
HARMFUL = b"app/<", b"script>\"'&\xff\n.txt"

_KINDS = {"a": tarfile.REGTYPE, "b": tarfile.LNKTYPE, "c": tarfile.SYMTYPE, "d": tarfile.FIFOTYPE}


@pytest.fixture
def hello(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(HELLO, tmp_path / "hello")
    monkeypatch.setenv("LAMELLA_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path / "hello")
    return tmp_path / "hello"


def ran(*args: str) -> Result:
    found = CliRunner().invoke(cli, args)
    if found.exception and not isinstance(found.exception, SystemExit):
        raise found.exception
    assert found.exit_code == 0, found.output
    return found


def told(*args: str) -> Facts:
    return msgspec.json.decode(ran("report", *args, "--json").stdout_bytes, type=Facts)


def test_a_page_is_written_and_the_same_again(hello: Path) -> None:
    assert ran("report").stdout == "wrote report.html\n"
    page = (hello / "report.html").read_bytes()
    assert page.startswith(b"<!doctype html>")
    assert b"<title>hello" in page
    assert ran("report", ".", "-o", "-").stdout_bytes == page
    assert ran("report", "-q", "-o", "other.html").stdout == "other.html\n"
    assert (hello / "other.html").read_bytes() == page


def test_facts_go_where_the_user_wants_them(hello: Path) -> None:
    shown = ran("report", "--json").stdout_bytes
    assert ran("report", "--json", "-o", "-").stdout_bytes == shown
    assert ran("report", "--json", "-o", "facts.json").stdout == "wrote facts.json\n"
    assert (hello / "facts.json").read_bytes() == shown
    assert not (hello / "report.html").exists()


def test_what_is_planned_is_told_as_what_was_built(hello: Path) -> None:
    planned = told()
    assert {layer.made for layer in planned.layers} == {False}
    ran("build", "-q", "--to", "oci:out")
    built = told()
    assert {layer.made for layer in built.layers} == {True}
    packages = msgspec.json.encode(built.packages)
    for place in ("image.json", "oci:out:latest"):
        found = told(place)
        assert msgspec.json.encode(found.packages) == packages
        assert [layer.digest for layer in found.layers] == [layer.digest for layer in built.layers]
        assert (found.files, found.unpacked, found.looked_at) == (built.files, built.unpacked, len(built.layers))


def test_files_are_those_of_packages_whoever_tells_them(hello: Path) -> None:
    """Read from the packages, and from the tars that were made of them."""
    ran("build", "-q", "--to", "oci:out")
    here, there = (_names(told(place).picture) for place in (".", "oci:out:latest"))
    assert here
    assert here == there


def test_two_images_are_compared_as_diff_does(hello: Path) -> None:
    ran("build", "-q", "-o", "old.json")
    (hello / "app" / "hello.sh").write_text("echo other\n")
    ran("build", "-q")
    found = told("old.json", "image.json")
    diff = msgspec.json.decode(ran("diff", "old.json", "image.json", "--json").stdout)
    assert found.change is not None
    assert (found.change.fetched, found.change.kept) == (diff["bytes"], diff["kept"])
    assert [layer.name for layer in found.layers if layer.fetched] == [layer["name"] for layer in diff["layers"]]
    assert ran("report", "old.json", "image.json").stdout == "wrote report.html\n"


def test_layers_are_not_read_where_nobody_asks_for_files(hello: Path) -> None:
    ran("build", "-q", "--to", "oci:out")
    for blob in (hello / "out" / "blobs" / "sha256").iterdir():
        if blob.stat().st_size and not blob.read_bytes().startswith(b"{"):
            blob.write_bytes(b"damaged")
    found = told("oci:out:latest", "--no-files")
    assert (found.looked_at, found.hidden, found.files) == (0, None, 0)
    assert len(found.packages) == len(told().packages)
    assert isinstance(CliRunner().invoke(cli, ["report", "oci:out:latest"]).exception, LamellaError)


def test_an_image_of_others_from_wherever_it_is(hello: Path) -> None:
    low = {"etc/passwd": b"root", "usr/bin/tool": b"tool" * 100, "usr/bin/twin": b"tool" * 100}
    image = image_with(
        layer_of(tar_of(low), name="FROM scratch"), layer_of(tar_of({"usr/bin/.wh.tool": b""}), "zstd", "RUN rm")
    )
    publish(parcel_of(image), Layout(hello / "layout"), "v1", lambda *_: None)
    ran("copy", "oci:layout:v1", "docker-archive:docker.tar:others:v1")
    with serving(Fake()) as registry:
        place = f"docker://{registry.name}/others:v1"
        ran("copy", "oci:layout:v1", place)
        for found in (told("oci:layout:v1"), told("docker-archive:docker.tar"), told(place)):
            assert [layer.name for layer in found.layers] == ["FROM scratch", "RUN rm"]
            assert found.hidden is not None
            assert [one.places for one in found.hidden.largest] == [["/usr/bin/tool"]]
            assert (found.files, found.unpacked, found.packages) == (2, 404, [])
            assert _names(found.picture) == {"etc/passwd", "usr/bin/tool", "usr/bin/twin"}


def test_names_of_files_are_only_names(hello: Path) -> None:
    folder, name = (Path(os.fsdecode(part)) for part in HARMFUL)
    folder.mkdir()
    (folder / name).write_bytes(b"x" * 5000)
    ran("report")
    page = (hello / "report.html").read_text()
    assert page.count("</script>") == 3
    data = page.partition('id="facts">')[2].partition("</script>")[0]
    names = _names(msgspec.json.decode(data, type=Facts).picture)
    assert "</script>\"'&\\xff\\n.txt" in names
    (hello / "links.tar").write_bytes(_odd_members())
    assert ran("report", "docker-archive:links.tar").stdout == "wrote report.html\n"


def _names(node: Node) -> set[str]:
    """The files in a picture."""
    own = {node.name} if node.kind == "file" else set()
    return own.union(*(_names(part) for part in node.parts))


def _odd_members() -> bytes:
    """A Docker archive of a layer with links and devices in it."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        for name, kind in _KINDS.items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "a" if name in "bc" else ""
            tar.addfile(member)
    image = image_with(layer_of(layer.getvalue(), "none"))
    manifest = [{"Config": "config.json", "RepoTags": ["odd:1"], "Layers": ["layer.tar"]}]
    files = {
        "layer.tar": layer.getvalue(),
        "config.json": image.config_bytes,
        "manifest.json": msgspec.json.encode(manifest),
    }
    return tar_of(files)
