"""Streams of any members and blocks are read, and never more at once than needed."""

import bz2
import gzip
import lzma
import struct
from collections.abc import Callable

import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from lamella.oci.decompress import IN_PACKAGES, DecompressError, Decompressor, compression_of

PACK: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "zstd": zstd.compress}
CHECKED: dict[int, int] = {zstd.CompressionParameter.checksum_flag: 1}
kinds = pytest.mark.parametrize("kind", PACK)
SKIPPED = struct.pack("<II", 0x184D2A53, 5) + b"skip!"


def unpack(data: bytes, kind: str, block: int = 1000) -> bytes:
    out = bytearray()
    with Decompressor(kind, out.extend, "the stream") as plain:
        for at in range(0, len(data), block):
            buffer = bytearray(data[at : at + block])
            plain.write(memoryview(buffer))
            buffer[:] = bytes(len(buffer))
    return bytes(out)


@given(st.lists(st.binary(max_size=3000), min_size=1, max_size=4), st.sampled_from(list(PACK)), st.integers(1, 4000))
def test_streams_of_several_parts(parts: list[bytes], kind: str, block: int) -> None:
    data = b"".join(PACK[kind](part) for part in parts)
    assert compression_of(data) == kind
    assert unpack(data, kind, block) == b"".join(parts)


def test_many_empty_parts_take_time_in_proportion() -> None:
    """A block is not copied once for each of its members."""
    copied = 0

    class Engine:
        """A stream with members of one byte each."""

        eof = True
        needs_input = False
        unused_data = b""

        def decompress(self, data: bytes, /, max_length: int = -1) -> bytes:
            nonlocal copied
            self.unused_data = data[1:]
            copied += len(self.unused_data)
            return data[: min(1, max_length)]

    count = 1 << 18
    out = bytearray()
    with Decompressor("own", out.extend, "the stream", {"own": Engine}) as plain:
        plain.write(bytes(count))
    assert out == bytes(count)
    assert copied < count * (16 << 10)


def test_plain_bytes_pass() -> None:
    assert compression_of(b"plain") == "none"
    assert compression_of(b"") == "none"
    assert unpack(b"plain", "none", 2) == b"plain"
    assert unpack(b"", "none") == b""


def test_frames_that_are_to_be_skipped_are() -> None:
    data = SKIPPED + zstd.compress(b"one") + SKIPPED + zstd.compress(b"two") + SKIPPED
    assert compression_of(data) == "zstd"
    assert unpack(data, "zstd", 3) == b"onetwo"


@kinds
def test_a_cut_stream_is_noticed_wherever_it_is_cut(kind: str) -> None:
    data = PACK[kind](b"some data" * 30)
    for length in range(len(data)):
        with pytest.raises(DecompressError, match="the stream is cut short"):
            unpack(data[:length], kind)


@kinds
def test_what_follows_the_end_must_be_another_part(kind: str) -> None:
    with pytest.raises(DecompressError, match="the stream is"):
        unpack(PACK[kind](b"data") + b"rubbish, and more of it", kind)


@kinds
def test_a_changed_sum_is_noticed(kind: str) -> None:
    data = gzip.compress(b"data") if kind == "gzip" else zstd.compress(b"data", options=CHECKED)
    at = -5 if kind == "gzip" else -1
    changed = bytearray(data)
    changed[at] ^= 1
    with pytest.raises(DecompressError, match=f"is not valid {kind}"):
        unpack(bytes(changed), kind)


@kinds
def test_a_bomb_comes_in_small_pieces(kind: str) -> None:
    data = PACK[kind](bytes(64 << 20))
    sizes: list[int] = []
    with Decompressor(kind, lambda block: sizes.append(len(block)), "the bomb") as plain:
        plain.write(data)
    assert sum(sizes) == 64 << 20
    assert max(sizes) <= 1 << 20


@pytest.mark.parametrize("kind", ["xz", "bzip2", "lzip"])
def test_other_kinds_are_refused(kind: str) -> None:
    with pytest.raises(DecompressError, match=f"compressed with {kind}"):
        Decompressor(kind, print, "the stream")


def test_an_error_inside_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError), Decompressor("gzip", print, "the stream"):
        raise ZeroDivisionError


@pytest.mark.parametrize(("kind", "pack"), [("xz", lzma.compress), ("bzip2", bz2.compress), ("zstd", zstd.compress)])
def test_nars_may_be_compressed_in_more_ways(kind: str, pack: Callable[[bytes], bytes]) -> None:
    plain = bytes(5_000_000)
    packed = pack(plain) + pack(b"") + pack(b"end")
    found = bytearray()
    with Decompressor(kind, found.extend, "x", IN_PACKAGES) as unpacking:
        for at in range(0, len(packed), 100):
            unpacking.write(packed[at : at + 100])
    assert found == plain + b"end"
    for damaged in (packed[:-1], packed + b"x", b"y" + packed, b""):
        with pytest.raises(DecompressError), Decompressor(kind, found.extend, "x", IN_PACKAGES) as unpacking:
            unpacking.write(damaged)


def test_a_stream_that_asks_for_too_much_memory_is_refused() -> None:
    packed = lzma.compress(b"x", filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 30}])
    with pytest.raises(DecompressError, match="not valid xz"), Decompressor("xz", print, "", IN_PACKAGES) as one:
        one.write(packed)
