"""The values for the page of one image, read from a bucket."""

from collections.abc import Iterator, Sequence
from typing import Any

from lamella.cache.repositories import Manifest, Repository
from lamella.errors import LamellaError
from lamella.oci import media
from lamella.oci.digest import Digest
from lamella.oci.wire import RuntimeConfig
from lamella.pipeline.memory.registries import IMAGE_NOTES
from lamella.server.page.images import Shown, show_image
from lamella.server.page.shelves import Shelves, Told, Version, machines
from lamella.server.registry.names import is_digest

_LOOKED_AT = 20
"""How many versions are searched for the previous one."""


def leaf(shelves: Shelves, repository: Repository, reference: str, platform: str) -> dict[str, Any] | None:
    """Return what the page shows of `reference`; for an index, the image for `platform`, or its first one.

    None if it does not exist. Blocks, so call it in a thread.
    """
    root = Digest(reference) if is_digest(reference) else repository.tagged(reference)
    found = shelves.told(repository, root) if root else None
    if root is None or found is None:
        return None
    changed, told = found
    images = machines(told)
    chosen = platform if platform in images else next(iter(images), "")
    versions = shelves.versions(repository)
    own = next((one for one in versions if one.digest == root), Version(root, told, changed, 0))
    if not told.is_index:
        chosen = next(iter(shelves.platforms(own)), "")
    previous, layers = _before(shelves, repository, own, chosen, versions)
    shown = _shown(repository, images.get(chosen, root), layers)
    return {
        "name": repository.name,
        "reference": reference,
        "digest": root,
        "told": told,
        "tags": own.tags,
        "changed": own.changed,
        "platforms": list(images),
        "chosen": chosen,
        "image": shown,
        "previous": previous.reference if previous else "",
        "runs": list(_runs(shown.runtime)) if shown else [],
        "referrers": list(repository.referrers(root)),
        "annotations": sorted(_annotations(told, shown).items()),
    }


def _shown(repository: Repository, digest: Digest, before: Sequence[Digest]) -> Shown | None:
    """The image; None if it is something else, or cannot be read."""
    manifest: Manifest | None = repository.manifest(digest)
    try:
        return show_image(repository, manifest, before) if manifest and manifest.media_type in media.MANIFESTS else None
    except LamellaError:
        return None


def _before(
    shelves: Shelves, repository: Repository, own: Version, platform: str, versions: Sequence[Version]
) -> tuple[Version | None, Sequence[Digest]]:
    """Return the previous version for the same platform, if there is one, and its layers."""
    older = [one for one in versions if (one.changed, one.digest) < (own.changed, own.digest)]
    for version in older[:_LOOKED_AT]:
        told: Told | None = version.told
        parts = machines(version.told)
        if own.digest in parts.values():
            continue
        if version.told.is_index:
            found = shelves.told(repository, parts[platform]) if platform in parts else None
            told = found[1] if found else None
        elif platform not in shelves.platforms(version):
            told = None
        if told and platform:
            return version, [layer.digest for layer in told.layers]
    return None, ()


def _runs(runtime: RuntimeConfig) -> Iterator[tuple[str, Sequence[str]]]:
    told = {
        "Entry point": runtime.entrypoint or [],
        "Command": runtime.cmd or [],
        "Environment": runtime.env,
        "User": [runtime.user] if runtime.user else [],
        "Working folder": [runtime.working_dir] if runtime.working_dir else [],
        "Ports": sorted(runtime.exposed_ports),
        "Volumes": sorted(runtime.volumes),
        "Stop signal": [runtime.stop_signal] if runtime.stop_signal else [],
        "Labels": [f"{name}={text}" for name, text in sorted(runtime.labels.items())],
    }
    return ((what, words) for what, words in told.items() if words)


def _annotations(told: Told, shown: Shown | None) -> dict[str, str]:
    own = {name: text for name, text in told.annotations.items() if name != IMAGE_NOTES}
    return {**own, **(shown.annotations if shown else {})}
