"""NARs give the files that were put into them; what Nix would not have written is refused, and leads nowhere."""

import hashlib
import os
from pathlib import Path

import msgspec
import pytest
from tests.nars import PACKERS, nar_of, store_path, word, words

from lamella.layers.tree import merge
from lamella.oci.digest import sha256
from lamella.package import Entry, Kind, Package
from lamella.sources import tree
from lamella.sources.nix import nar
from lamella.sources.spool import DamagedError

PATH = store_path("a", "demo-1.0")
LARGE = os.urandom(300_000)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "tree"
    for name, text in {
        "bin/tool": b"#!",
        "lib/large": LARGE,
        "lib/empty": b"",
        "lib.d/x": b"x",
        "ä": b"8 bytes.",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text)
        (folder / name).chmod(0o555 if "bin/" in name else 0o444)
    (folder / "none").mkdir()
    (folder / "link").symlink_to("../lib/large")
    for path in (folder, *folder.rglob("*")):
        if path.is_dir():
            path.chmod(0o555)
    return folder


def package(folder: Path, data: bytes, compression: str = "none", **changes: object) -> Package:
    file = folder / "nar"
    file.write_bytes(PACKERS[compression](data))
    told = {"nar_hash": hashlib.sha256(data).hexdigest(), "nar_size": len(data), **changes}
    how = msgspec.json.encode({"file": str(file), "compression": compression, **told}).decode()
    return Package(PATH, "demo", sha256(b""), len(data), (), "nix", PATH, PATH, how)


def told(entry: Entry) -> tuple[object, ...]:
    data = b""
    if callable(entry.content):
        with entry.content() as file:
            data = b"".join(iter(lambda: file.read(1 << 16), b""))
    elif entry.content:
        data = Path(os.fsdecode(entry.content)).read_bytes()
    return (entry.path, entry.kind, entry.mode, entry.size, entry.target, data)


@pytest.mark.parametrize("compression", PACKERS)
def test_the_files_are_those_of_the_tree(files: Path, tmp_path: Path, compression: str) -> None:
    found = list(nar.entries(package(tmp_path, nar_of(files), compression)))
    assert [told(entry) for entry in found] == [told(entry) for entry in tree.walk(os.fsencode(files), PATH.encode())]
    list(merge([iter(found)]))


@pytest.mark.parametrize("data", [b"", b"text"])
def test_a_store_path_that_is_a_file(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "file").write_bytes(data)
    (entry,) = nar.entries(package(tmp_path, nar_of(tmp_path / "file")))
    assert told(entry)[1:] == (Kind.FILE, 0o444, len(data), b"", data)
    bare = word(b"nix-archive-1") + words(b"(", b"type", b"regular", b")")
    (entry,) = nar.entries(package(tmp_path, bare))
    assert (entry.kind, entry.size, told(entry)[-1]) == (Kind.FILE, 0, b"")


def folder(*entries: bytes) -> bytes:
    return words(b"(", b"type", b"directory") + b"".join(entries) + word(b")")


def entry(name: bytes, inner: bytes) -> bytes:
    return words(b"entry", b"(", b"name", name, b"node") + inner + word(b")")


TEXT = words(b"(", b"type", b"regular", b"contents", b"text", b")")
WRONG = {
    "another magic": word(b"nix-archive-2") + TEXT,
    "nothing": b"",
    "a name that leads out": folder(entry(b"..", TEXT)),
    "a name in another folder": folder(entry(b"a/b", TEXT)),
    "no name": folder(entry(b"", TEXT)),
    "itself": folder(entry(b".", TEXT)),
    "a NUL": folder(entry(b"a\0b", TEXT)),
    "a name twice": folder(entry(b"a", TEXT), entry(b"a", TEXT)),
    "names in another order": folder(entry(b"b", TEXT), entry(b"a", TEXT)),
    "a device": words(b"(", b"type", b"device", b")"),
    "something behind": TEXT + word(b"more"),
    "no end": words(b"(", b"type", b"regular", b"contents", b"text"),
    "a folder without an end": words(b"(", b"type", b"directory"),
    "an entry without an end": words(b"(", b"type", b"directory", b"entry", b"(", b"name", b"a", b"node") + TEXT,
    "more than there is": words(b"(", b"type", b"regular", b"contents") + (1 << 40).to_bytes(8, "little"),
    "a long name": folder(entry(b"a" * 5000, TEXT)),
    "padding that says something": TEXT[:-9] + b"x" + TEXT[-8:],
    "a program that is something else": words(b"(", b"type", b"regular", b"executable", b"yes", b")"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_nix_would_not_have_written(tmp_path: Path, what: str) -> None:
    data = WRONG[what] if what in ("another magic", "nothing") else word(b"nix-archive-1") + WRONG[what]
    with pytest.raises(DamagedError, match=r"the NAR of /nix/store/a+-demo-1\.0 is damaged") as caught:
        list(nar.entries(package(tmp_path, data)))
    assert "\n" not in str(caught.value)


def test_folders_in_folders_without_end(tmp_path: Path) -> None:
    data = TEXT
    for _ in range(3000):
        data = folder(entry(b"a", data))
    assert len(list(nar.entries(package(tmp_path, word(b"nix-archive-1") + data)))) == 3001


@pytest.mark.parametrize("compression", PACKERS)
def test_what_is_cut_short_or_something_else(files: Path, tmp_path: Path, compression: str) -> None:
    data = nar_of(files)
    other = {"nar_hash": "0" * 64}
    with pytest.raises(DamagedError, match="is not the one with the hash 0000"):
        next(nar.entries(package(tmp_path, data, compression, **other)))
    made = package(tmp_path, data, compression)
    file = tmp_path / "nar"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(DamagedError, match=r"cannot be unpacked: it is (cut short|not whole)|is not the one"):
        next(nar.entries(made))


def test_a_bomb_is_left_when_it_goes_off(tmp_path: Path) -> None:
    with pytest.raises(DamagedError, match="unpacks to more than 1000 bytes; do not trust it"):
        next(nar.entries(package(tmp_path, bytes(1 << 28), "zstd", nar_size=1000)))
    with pytest.raises(DamagedError, match="compressed with lzip"):
        next(nar.entries(compressed_by(package(tmp_path, b""), "lzip")))


def compressed_by(made: Package, compression: str) -> Package:
    how = {**msgspec.json.decode(made.how), "compression": compression}
    return Package(*(made.id, made.name, made.content, 0, (), "nix", PATH, PATH), how=msgspec.json.encode(how).decode())
