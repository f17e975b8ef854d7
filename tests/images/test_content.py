"""Everything that a root leads to is fetched, each manifest once."""

from collections import Counter

from tests.made import Held, sample

from lamella.images.content import parcel_at
from lamella.oci import media
from lamella.oci.digest import sha256
from lamella.oci.image import LayerBytes, Record, manifest_of
from lamella.oci.wire import Descriptor, Index, encode


class Counted:
    """Blobs in memory, and how often each manifest was fetched."""

    def __init__(self) -> None:
        self.documents: dict[str, bytes] = {}
        self.fetched: Counter[str] = Counter()

    def add(self, data: bytes, media_type: str) -> Descriptor:
        digest = sha256(data)
        self.documents[digest] = data
        return Descriptor(media_type=media_type, digest=digest, size=len(data))

    def bytes_of(self, record: Record) -> LayerBytes:
        data = self.documents.get(record.digest, b"")
        return Held(data, data)

    def manifest(self, blob: Descriptor) -> bytes:
        self.fetched[blob.digest] += 1
        return self.documents[blob.digest]


def test_each_manifest_is_fetched_once() -> None:
    content = Counted()
    image = sample()
    content.add(image.config_bytes, media.CONFIG)
    root = image_root = content.add(manifest_of(image), media.MANIFEST)
    for _ in range(3):
        root = content.add(encode(Index(schema_version=2, manifests=[root] * 5)), media.INDEX)
    parcel = parcel_at(content, root)
    assert set(content.fetched.values()) == {1}
    assert len(parcel.layers) == 3
    assert [blob for blob, _ in parcel.documents][1] == image_root
