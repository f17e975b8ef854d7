"""Documents about an image, stored beside it so that they are found from it (OCI's referrers)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lamella.cli.pushing import Aim, Brought
from lamella.cli.sbom import written
from lamella.oci.reference import reference_of

if TYPE_CHECKING:
    from lamella.oci.reference import Reference
    from lamella.oci.wire import Descriptor
    from lamella.pipeline.workplace import Workplace

_EMPTY = b"{}"
_EMPTY_TYPE = "application/vnd.oci.empty.v1+json"


def attach_contents(brought: Sequence[Brought], form: str, aim: Aim, workplace: "Workplace") -> None:
    """Attach an SBOM to each image, at each place where it was published."""
    from lamella.pipeline.explain import view
    from lamella.pipeline.explain.contents import contents_of
    from lamella.pipeline.memory.registries import document_in

    for one in brought:
        image = one.found.image
        told = view.of_image(image, one.found.name, document_in(image))
        data, media_type = written(contents_of(told, workplace), form)
        for number, place in enumerate(aim.places):
            _attach(data, media_type, one.published[number].root, reference_of(place), workplace)


def _attach(data: bytes, media_type: str, subject: "Descriptor", at: "Reference", workplace: "Workplace") -> None:
    from lamella.cli.images import repository_at
    from lamella.destinations.publish import given
    from lamella.oci import media
    from lamella.oci.digest import sha256
    from lamella.oci.wire import Descriptor, encode
    from lamella.registry.referrers import put_referrer

    to = repository_at(at, (), workplace)
    empty = Descriptor(media_type=_EMPTY_TYPE, digest=sha256(_EMPTY), size=len(_EMPTY))
    blob = Descriptor(media_type=media_type, digest=sha256(data), size=len(data))
    to.put(empty, given(_EMPTY))
    to.put(blob, given(data))
    about = Descriptor(media_type=subject.media_type, digest=subject.digest, size=subject.size)
    manifest = {
        "schemaVersion": 2,
        "mediaType": media.MANIFEST,
        "artifactType": media_type,
        "config": empty,
        "layers": [blob],
        "subject": about,
    }
    put_referrer(to.repository, media.MANIFEST, encode(manifest))
