"""Images for hosts with nix-snapshotter: store paths are not sent, but mounted from the host's own store.

A layer of its own has an empty folder (or file) as the mount point of each, and its annotations name them.
"""

import io
from collections.abc import Iterator
from dataclasses import replace

import msgspec

from lamella.oci.digest import sha256
from lamella.oci.typed import decode_as
from lamella.package import NO_RULES, Entries, Entry, Kind, Package
from lamella.pipeline.draft import Draft
from lamella.pipeline.make import look_up
from lamella.pipeline.workplace import Workplace
from lamella.plan import LayerPlan, Part, Planned
from lamella.sources.tree import SourceError

SOURCE = "nix-mounts"
_RULES = "nix-mounts-1"
_IS_NIX_LAYER = "containerd.io/snapshot/nix-layer"
_STORE_PATH = "containerd.io/snapshot/nix-store-path"


def mounted(draft: Draft, place: Workplace) -> Draft:
    """Return the same image with its store paths mounted. Paths that the image changes are still sent."""
    taken = {part.package.id: part.package for one in draft.layers for part in one.plan.parts if _can_be(part)}
    if not taken:
        return draft
    rest = [kept for one in draft.layers if (kept := _without(one, draft.compression, place))]
    bare = [replace(taken[name], references=(), how="") for name in sorted(taken)]
    content = sha256(b"\0".join([_RULES.encode(), *(f"{one.id} {one.content}".encode() for one in bare)]))
    told = msgspec.json.encode(bare).decode()
    mounts = Package("nix store", "nix store", content, 0, (), SOURCE, at="/nix/store", how=told)
    plan = LayerPlan("nix store", (Part(mounts),), "nix-snapshotter", group="nix store")
    return replace(draft, layers=(*rest, look_up(plan, draft.compression, place)))


def paths_of(mounts: Package) -> list[Package]:
    """Return the packages that are mounted. They may come from an image that is not trusted."""
    try:
        found = decode_as(mounts.how, list[Package])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SourceError(f"{mounts.id} does not say which paths it mounts: {error}") from error
    return [one for one in found if one.source == "nix"]


def entries(mounts: Package, give: Entries) -> Iterator[Entry]:
    """Yield the mount points."""
    for package in sorted(paths_of(mounts), key=lambda one: one.at):
        first = next(give(package))
        if first.kind is Kind.DIRECTORY:
            yield Entry(first.path, Kind.DIRECTORY, 0o755)
        else:
            yield Entry(first.path, Kind.FILE, 0o444, content=io.BytesIO)


def annotations(plan: LayerPlan) -> dict[str, str]:
    """Return the annotations of the layer with the mount points; none for other layers."""
    mounts = next((package for package in plan.packages if package.source == SOURCE), None)
    if mounts is None:
        return {}
    paths = [package.path for package in paths_of(mounts)]
    return {_IS_NIX_LAYER: "true", **{f"{_STORE_PATH}.{number}": path for number, path in enumerate(paths)}}


def _can_be(part: Part) -> bool:
    """Whether all of a package is in the image just as in the store."""
    package = part.package
    return package.source == "nix" and part.rules == NO_RULES and part.slice is None and package.at == package.path


def _without(planned: Planned, compression: str, place: Workplace) -> Planned | None:
    parts = tuple(part for part in planned.plan.parts if not _can_be(part))
    if parts == planned.plan.parts:
        return planned
    return look_up(replace(planned.plan, parts=parts), compression, place) if parts else None
