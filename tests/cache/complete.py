"""What holds for a bucket at any time: nothing leads to a missing item."""

import msgspec

from lamella.cache.bucket import SharedBucket
from lamella.cache.parts import parts_of
from lamella.cache.repositories import Repository, repositories
from lamella.oci.digest import Digest

NIX = "narinfo/"


def dangling(bucket: SharedBucket) -> list[str]:
    """The items that lead to something missing."""
    found = []
    for name in repositories(bucket):
        repository = Repository(bucket, name)
        for tag in repository.tags():
            digest = repository.tagged(tag)
            if digest is None or repository.manifest(digest) is None:
                found.append(f"{name}:{tag}")
        for digest in repository.manifests():
            found += [f"{name}@{digest} -> {one}" for one in missing(repository, digest)]
    for item in bucket.list("manifests/"):
        told = msgspec.json.decode(bucket.get(item.name) or b"{}")
        if Repository(bucket, told["repository"]).manifest(Digest(told["digest"])) is None:
            found.append(item.name)
    return found + dangling_packages(bucket)


def missing(repository: Repository, digest: Digest) -> list[str]:
    """The missing items that a manifest leads to."""
    manifest = repository.manifest(digest)
    if manifest is None:
        return [digest]
    parts = parts_of(manifest.data)
    found: list[str] = [blob for blob in parts.blobs if repository.blob(blob) is None]
    return found + [child for child in parts.manifests if repository.manifest(child) is None]


def dangling_packages(bucket: SharedBucket) -> list[str]:
    found = []
    for item in bucket.list(NIX):
        folder = item.name.rpartition("/")[0]
        told = dict(line.split(": ", 1) for line in (bucket.get(item.name) or b"").decode().splitlines())
        needed = [told["URL"], *(f"{folder}/{one.partition('-')[0]}" for one in told["References"].split())]
        found += [f"{item.name} -> {name}" for name in needed if bucket.find(name) is None]
    return found
