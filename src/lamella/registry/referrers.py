"""Manifests that refer to another one (signatures, SBOMs): finding them, and storing them so that they are found.

A registry that supports referrers lists them itself. For one that does not, an index under a tag made from the digest
lists them, and the client that adds one updates that index (distribution specification 1.1).
"""

import json
from collections.abc import Sequence
from typing import Any

from lamella.oci import media
from lamella.oci.digest import Digest, sha256
from lamella.oci.wire import Descriptor, Index, decode
from lamella.registry.messages import Ask
from lamella.registry.repository import Repository
from lamella.registry.tokens import pull


def referrers(repository: Repository, digest: Digest) -> Sequence[Descriptor]:
    """The manifests that refer to `digest`."""
    url, what = repository.url("referrers", digest), f"the referrers of {digest}"
    answer = repository.host.ask(Ask("GET", url, what, [pull(repository.name)]), (200, 400, 404, 405))
    if answer.status == 200:
        pages = list(repository.pages(answer, what))
    else:
        found = repository.manifest(_tag(digest))
        pages = [found[1]] if found else []
    return [entry for page in pages for entry in decode(page, Index, f"{what} in {repository}").manifests]


def put_referrer(repository: Repository, media_type: str, data: bytes) -> Descriptor:
    """Store a manifest with a `subject`, so that it is found by its subject."""
    told: dict[str, Any] = json.loads(data)
    root = Descriptor(media_type=media_type, digest=sha256(data), size=len(data))
    answer = repository.put_manifest(root.digest, media_type, data)
    if answer.header("OCI-Subject"):
        return root
    tag = _tag(Digest(told["subject"]["digest"]))
    found = repository.manifest(tag)
    index: dict[str, Any] = (
        json.loads(found[1]) if found else {"schemaVersion": 2, "mediaType": media.INDEX, "manifests": []}
    )
    if all(entry["digest"] != root.digest for entry in index["manifests"]):
        kind = told.get("artifactType") or told.get("config", {}).get("mediaType", "")
        entry = {"mediaType": media_type, "digest": root.digest, "size": root.size, "artifactType": kind}
        index["manifests"].append({**entry, "annotations": told.get("annotations", {})})
        repository.put_manifest(tag, media.INDEX, json.dumps(index, separators=(",", ":")).encode())
    return root


def _tag(digest: Digest) -> str:
    return digest.replace(":", "-")
