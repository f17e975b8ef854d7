"""What a manifest leads to: as long as it is kept, its parts must be kept too."""

from dataclasses import dataclass

from lamella.cache.repositories import Manifest, Referrer
from lamella.oci import media
from lamella.oci.digest import Digest, parse_digest
from lamella.oci.wire import AnyManifest, Descriptor, decode, kind_of


@dataclass(frozen=True, slots=True)
class Parts:
    """The digests of what a manifest needs. Its subject may be missing; if it exists, it is kept."""

    blobs: tuple[Digest, ...] = ()
    manifests: tuple[Digest, ...] = ()
    subject: Digest | None = None


def parts_of(data: bytes) -> Parts:
    """The parts of a manifest; a `WireError` or a `DigestError` if `data` is not a manifest.

    Layers that are stored elsewhere, by their `urls`, are not parts. An index may name blobs as well as manifests:
    build caches are stored like that.
    """
    told = decode(data, AnyManifest, "the manifest")
    blobs = [told.config] if told.config else []
    blobs += [layer for layer in told.layers if not layer.urls]
    blobs += [one for one in told.manifests if not media.is_manifest(one.media_type)]
    manifests = [one for one in told.manifests if media.is_manifest(one.media_type)]
    return Parts(_digests(blobs), _digests(manifests), parse_digest(told.subject.digest) if told.subject else None)


def referrer_of(manifest: Manifest) -> Referrer:
    """How `manifest` is listed among the referrers of its subject."""
    told = decode(manifest.data, AnyManifest, "the manifest")
    return Referrer(
        media_type=kind_of(manifest.data, manifest.media_type),
        digest=manifest.digest,
        size=len(manifest.data),
        artifact_type=told.artifact_type or (told.config.media_type if told.config else ""),
        annotations=told.annotations,
    )


def _digests(descriptors: list[Descriptor]) -> tuple[Digest, ...]:
    return tuple(dict.fromkeys(parse_digest(one.digest) for one in descriptors))
