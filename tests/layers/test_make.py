"""One pass gives bytes and record, the same bytes however it is run, and every failure stops it."""

import gzip
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from backports import zstd
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.layers.trees import Tree, entries, package, trees

from lamella.layers import tar
from lamella.layers.blocks import BLOCK
from lamella.layers.compress import COMPRESSORS, CompressionError, compressor
from lamella.layers.make import PlannedBytes, RemadeError, layer_entries, make, pack
from lamella.layers.tar import TarError
from lamella.oci import media
from lamella.oci.digest import sha256
from lamella.oci.image import Buffer, Record
from lamella.package import Entries, Entry, Package, Rewrite, Rules
from lamella.plan import LayerPlan, Part
from lamella.sources.tree import walk

OPEN: dict[str, Callable[[bytes], bytes]] = {"none": bytes, "gzip": gzip.decompress, "zstd": zstd.decompress}
LARGE = 5 * BLOCK + 12345


def local(given: Package) -> Iterator[Entry]:
    return walk(os.fsencode(given.path), os.fsencode(given.at))


def plan(*packages: Package) -> LayerPlan:
    return LayerPlan("a layer", tuple(Part(package) for package in packages))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of many blocks, some of which compress and some do not."""
    (tmp_path / "large").write_bytes(os.urandom(LARGE) + bytes(LARGE))
    for number in range(200):
        (tmp_path / f"{number}").write_bytes(b"%d" % number * number)
    return tmp_path


def layer(folder: Path) -> LayerPlan:
    return plan(package("p", str(folder)))


def made(given: LayerPlan, found: Entries, compression: str) -> tuple[Record, bytes]:
    out = bytearray()
    return make(given, found, compression, out.extend), bytes(out)


@pytest.mark.parametrize("compression", COMPRESSORS)
@pytest.mark.parametrize("large", [True, False])
def test_the_record_tells_of_the_blob_and_the_tar_in_it(folder: Path, compression: str, large: bool) -> None:
    if not large:
        (folder / "large").unlink()
    record, blob = made(layer(folder), local, compression)
    whole = bytearray()
    tar.write(layer_entries(layer(folder), local), whole.extend)
    assert OPEN[compression](blob) == whole
    assert record.diff_id == sha256(bytes(whole))
    assert (record.tar_size, record.digest, record.size) == (len(whole), sha256(blob), len(blob))
    assert media.compression(record.media_type) == compression
    assert make(layer(folder), local, compression) == record


def test_gzip_is_one_stream_fed_with_full_blocks(folder: Path) -> None:
    from isal import isal_zlib

    _, whole = made(layer(folder), local, "none")
    stream = isal_zlib.compressobj(1, isal_zlib.DEFLATED, 31)
    pieces = [stream.compress(whole[at : at + BLOCK]) for at in range(0, len(whole), BLOCK)]
    _, blob = made(layer(folder), local, "gzip")
    assert blob == b"".join(pieces) + stream.flush()
    assert blob[:10] == bytes.fromhex("1f8b08000000000000ff")


@pytest.mark.parametrize("compression", COMPRESSORS)
def test_any_number_of_layers_side_by_side_gives_the_same_bytes(folder: Path, compression: str) -> None:
    alone = made(layer(folder), local, compression)
    with ThreadPoolExecutor(6) as threads:
        together = list(threads.map(lambda _: made(layer(folder), local, compression), range(12)))
    assert together == [alone] * 12


@pytest.mark.parametrize("compression", COMPRESSORS)
@pytest.mark.parametrize("step", [1000, BLOCK - 1, BLOCK, 3 * BLOCK])
def test_a_tar_that_exists_gives_the_same_layer_in_pieces_of_any_length(
    folder: Path, compression: str, step: int
) -> None:
    record, blob = made(layer(folder), local, compression)
    _, whole = made(layer(folder), local, "none")
    out = bytearray()

    def give(to: Callable[[Buffer], object]) -> None:
        for at in range(0, len(whole), step):
            to(whole[at : at + step])

    assert pack(give, compression, out.extend) == record
    assert out == blob


@settings(max_examples=30)
@given(st.lists(trees(b""), min_size=1, max_size=4), st.data())
def test_the_order_of_packages_does_not_matter(given: list[Tree], data: st.DataObject) -> None:
    packages = [package(f"/{number}") for number in range(len(given))]

    def found(wanted: Package) -> Iterator[Entry]:
        for entry in entries(given[int(wanted.id[1:])]):
            yield entry._replace(path=wanted.id.encode() + entry.path)

    shuffled = data.draw(st.permutations(packages))
    assert made(plan(*shuffled), found, "none") == made(plan(*packages), found, "none")


def test_rules_of_each_package_apply_to_it_alone(folder: Path) -> None:
    rules = Rules(rewrites=(Rewrite("^/p", "/q"),))
    given = LayerPlan("", (Part(Package("p", "p", sha256(b""), 0, path=str(folder), at="/p"), rules),))
    paths = [entry.path for entry in layer_entries(given, local)]
    assert paths[:3] == [b"/", b"/q", b"/q/0"]


def test_progress_is_told_in_order_up_to_the_whole(folder: Path) -> None:
    told: list[int] = []
    record = make(layer(folder), local, "gzip", None, told.append)
    assert told == sorted(set(told))
    assert told[-1] == record.tar_size
    assert len(told) == -(-record.tar_size // BLOCK)


class _StopError(Exception):
    pass


def after(blocks: int) -> Callable[[object], None]:
    """Fails on the nth call."""
    left = blocks

    def fail(_: object) -> None:
        nonlocal left
        left -= 1
        if left <= 0:
            raise _StopError

    return fail


@pytest.mark.parametrize("compression", COMPRESSORS)
@pytest.mark.parametrize("blocks", [1, 2, 5])
def test_a_sink_that_fails_stops_everything(folder: Path, compression: str, blocks: int) -> None:
    before = threading.active_count()
    with pytest.raises(_StopError):
        make(layer(folder), local, compression, after(blocks))
    assert threading.active_count() == before


@pytest.mark.parametrize("blocks", [1, 2, 9])
def test_progress_that_fails_stops_everything(folder: Path, blocks: int) -> None:
    before = threading.active_count()
    with pytest.raises(_StopError):
        make(layer(folder), local, "gzip", None, after(blocks))
    assert threading.active_count() == before


def test_a_failed_sink_gets_nothing_more(folder: Path) -> None:
    taken: list[int] = []

    def fail(block: Buffer) -> None:
        taken.append(len(block))
        raise _StopError

    with pytest.raises(_StopError):
        make(layer(folder), local, "none", fail)
    assert len(taken) == 1


@pytest.mark.parametrize("compression", COMPRESSORS)
def test_a_file_that_vanishes_midway_stops_everything(folder: Path, compression: str) -> None:
    last = folder / "zzz"
    last.write_bytes(b"here")

    def found(given: Package) -> Iterator[Entry]:
        for entry in local(given):
            if entry.path.endswith(b"/zzz"):
                last.unlink()
            yield entry

    before = threading.active_count()
    with pytest.raises(TarError, match="zzz cannot be read"):
        make(layer(folder), found, compression)
    assert threading.active_count() == before


def test_an_unknown_compression_is_named() -> None:
    with pytest.raises(CompressionError, match=r"'lzma'; there are none, gzip, zstd"):
        compressor("lzma")


def test_identities_differ_and_name_the_library() -> None:
    identities = [compressor(name).identity for name in COMPRESSORS]
    assert len(set(identities)) == 3
    assert zstd.zstd_version in identities[2]


@pytest.mark.parametrize("compression", COMPRESSORS)
def test_planned_bytes_are_made_again(folder: Path, compression: str) -> None:
    record, blob = made(layer(folder), local, compression)
    content = PlannedBytes(layer(folder), local, compression, record)
    again, whole = bytearray(), bytearray()
    content.blob(again.extend)
    content.tar(whole.extend)
    assert (bytes(again), sha256(bytes(whole))) == (blob, record.diff_id)


@pytest.mark.parametrize("ask", [PlannedBytes.blob, PlannedBytes.tar])
def test_planned_bytes_that_changed_are_refused(folder: Path, ask: Callable[[PlannedBytes, object], None]) -> None:
    record, _ = made(layer(folder), local, "gzip")
    (folder / "5").write_bytes(b"other")
    with pytest.raises(RemadeError, match=r"'a layer' was sha256:.*changed, or is not reproducible"):
        ask(PlannedBytes(layer(folder), local, "gzip", record), lambda _: None)


def test_planned_bytes_of_another_compressor_are_told_apart(folder: Path) -> None:
    record, _ = made(layer(folder), local, "gzip")
    other = Record(record.diff_id, record.tar_size, sha256(b"other"), record.size, record.media_type)
    content = PlannedBytes(layer(folder), local, "gzip", other)
    with pytest.raises(RemadeError, match=r"same files.*another version of the compressor"):
        content.blob(lambda _: None)
    content.tar(lambda _: None)


def isolated(code: str, *arguments: str) -> str:
    """What a fresh Python prints."""
    source = str(Path(__file__).parents[2] / "src")
    command: Sequence[str] = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, env={"PYTHONPATH": source}, capture_output=True, text=True, check=True).stdout


def test_no_compressor_is_imported_before_it_is_needed() -> None:
    loaded = isolated("import lamella.layers.make, sys; print(*sys.modules)").split()
    assert "lamella.layers.compress" in loaded
    assert not {"isal", "backports.zstd", "compression.zstd", "asyncio"} & set(loaded)


MEASURED = """
import resource, sys
from lamella.layers.make import make
from lamella.oci.digest import sha256
from lamella.package import Package
from lamella.plan import LayerPlan, Part
from lamella.sources.tree import walk
plan = LayerPlan("", (Part(Package("p", "p", sha256(b""), 0)),))
def used():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
before = used()
make(plan, lambda _: walk(sys.argv[1].encode(), b"/p"), sys.argv[2])
print(used() - before)
"""


@pytest.mark.parametrize("compression", COMPRESSORS)
def test_memory_stays_flat(tmp_path: Path, compression: str) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(300 << 20)
    assert int(isolated(MEASURED, str(tmp_path), compression)) < 40
