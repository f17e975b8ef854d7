"""One image from a bucket: its layers with their packages, how it runs, and what it shares with the previous image."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lamella.cache.bucket import SharedBucket
from lamella.cache.repositories import Manifest, Repository, blob_name
from lamella.errors import LamellaError
from lamella.images.content import read_image
from lamella.oci.digest import Digest, DigestError, encoded, hasher
from lamella.oci.image import Record, Sink
from lamella.oci.platforms import spelled
from lamella.oci.wire import Descriptor, RuntimeConfig
from lamella.package import Package
from lamella.pipeline.explain.view import ImageView, LayerView, of_image
from lamella.pipeline.memory.registries import IMAGE_NOTES, document_in
from lamella.report.tree import Node, tree

_LISTED = 500


@dataclass(frozen=True)
class Layer:
    """A layer on a page; `kept` says whether the previous image has it too."""

    name: str
    digest: Digest
    size: int
    tar_size: int
    packages: Sequence[Package]
    more: int
    kept: bool


@dataclass(frozen=True)
class Shown:
    """An image on a page."""

    platform: str
    created: str
    layers: tuple[Layer, ...]
    picture: Node
    runtime: RuntimeConfig
    annotations: dict[str, str]

    @property
    def size(self) -> int:
        """How many bytes a machine downloads that has none of it."""
        return sum({layer.digest: layer.size for layer in self.layers}.values())

    @property
    def kept(self) -> int:
        """How many of these bytes the previous image has too."""
        return sum({layer.digest: layer.size for layer in self.layers if layer.kept}.values())


def show_image(repository: Repository, manifest: Manifest, before: Sequence[Digest]) -> Shown:
    """Read an image of one platform; `before` are the previous one's layers. Raises a `LamellaError` if it is none."""
    root = Descriptor(media_type=manifest.media_type, digest=manifest.digest, size=len(manifest.data))
    image = read_image(_Blobs(repository.bucket), root, manifest.data)
    view = of_image(image, repository.name, document_in(image))
    return Shown(
        spelled(view.platform),
        view.created,
        tuple(_layers(view, frozenset(before))),
        tree(view.layers, (None,) * len(view.layers), {}),
        view.runtime,
        {name: text for name, text in image.annotations.items() if name != IMAGE_NOTES},
    )


def _layers(view: ImageView, before: frozenset[Digest]) -> Iterator[Layer]:
    for layer in view.layers:
        record = layer.record
        if record:
            packages = sorted(layer.packages, key=lambda package: (-package.size, package.id))
            shown, more = packages[:_LISTED], len(packages[_LISTED:])
            kept = record.digest in before
            yield Layer(_name(layer), record.digest, record.size, record.tar_size, shown, more, kept)


def _name(layer: LayerView) -> str:
    return layer.name.partition("\n")[0][:200]


@dataclass(frozen=True)
class _Blobs:
    """The documents of images, read from the bucket."""

    bucket: SharedBucket

    def bytes_of(self, record: Record) -> "_Blob":
        return _Blob(self.bucket, record)

    def manifest(self, blob: Descriptor) -> bytes:
        raise LamellaError(f"{blob.digest} was not requested")


@dataclass(frozen=True)
class _Blob:
    bucket: SharedBucket
    record: Record

    def blob(self, sink: Sink) -> None:
        digest = self.record.digest
        hashed = hasher(digest)
        for block in self.bucket.read(blob_name(digest), 0, self.record.size):
            hashed.update(block)
            sink(block)
        if hashed.hexdigest() != encoded(digest):
            raise DigestError(f"what the bucket has as {digest} has a different digest")

    def tar(self, _sink: Sink) -> None:
        raise LamellaError(f"{self.record.digest} is not unpacked here")
