"""What caches tell of paths: read as Nix reads it, and believed as far as a key vouches for it."""

from pathlib import Path

import pytest
from tests.nars import Cache, store_path

from lamella.sources.nix.graph import NixError, base32, nar_hash
from lamella.sources.nix.narinfo import NarInfo, PublicKeys, parse

PATH, OTHER = store_path("a", "demo-1.0"), store_path("b", "libc-2")


def text_of(folder: Path, **changes: str) -> tuple[str, Cache]:
    (folder / "tree").write_text("text")
    cache = Cache(folder / "cache")
    cache.add(PATH, folder / "tree", [OTHER, PATH], **changes)
    return (folder / "cache" / f"{'a' * 32}.narinfo").read_text(), cache


def found(folder: Path, **changes: str) -> NarInfo:
    return parse(text_of(folder, **changes)[0], PATH, "the cache")


def test_what_is_told_and_who_vouches_for_it(tmp_path: Path) -> None:
    text, cache = text_of(tmp_path)
    info = parse(text, PATH, "the cache")
    assert (info.path, info.references, info.compression, info.nar_size) == (PATH, (OTHER, PATH), "zstd", 120)
    assert PublicKeys([cache.key]).vouch_for(info)
    assert PublicKeys(["other-1:" + "A" * 43 + "=", cache.key]).vouch_for(info)
    assert not PublicKeys([]).vouch_for(info)
    assert not PublicKeys([Cache(tmp_path).key]).vouch_for(info)
    for changed in ({"NarSize": "121"}, {"References": ""}, {"Sig": "tests-1:AAAA"}, {"Sig": "tests-1"}):
        assert not PublicKeys([cache.key]).vouch_for(found(tmp_path, **changed))


def test_a_cache_that_does_not_compress_need_not_hash_twice(tmp_path: Path) -> None:
    info = found(tmp_path, FileHash="", Compression="none")
    assert info.file_hash == info.nar_hash
    assert found(tmp_path, FileHash="").file_hash == ""


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("StorePath", OTHER, "do not trust it"),
        ("StorePath", "", "must have StorePath once"),
        ("URL", "../../etc/passwd", "is not valid"),
        ("URL", "", "must have URL once"),
        ("NarHash", "md5:abc", "not a SHA-256 hash"),
        ("NarSize", "-1", "is not a size"),
        ("NarSize", str(1 << 60), "is not a size"),
        ("References", "../../etc", "is not valid"),
        ("References", f"../../etc/{'b' * 32}-libc-2", "is not valid"),
        ("References", f"x/{'b' * 32}-libc-2/..", "is not valid"),
    ],
)
def test_what_no_cache_would_tell(tmp_path: Path, name: str, value: str, said: str) -> None:
    with pytest.raises(NixError, match=said) as caught:
        found(tmp_path, **{name: value})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", ["", "name", "name:", ":AAAA", "name:!", "name:AAAA"])
def test_keys_that_are_none(key: str) -> None:
    with pytest.raises(NixError, match="is not a public key"):
        PublicKeys([key])


@pytest.mark.parametrize("digits", ["", "0" * 51, "0" * 53, "0" * 60, "2" + "0" * 51, "z" * 52, "e" * 52])
def test_hashes_of_another_length_are_refused(digits: str) -> None:
    with pytest.raises(NixError, match="is not a SHA-256 hash in Nix's format"):
        nar_hash(f"sha256:{digits}")


@pytest.mark.parametrize("data", [bytes(32), b"\xff" * 32, bytes(range(32))])
def test_hashes_in_base_32_are_read_back(data: bytes) -> None:
    assert nar_hash(f"sha256:{base32(data)}") == data
