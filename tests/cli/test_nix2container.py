"""nix2container's files: what it wrote goes through every command, and what we write says the same to its readers."""

import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lamella.images.reading import open_layout
from lamella.layers.compress import compressor
from lamella.layers.make import pack
from lamella.oci.image import Sink

TAR = "application/vnd.oci.image.layer.v1.tar"
FOLDER = ("1ea63d00b937dc24c711265b80444cc9e7e63751fb7f349b160be61d31381983", 4096, "../data/tar-directory")
FILE = ("cc45bd46eca903b0900ebb997dffd5778904dca9ec02e7375dd1e653dfb61e2e", 3072, "../data/layer1/file1")
OTHER_MODE = ("adf74a52f9e1bcd7dab77193455fa06743b979cf5955148010e5becedba4f72d", 3072, "../data/layer1/file1")


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """The folder that nix2container's own paths start from."""
    (tmp_path / "data" / "tar-directory").mkdir(parents=True)
    (tmp_path / "data" / "layer1").mkdir()
    (tmp_path / "data" / "tar-directory" / "file1").write_text("content file1")
    (tmp_path / "data" / "tar-directory" / "symlink").symlink_to("file1")
    (tmp_path / "data" / "layer1" / "file1").touch()
    for path in (tmp_path / "data").rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else 0o644)
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


def layer(told: tuple[str, int, str], **options: Any) -> dict[str, Any]:
    """A layer as nix2container writes it."""
    digest, size, path = told
    paths = [{"path": path, **({"options": options} if options else {})}]
    history = {"created_by": "nix2container", "comment": "store paths"}
    return {
        "digest": f"sha256:{digest}",
        "size": size,
        "diff_ids": f"sha256:{digest}",
        "paths": paths,
        "mediatype": TAR,
        "History": history,
    }


def image(*layers: dict[str, Any]) -> dict[str, Any]:
    config = {"Env": ["A=b"], "Entrypoint": ["/bin/app"]}
    return {"version": 1, "image-config": config, "layers": list(layers), "arch": "arm64", "created": None}


def write(work: Path, told: object, name: str = "image.json") -> None:
    (work / name).write_text(json.dumps(told))


