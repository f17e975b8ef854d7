"""Hashes that are wanted are found where they stand, and what they are of is read from the text around them."""

import stat
import zipfile
from pathlib import Path

import pytest

from lamella.hashes import fill
from lamella.hashes.fill import Found, HashError, filled
from lamella.hashes.wanted import File, Missing, Python, Tree, is_fake, missing

TEXT = """
{ lib, buildPythonPackage, fetchPypi, fetchFromGitHub, fetchurl, pkgs, ... }:
let
  base = "https://files.example.org";  # not { closed
  rev' = "v9";
in
rec {
  one = buildPythonPackage rec {
    pname = "One.Name"; version = "1.2";
    src = fetchPypi { inherit pname version; hash = ""; };
  };
  two = buildPythonPackage (finalAttrs: {
    pname = "two"; version = "2.0";
    format = "wheel";
    src = pkgs.fetchPypi {
      inherit (finalAttrs) pname version;
      pname = "two"; version = "${finalAttrs.version}";
      format = "wheel"; dist = "cp314"; python = "cp314"; abi = "cp314"; platform = "manylinux_2_28_x86_64";
      sha256 = lib.fakeSha256;
    };
  });
  three = fetchurl { url = "${base}/three-1.0-py3-none-any.whl"; hash = lib.fakeHash; };
  four = fetchFromGitHub {
    owner = "octo"; repo = "cat"; rev = "refs/tags/${rev'}";
    hash = "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
  };
  five = fetchFromGitHub { owner = "octo"; repo = "dog"; tag = "v1"; fetchSubmodules = true; hash = ""; };
  six = pkgs.fetchgit { url = "https://git.example.org/six.git"; rev = "abc"; sha256 = ""; };
  seven = fetchzip { url = base + "/seven.zip"; hash = ""; };
  known = fetchurl { url = "x"; hash = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="; };
  /* fetchurl { url = "commented"; hash = ""; } */
  text = "fetchurl { url = x; hash = \\"\\"; }";
  long = ''fetchurl { hash = ""; } ''${not} $${this}'';
  other = notAFetcher { url = "x"; hash = ""; };
}
"""
WANTED = [
    Python("One.Name", "1.2", "One.Name-1.2.tar.gz"),
    Python("two", "2.0", "two-2.0-cp314-cp314-manylinux_2_28_x86_64.whl", "cp314"),
    File("https://files.example.org/three-1.0-py3-none-any.whl"),
    Tree("https://github.com/octo/cat.git", "refs/tags/v9", submodules=False, exported=True),
    Tree("https://github.com/octo/dog.git", "refs/tags/v1", submodules=True, exported=False),
    Tree("https://git.example.org/six.git", "abc", submodules=True, exported=False),
    None,
]


def test_what_is_wanted_is_read_from_the_text_around() -> None:
    found = missing(TEXT)
    assert [one.wanted for one in found] == WANTED
    assert "url" in found[-1].problem
    assert [TEXT.splitlines()[one.place.line - 1].strip() != "" for one in found] == [True] * len(found)


def test_hashes_go_where_they_belong_and_nothing_else_changes() -> None:
    found = missing(TEXT)
    hashes = [f"sha256-{number}" for number in range(len(found))]
    text = filled(TEXT, [Found(one, hashed) for one, hashed in zip(found, hashes, strict=True)])
    for hashed in hashes:
        assert text.count(f'"{hashed}"') == 1
    assert missing(text) == []
    for hashed, old in zip(hashes, found, strict=True):
        text = text.replace(f'"{hashed}"', TEXT[old.place.start : old.place.end])
    assert text == TEXT


@pytest.mark.parametrize(
    ("text", "fake"),
    [
        ('""', True),
        ("lib.fakeHash", True),
        ("pkgs.lib.fakeSha256", True),
        ("fakeHash", True),
        ('"' + "0" * 52 + '"', True),
        ('"' + "0" * 64 + '"', True),
        ('"sha256:' + "0" * 64 + '"', True),
        ('"sha256-' + "A" * 43 + '="', True),
        ('"sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="', False),
        ('"0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73"', False),
    ],
)
def test_what_says_of_itself_that_it_is_no_hash(text: str, fake: bool) -> None:
    assert is_fake(text) is fake


@pytest.mark.parametrize(
    "text", ["", "{", "}}}", "fetchurl { hash = ", 'fetchurl { hash = "";', "let in }", '"', "''", "${"]
)
def test_text_that_is_no_nix_is_survived(text: str) -> None:
    assert all(isinstance(one, Missing) for one in missing(text))


@pytest.mark.parametrize(
    ("argument", "named"),
    [
        ("stripRoot = false;", "stripRoot"),
        ("stripRoot = true;", ""),
        ('postFetch = "rm $out/x";', "postFetch"),
        ("postFetch = ''\n rm x ${y}\n'';", "postFetch"),
        ("inherit postFetch;", "postFetch"),
        ('sparseCheckout = [ "a" ];', "sparseCheckout"),
        ("fetchLFS = true;", "fetchLFS"),
        ("fetchLFS = false;", ""),
        ('rootDir = "a";', "rootDir"),
        ("leaveDotGit = true;", "leaveDotGit"),
        ("deepClone = true;", "deepClone"),
    ],
)
def test_arguments_that_change_the_hash_are_named(argument: str, named: str) -> None:
    [found] = missing(f'fetchFromGitHub {{ owner = "a"; repo = "b"; rev = "c"; {argument} hash = ""; }}')
    assert found.problem == (named and f"{named} is not supported; let Nix determine the hash")
    assert (found.wanted is None) == bool(named)


def _zip_of(file: Path, links: dict[str, str]) -> Path:
    with zipfile.ZipFile(file, "w") as archive:
        for name, target in links.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(info, target)
        archive.writestr("top/file", b"file")
    return file


def test_links_in_a_zip_are_links(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    fill._unzip(_zip_of(tmp_path / "zip", {"top/link": "file", "top/in/up": "../file"}), tmp_path / "tree")
    assert (tmp_path / "tree/top/link").readlink() == Path("file")
    assert (tmp_path / "tree/top/in/up").read_bytes() == b"file"


@pytest.mark.parametrize("target", ["../../evil", "/etc/passwd", ".."])
def test_links_in_a_zip_that_lead_out_are_refused(tmp_path: Path, target: str) -> None:
    (tmp_path / "tree").mkdir()
    with pytest.raises(HashError, match="leads out of it"):
        fill._unzip(_zip_of(tmp_path / "zip", {"link": target}), tmp_path / "tree")
