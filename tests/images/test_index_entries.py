"""Entries of other tools stay as they are when an index is written again."""

import json
from typing import Any

from lamella.images.index import index_of
from lamella.oci import media
from lamella.oci.digest import Digest, sha256
from lamella.oci.wire import Descriptor, Index, Platform, decode


def entry(text: bytes, **told: object) -> dict[str, Any]:
    return {"mediaType": media.MANIFEST, "digest": sha256(text), "size": len(text), **told}


def test_what_others_tell_of_their_entries_is_kept() -> None:
    windows = {"architecture": "amd64", "os": "windows"}
    others = [
        entry(b"a", platform={**windows, "os.version": "10.0.17763.1", "os.features": ["win32k"]}),
        entry(b"b", platform={**windows, "os.version": "10.0.20348.1"}),
        entry(b"c", artifactType="application/x-notes", urls=["https://example.org/c"], data="Yw=="),
    ]
    told = json.dumps({"schemaVersion": 2, "manifests": others}).encode()
    own = Descriptor(
        media_type=media.MANIFEST, digest=sha256(b"d"), size=1, platform=Platform(architecture="amd64", os="linux")
    )
    _, data = index_of([("here", own)], {}, decode(told, Index, "the index").manifests)
    written = json.loads(data)["manifests"]
    assert [one for one in written if one["digest"] == own.digest] == [
        entry(b"d", platform={"architecture": "amd64", "os": "linux"})
    ]
    assert sorted((one for one in written if one["digest"] != own.digest), key=str) == sorted(others, key=str)


def test_attestations_stay_with_the_images_that_they_are_about() -> None:
    nothing = Platform(architecture="unknown", os="unknown")
    arm, amd, old = (sha256(text) for text in (b"arm", b"amd", b"old"))

    def about(digest: Digest) -> Descriptor:
        told: dict[str, str] = {"vnd.docker.reference.digest": digest}
        size, name = len(digest), sha256(digest.encode())
        return Descriptor(media_type=media.MANIFEST, digest=name, size=size, platform=nothing, annotations=told)

    def image(digest: Digest, architecture: str) -> Descriptor:
        place = Platform(architecture=architecture, os="linux")
        return Descriptor(media_type=media.MANIFEST, digest=digest, size=1, platform=place)

    existing = [image(old, "amd64"), image(arm, "arm64"), about(old), about(arm), about(amd)]
    _, data = index_of([("here", image(amd, "amd64"))], {}, existing)
    kept = {child.digest for child in decode(data, Index, "the index").manifests}
    assert kept == {amd, arm, about(amd).digest, about(arm).digest}
