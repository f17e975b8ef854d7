"""Hashes are filled in as for a user: from an index, a server and repositories of the tests."""

import base64
import hashlib
import json
import os
import stat
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.command import LAMELLA
from tests.index import Index, serving
from tests.nars import nar_of
from tests.wheels import make_wheel

TEXT = """
{ fetchPypi, fetchurl, fetchzip, fetchFromGitHub, fetchgit, lib }:
{
  wheel = fetchPypi { pname = "Demo"; version = "1.0"; format = "wheel"; python = "py3"; hash = lib.fakeHash; };
  source = fetchPypi rec { pname = "demo"; version = "1.0"; hash = ""; };
  file = fetchurl { url = "URL/files/demo-1.0-py3-none-any.whl"; sha256 = ""; };
  archive = fetchzip { url = "URL/files/demo-1.0.tar.gz"; hash = ""; };
  hub = fetchFromGitHub { owner = "octo"; repo = "cat"; tag = "v1"; hash = ""; };
  again = fetchFromGitHub { owner = "octo"; repo = "cat"; rev = "refs/tags/v1"; hash = ""; };
  whole = fetchgit { url = "https://github.com/octo/cat.git"; rev = "COMMIT"; hash = ""; };
}
"""


def sri(data: bytes) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(data).digest()).decode()}"


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    folder = tmp_path / "index"
    folder.mkdir()
    make_wheel(folder, "demo", "1.0")
    tree = tmp_path / "demo-1.0"
    tree.mkdir()
    (tree / "setup.py").write_text("# a source")
    (tree / "run").write_text("#!/bin/sh")
    (tree / "run").chmod(0o755)
    with tarfile.open(folder / "demo-1.0.tar.gz", "w:gz") as archive:
        archive.add(tree, "demo-1.0")
    with serving(Index(folder)) as found:
        yield found


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository whose packed form lacks a file."""
    folder = tmp_path / "hub" / "octo" / "cat.git"
    folder.mkdir(parents=True)
    for name, text in {"code": "meow", "tests/only": "here", ".gitattributes": "tests export-ignore\n"}.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    for words in (
        ["init", "--quiet"],
        ["add", "."],
        ["-c", "user.name=x", "-c", "user.email=x@example.org", "commit", "--quiet", "-m", "first"],
        ["tag", "v1"],
    ):
        subprocess.run(["git", "-C", folder, *words], check=True)
    return folder


def lamella(folder: Path, index: Index, *args: str, code: int = 0) -> str:
    command = [*LAMELLA, "nix", "fill-hashes", *args]
    told = {"UV_DEFAULT_INDEX": index.url, "UV_CACHE_DIR": str(folder / "uv"), "LAMELLA_CACHE": str(folder / "kept")}
    git = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.file://{folder}/hub/.insteadOf",
        "GIT_CONFIG_VALUE_0": "https://github.com/",
        "HOME": str(folder),
    }
    env = {name: value for name, value in os.environ.items() if name != "UV_FIND_LINKS"}
    ran = subprocess.run(command, cwd=folder, env={**env, **told, **git}, capture_output=True, text=True, check=False)
    assert ran.returncode == code, ran.stdout + ran.stderr
    return ran.stdout or ran.stderr


def written(folder: Path, index: Index, repository: Path) -> Path:
    commit = subprocess.run(["git", "-C", repository, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    file = folder / "packages.nix"
    text = TEXT.replace("URL", f"http://127.0.0.1:{index.port}").replace("COMMIT", commit.stdout.strip())
    file.write_text(text)
    return file


def test_all_kinds_are_filled_in(tmp_path: Path, index: Index, repository: Path) -> None:
    file = written(tmp_path, index, repository)
    assert "7 missing" in lamella(tmp_path, index, "--check", "packages.nix", code=1)
    told = {one["line"]: one["hash"] for one in json.loads(lamella(tmp_path, index, "packages.nix", "--json"))}
    wheel = (index.folder / "demo-1.0-py3-none-any.whl").read_bytes()
    source = (index.folder / "demo-1.0.tar.gz").read_bytes()
    packed = tmp_path / "packed"
    packed.mkdir()
    for name in ("code", ".gitattributes"):
        (packed / name).write_bytes((repository / name).read_bytes())
    whole = tmp_path / "whole"
    subprocess.run(["git", "clone", "--quiet", repository, whole], check=True)
    subprocess.run(["rm", "-rf", whole / ".git"], check=True)
    tree = nar_of(tmp_path / "demo-1.0")
    wanted = [
        sri(wheel),
        sri(source),
        sri(wheel),
        sri(tree),
        sri(nar_of(packed)),
        sri(nar_of(packed)),
        sri(nar_of(whole)),
    ]
    assert [told[line] for line in sorted(told)] == wanted
    assert all(hashed in file.read_text() for hashed in wanted)
    assert "0 missing" in lamella(tmp_path, index, "--check", "packages.nix")
    before = file.read_bytes()
    assert "0 filled in, 0 missing" in lamella(tmp_path, index, "packages.nix")
    assert file.read_bytes() == before


def test_what_cannot_be_found_is_told_and_the_rest_is_filled(tmp_path: Path, index: Index, repository: Path) -> None:
    file = written(tmp_path, index, repository)
    text = (
        file.read_text().replace('tag = "v1"', 'tag = "v7"').replace('version = "1.0"; hash', "version = version; hash")
    )
    file.write_text(text.replace("files/demo-1.0.tar", "plain/none.tar"))
    said = lamella(tmp_path, index, "packages.nix", code=1)
    assert "packages.nix:5: fetchPypi: version cannot be determined from the file" in said
    assert "packages.nix:7: none.tar.gz: there is nothing at" in said
    assert "packages.nix:8: cat at refs/tags/v7: it cannot be fetched" in said
    assert "4 filled in, 3 missing" in said
    file.write_text(file.read_text().replace('tag = "v7"', 'rev = "--upload-pack=touch evil"'))
    assert "8: cat at --upload-pack=touch evil: its address or revision looks like an option" in lamella(
        tmp_path, index, "packages.nix", code=1
    )
    assert "does not exist" in lamella(tmp_path, index, "none.nix", code=2)


def test_a_file_keeps_its_mode_and_its_line_ends(tmp_path: Path, index: Index) -> None:
    file = tmp_path / "one.nix"
    file.write_bytes(b'fetchPypi {\r\n  pname = "demo";\r\n  version = "1.0";\r\n  hash = "";\r\n}\r\n')
    file.chmod(0o750)
    lamella(tmp_path, index, "one.nix")
    hashed = sri((index.folder / "demo-1.0.tar.gz").read_bytes())
    assert file.read_bytes().split(b"\r\n")[3:] == [f'  hash = "{hashed}";'.encode(), b"}", b""]
    assert stat.S_IMODE(file.stat().st_mode) == 0o750


def test_problems_are_shown_even_if_quiet(tmp_path: Path, index: Index) -> None:
    (tmp_path / "one.nix").write_text('fetchurl { url = "URL/none"; hash = ""; }\n'.replace("URL", index.url))
    said = lamella(tmp_path, index, "one.nix", "-q", code=1)
    assert said.startswith("one.nix:1: none: there is nothing at")
    assert len(said.splitlines()) == 1


def test_a_file_that_is_no_text_is_one_line(tmp_path: Path, index: Index) -> None:
    (tmp_path / "one.nix").write_bytes(b"{\n  a = '\xff';\n}\n")
    assert lamella(tmp_path, index, "one.nix", code=2) == "lamella: one.nix:2: the file is not UTF-8\n"
