"""Only undamaged records are trusted; losing one costs time and is reported."""

from pathlib import Path

import pytest
from tests.buckets import Memory

from lamella.cache.folder import Folder
from lamella.cache.records import Records
from lamella.oci import media
from lamella.oci.digest import sha256
from lamella.oci.image import Record

RECORD = Record(sha256(b"tar"), 3, sha256(b"blob"), 4, media.LAYER_GZIP)


def test_a_record_comes_back() -> None:
    records = Records(Memory())
    records.save("k", RECORD)
    assert records.find("k") == RECORD
    assert records.find("other") is None


@pytest.mark.parametrize("position", [0, 10, 80, 200, -1])
def test_a_changed_byte_is_noticed_and_mended(tmp_path: Path, position: int) -> None:
    mended: list[str] = []
    records = Records(Folder(tmp_path), mended.append)
    records.save("k", RECORD)
    file = tmp_path / "builds" / "k"
    data = bytearray(file.read_bytes())
    data[position] ^= 1
    file.write_bytes(data)
    assert records.find("k") is None
    assert mended == ["builds/k"]
    assert not file.exists()


@pytest.mark.parametrize("length", [0, 1, 71, 72, 100])
def test_a_cut_record_is_noticed(tmp_path: Path, length: int) -> None:
    records = Records(Folder(tmp_path))
    records.save("k", RECORD)
    file = tmp_path / "builds" / "k"
    file.write_bytes(file.read_bytes()[:length])
    assert records.find("k") is None


def test_a_sealed_record_with_a_path_for_a_digest_is_refused() -> None:
    records = Records(Memory())
    records.write("builds/k", {"diff_id": "sha256:../x", "tar_size": 1, "digest": "x", "size": 1, "media_type": ""})
    assert records.find("k") is None
