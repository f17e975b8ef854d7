"""The tags, manifests and links of a repository that nothing keeps."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from lamella.cache.parts import Parts
from lamella.cache.policies import DAY, Tag, expired
from lamella.cache.removals import Removal, View, levels, reached
from lamella.cache.repositories import (
    BLOBS,
    MANIFESTS,
    REPOSITORIES,
    TAGS,
    blob_name,
    digest_file,
    note,
)
from lamella.cache.survey import Holding
from lamella.oci.digest import Digest


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is removed, and the manifests and blobs that stay."""

    removals: list[Removal]
    manifests: frozenset[str]
    blobs: frozenset[Digest]


def judge(name: str, holding: Holding, view: View) -> Verdict:
    """Judge what of a repository is removed, and what stays."""
    tags = list(_tags(name, holding, view))
    going = {removal.name for removal in tags}
    tagged = {digest for tag, (digest, _) in holding.tags.items() if _at(name, TAGS, tag) not in going}
    kept = reached(_roots(name, holding, view, tagged), _leads(holding)) & holding.manifests.keys()
    blobs = _blobs(holding, kept)
    removals = [
        *tags,
        *_referrers(holding, kept, view),
        *_manifests(name, holding, kept, view),
        *_links(name, holding, blobs, view),
    ]
    fresh = {digest for digest, written in holding.links.items() if view.is_young(written)}
    return Verdict(removals, frozenset(kept), frozenset(blobs | fresh))


def _at(repository: str, kind: str, name: str) -> str:
    return f"{REPOSITORIES}{repository}/{kind}/{digest_file(name)}"


def _tags(name: str, holding: Holding, view: View) -> Iterator[Removal]:
    tags = [Tag(tag, written, view.used(name, digest, written)) for tag, (digest, written) in holding.tags.items()]
    for tag, reason in expired(view.rules.of(name), tags, view.now).items():
        digest, written = holding.tags[tag]
        if not view.is_young(written) and _at(name, TAGS, tag) not in view.held:
            yield Removal(_at(name, TAGS, tag), "tag", len(digest), reason)


def _roots(name: str, holding: Holding, view: View, tagged: set[Digest]) -> Iterator[str]:
    """Manifests that are kept for themselves: by a tag, a pin, a hold, or because they are young or recently used."""
    yield from tagged
    period = max(view.rules.grace, view.rules.untagged_days * DAY)
    for digest, manifest in holding.manifests.items():
        if (
            view.used(name, digest, manifest.written) > view.now - period
            or note(name, digest) in view.survey.pins
            or _at(name, MANIFESTS, digest) in view.held
        ):
            yield digest


def _leads(holding: Holding) -> Mapping[str, list[Digest]]:
    """What a manifest leads to: its images, its subject, and its referrers."""
    found: defaultdict[str, list[Digest]] = defaultdict(list)
    for digest, manifest in holding.manifests.items():
        parts = manifest.parts or Parts()
        found[digest] += parts.manifests
        if parts.subject:
            found[digest].append(parts.subject)
            found[parts.subject].append(digest)
    return found


def _blobs(holding: Holding, kept: set[str]) -> set[Digest]:
    """The blobs of kept manifests; a manifest that cannot be parsed may need any of them."""
    found: set[Digest] = set()
    for digest, manifest in holding.manifests.items():
        if digest in kept:
            if manifest.parts is None:
                return found | holding.links.keys()
            found.update(manifest.parts.blobs)
    return found


def _referrers(holding: Holding, kept: set[str], view: View) -> Iterator[Removal]:
    """Referrers whose manifest is removed or missing, except young ones: a missing manifest may still arrive."""
    for (_, referrer), item in holding.referrers.items():
        going = referrer in holding.manifests and referrer not in kept
        lost = referrer not in holding.manifests and not view.is_young(item.used)
        if going or lost:
            yield Removal(item.name, "referrer", item.size, "the manifest that refers is removed")


def _manifests(name: str, holding: Holding, kept: set[str], view: View) -> Iterator[Removal]:
    going: dict[str, list[Digest]] = {}
    for digest, manifest in holding.manifests.items():
        if digest not in kept:
            parts = manifest.parts or Parts()
            going[digest] = [*parts.manifests, *([parts.subject] if parts.subject else [])]
    level = levels(going)
    reason = f"untagged, and neither written nor pulled for {view.rules.untagged_days} days"
    for digest, manifest in holding.manifests.items():
        if digest in going:
            yield Removal(_at(name, MANIFESTS, digest), "manifest", manifest.size, reason, level[digest])


def _links(name: str, holding: Holding, needed: set[Digest], view: View) -> Iterator[Removal]:
    for digest, written in holding.links.items():
        at = _at(name, BLOBS, digest)
        if digest in needed or view.is_young(written) or at in view.held or view.is_counted_on(blob_name(digest)):
            continue
        yield Removal(at, "link", 0, "no manifest of the repository needs the blob")
