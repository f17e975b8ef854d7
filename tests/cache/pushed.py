"""What registries contain, for tests: blobs, images, indexes and their referrers."""

from lamella.cache.publishing import arriving, publish
from lamella.cache.repositories import Manifest, Repository, blob_name
from lamella.oci import media
from lamella.oci.digest import Digest, sha256
from lamella.oci.wire import encode


def blob(repository: Repository, data: bytes) -> Digest:
    """A blob, pushed as registries do."""
    digest = sha256(data)
    with arriving(repository, digest):
        repository.bucket.put(blob_name(digest), data)
    return digest


def descriptor(digest: Digest, media_type: str = media.LAYER) -> dict[str, object]:
    return {"mediaType": media_type, "digest": digest, "size": 3}


def image(config: Digest, *layers: Digest, subject: Digest | None = None, kind: str = "") -> Manifest:
    told: dict[str, object] = {
        "schemaVersion": 2,
        "mediaType": media.MANIFEST,
        "config": descriptor(config, media.CONFIG),
        "layers": [descriptor(layer) for layer in layers],
    }
    told |= {"subject": descriptor(subject, media.MANIFEST)} if subject else {}
    told |= {"artifactType": kind} if kind else {}
    return _manifest(told, media.MANIFEST)


def index(*children: Digest) -> Manifest:
    told = {"schemaVersion": 2, "mediaType": media.INDEX}
    return _manifest(told | {"manifests": [descriptor(one, media.MANIFEST) for one in children]}, media.INDEX)


def _manifest(told: dict[str, object], media_type: str) -> Manifest:
    data = encode(told)
    return Manifest(sha256(data), media_type, data)


def push(repository: Repository, text: str, *tags: str, subject: Digest | None = None) -> Manifest:
    """An image with a config and a layer of its own, and one layer that all images share."""
    blobs = [blob(repository, part.encode()) for part in (f"{text} config", f"{text} layer", "shared")]
    manifest = image(*blobs, subject=subject)
    publish(repository, manifest, *tags)
    return manifest