def lamella(work: Path, *args: str) -> str:
    command = [sys.executable, "-c", "from lamella.cli.main import main; main()", *args]
    env = {**os.environ, "LAMELLA_CACHE": str(work.parent / "cache")}
    ran = subprocess.run(command, cwd=work, env=env, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


KNOWN = [layer(FOLDER), layer(FILE), layer(OTHER_MODE, perms=[{"regex": "file1$", "mode": "0641", "uid": 0, "gid": 0}])]


@pytest.mark.parametrize("known", KNOWN, ids=["folder", "file", "mode"])
def test_known_answers_come_out_bit_for_bit(work: Path, known: dict[str, Any]) -> None:
    write(work, image(known))
    assert known["digest"][7:19] in lamella(work, "inspect", "image.json")
    assert "1 layer, 0 problems" in lamella(work, "validate", "image.json")
    for place in ("oci:out:v1", "oci-archive:out.tar:v1", "docker-archive:docker.tar:app:v1"):
        lamella(work, "copy", "image.json", place)
        told = json.loads(lamella(work, "inspect", place, "--json"))
        assert [layer["diff_id"] for layer in told["layers"]] == [known["digest"]]
        assert told["platform"] == "linux/arm64"
        assert "1 layer, 0 problems" in lamella(work, "validate", place)
    found = open_layout(work / "out", "v1")
    assert found.config.config.entrypoint == ["/bin/app"]
    assert found.config.history[0].created_by == "nix2container"


def test_layers_alone_are_an_image_too(work: Path) -> None:
    write(work, KNOWN[:2], "layers.json")
    write(work, image(KNOWN[0]))
    assert "2 layers, 0 problems" in lamella(work, "validate", "layers.json")
    lamella(work, "copy", "layers.json", "oci:out:v1")
    assert [layer.record.diff_id for layer in open_layout(work / "out").layers] == [
        KNOWN[0]["digest"],
        KNOWN[1]["digest"],
    ]
    told = json.loads(lamella(work, "diff", "image.json", "layers.json", "--json"))
    assert (told["kept"], len(told["layers"])) == (1, 1)
    assert "layer 1" in lamella(work, "explain", "../data/layer1/file1", "layers.json")


def test_a_file_that_is_not_what_it_was_is_found_out(work: Path) -> None:
    write(work, image(KNOWN[0]))
    (work.parent / "data" / "tar-directory" / "file1").write_text("Content file1")
    with pytest.raises(AssertionError, match="should be sha256:1ea63d00"):
        lamella(work, "copy", "image.json", "oci:out")


def stored(work: Path, compression: str) -> dict[str, Any]:
    """A layer whose bytes are kept in a file, of which nobody could make them again."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        info = tarfile.TarInfo("etc/base")
        info.size = 4
        tar.addfile(info, io.BytesIO(b"base"))
    blob = bytearray()

    def give(sink: Sink) -> None:
        sink(data.getvalue())

    record = pack(give, compression, blob.extend)
    file = work / f"blob-{compression}"
    file.write_bytes(blob)
    return {
        "digest": record.digest,
        "size": record.size,
        "diff_ids": record.diff_id,
        "mediatype": record.media_type,
        "layer-path": str(file),
        "History": {},
    }


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
def test_layers_that_are_stored_stay_what_they_are(work: Path, compression: str) -> None:
    base = stored(work, compression)
    write(work, image(base, KNOWN[0]))
    lamella(work, "copy", "image.json", "oci:out:v1")
    lamella(work, "copy", "image.json", "docker-archive:docker.tar:app:v1")
    assert "2 layers, 0 problems" in lamella(work, "validate", "image.json")
    first = open_layout(work / "out").layers[0].record
    assert first.diff_id == base["diff_ids"]
    if compression == "none":
        assert first.media_type == compressor("gzip").media_type
    else:
        assert (first.digest, first.media_type) == (base["digest"], base["mediatype"])
    told = json.loads(lamella(work, "inspect", "docker-archive:docker.tar", "--json"))
    assert [layer["diff_id"] for layer in told["layers"]] == [base["diff_ids"], KNOWN[0]["digest"]]
    (work / f"blob-{compression}").write_bytes(b"damage")
    with pytest.raises(AssertionError, match=f"blob-{compression}"):
        lamella(work, "copy", "image.json", "oci:other")


SPEC = """
name = "ours"
compression = "none"

[[layer]]
name = "moved"
files = [{ from = "../data/tar-directory/", to = "/srv/$x" }, { from = "../data/layer1/", to = "/" }]

[[layer]]
name = "without"
files = [{ from = "../data/tar-directory/", to = "/opt", exclude = ["sym*"] }]

[[layer]]
name = "unsayable"
files = [{ from = "../data/tar-directory/", to = "/etc" }]
perms = [{ match = "^/etc/file1$", mode = "0600" }]

[[layer]]
name = "cut"
files = [{ from = "../data/large", to = "/large" }]
max_bytes = 4000
"""


def test_what_we_write_says_the_same_to_nix2container(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(work)
    (work / "lamella.toml").write_text(SPEC)
    (work.parent / "data" / "large").mkdir()
    for number in range(5):
        (work.parent / "data" / "large" / str(number)).write_bytes(bytes(1000))
    lamella(work, "build", "--layers-json", "layers.json")
    layers = json.loads((work / "layers.json").read_bytes())
    assert layers == json.loads((work / "image.json").read_bytes())["layers"]
    named = {layer["lamella"]["name"].partition(":")[0]: layer for layer in layers}
    assert set(named) == {"moved", "without", "unsayable", "cut"}
    for layer in layers:
        assert layer["digest"] == layer["diff_ids"]
        assert layer["mediatype"] == TAR
    for name in ("moved", "without"):
        assert replayed(named[name]["paths"]) == named[name]["diff_ids"]
    assert "paths" not in named["unsayable"]
    assert "paths" not in named["cut"]
    assert f"{len(layers)} layers, 0 problems" in lamella(work, "validate", "layers.json")


def test_store_paths_under_rules_say_the_same_to_nix2container(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(work)
    shutil.copytree(work.parent / "data" / "tar-directory", work.parent / "data" / "store", symlinks=True)
    rules = {
        "rewrite": {"regex": "^.*/tar-directory", "repl": "/root$1"},
        "perms": [{"regex": "file", "mode": "0400", "orMode": "0200", "uid": 7, "gid": 8, "uname": "u", "gname": "g"}],
        "ignoreDestination": "symlink$",
    }
    paths = [{"path": "../data/tar-directory", "options": rules}]
    digest, size = tar_of(paths)
    write(work, image({**layer((digest, size, "")), "paths": paths}))
    assert "1 layer, 0 problems" in lamella(work, "validate", "image.json")


def replayed(paths: list[dict[str, Any]]) -> str:
    return f"sha256:{tar_of(paths)[0]}"


def tar_of(paths: list[dict[str, Any]]) -> tuple[str, int]:
    """What nix2container's rules make of `paths`: a writer of our own kind, and none of our code."""
    entries: dict[str, tarfile.TarInfo] = {}
    content: dict[str, bytes] = {}
    for item in paths:
        options = item.get("options") or {}
        rewrite, ignored = options.get("rewrite") or {}, options.get("ignoreDestination")
        for source in walked(Path(item["path"])):
            name = source
            if rewrite.get("regex"):
                repl = re.sub(r"\$(\$|\w+)", lambda match: "$" if match[1] == "$" else "", rewrite.get("repl", ""))
                name = re.sub(rewrite["regex"], repl.replace("\\", r"\\"), source)
            if not name or (ignored and re.search(ignored, name)):
                continue
            entries[name] = header(name, Path(source), options.get("perms") or [])
            content[name] = Path(source).read_bytes() if entries[name].isreg() else b""
            for parent in Path(name).parents:
                if str(parent) != ".":
                    entries.setdefault(str(parent), folder(str(parent)))
    data = io.BytesIO()
    for name in sorted(entries, key=lambda name: [part.encode() for part in Path(name).parts]):
        data.write(block(entries[name]))
        data.write(content.get(name, b""))
        data.write(bytes(-len(content.get(name, b"")) % 512))
    data.write(bytes(1024))
    return hashlib.sha256(data.getvalue()).hexdigest(), len(data.getvalue())


def walked(path: Path) -> Iterator[str]:
    yield str(path)
    if path.is_dir() and not path.is_symlink():
        for child in sorted(path.iterdir()):
            yield from walked(child)


def header(name: str, path: Path, perms: list[dict[str, Any]]) -> tarfile.TarInfo:
    info = folder(name)
    info.mode = path.lstat().st_mode & 0o7777
    if path.is_symlink():
        info.type, info.mode, info.linkname = tarfile.SYMTYPE, 0o777, str(path.readlink())
    elif path.is_file():
        info.type, info.size = tarfile.REGTYPE, path.stat().st_size
    for perm in perms:
        if re.search(perm["regex"], str(path)):
            info.uid, info.gid = perm.get("uid", 0), perm.get("gid", 0)
            info.uname, info.gname = perm.get("uname") or info.uname, perm.get("gname") or info.gname
            info.mode = int(perm["mode"], 8) if perm.get("mode") else info.mode
            info.mode |= int(perm.get("orMode") or "0", 8)
    return info


def folder(name: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.mtime, info.uname, info.gname = tarfile.DIRTYPE, 0o755, 1, "root", "root"
    return info


def block(info: tarfile.TarInfo) -> bytes:
    """The header as Go writes it: without a slash after folders, and with device numbers."""
    data = bytearray(info.tobuf(tarfile.USTAR_FORMAT))
    data[:100] = info.name.encode().ljust(100, b"\0")
    data[329:345] = b"0000000\0" * 2
    data[148:156] = b" " * 8
    data[148:156] = b"%06o\0 " % sum(data)
    return bytes(data)
