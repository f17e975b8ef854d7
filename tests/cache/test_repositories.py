"""What a registry knows, in a folder and in memory."""

from pathlib import Path

import pytest
from tests.buckets import Memory

from lamella.cache.folder import Folder
from lamella.cache.repositories import Manifest, Referrer, Repository, blob_name, repositories
from lamella.oci import media
from lamella.oci.digest import Digest, sha256


@pytest.fixture(params=["folder", "memory"])
def repository(request: pytest.FixtureRequest, tmp_path: Path) -> Repository:
    return Repository(Memory() if request.param == "memory" else Folder(tmp_path), "team/app")


def manifest(text: bytes = b"{}") -> Manifest:
    return Manifest(sha256(text), media.MANIFEST, text)


def test_a_blob_is_there_for_who_has_it(repository: Repository) -> None:
    digest = sha256(b"blob")
    repository.bucket.put(blob_name(digest), b"blob")
    assert repository.blob(digest) is None
    repository.link(digest)
    assert repository.blob(digest) == 4
    assert Repository(repository.bucket, "team/other").blob(digest) is None
    assert repository.unlink(digest)
    assert not repository.unlink(digest)
    assert repository.blob(digest) is None


def test_a_link_without_a_blob_is_nothing(repository: Repository) -> None:
    repository.link(sha256(b"gone"))
    assert repository.blob(sha256(b"gone")) is None


def test_a_manifest_comes_back_as_it_was(repository: Repository) -> None:
    text = b'{"a":\n 1}\n'
    repository.put_manifest(manifest(text))
    assert repository.manifest(sha256(text)) == manifest(text)
    assert list(repository.manifests()) == [sha256(text)]
    assert list(repositories(repository.bucket)) == ["team/app"]


def test_a_damaged_manifest_is_not_served(repository: Repository) -> None:
    repository.put_manifest(Manifest(sha256(b"{}"), media.MANIFEST, b"{ }"))
    assert repository.manifest(sha256(b"{}")) is None


def test_a_manifest_goes_with_its_tags(repository: Repository) -> None:
    one, other = manifest(b"{}"), manifest(b"[]")
    for each in (one, other):
        repository.put_manifest(each)
    for tag, to in (("latest", one), ("v1", one), ("v2", other)):
        repository.tag(tag, to.digest)
    assert list(repository.tags()) == ["latest", "v1", "v2"]
    assert repository.delete_manifest(one.digest)
    assert list(repository.tags()) == ["v2"]
    assert repository.tagged("v2") == other.digest
    assert repository.tagged("latest") is None
    assert not repository.delete_manifest(one.digest)


def test_a_tag_goes_without_its_manifest(repository: Repository) -> None:
    repository.put_manifest(manifest())
    repository.tag("latest", manifest().digest)
    assert repository.delete_tag("latest")
    assert not repository.delete_tag("latest")
    assert repository.has_manifest(manifest().digest)


def test_referrers_of_what_is_not_there(repository: Repository) -> None:
    subject = sha256(b"subject")
    told = [Referrer(media_type=media.MANIFEST, digest=sha256(bytes([i])), size=i) for i in range(3)]
    for one in told:
        repository.refer(subject, one)
    assert sorted(repository.referrers(subject), key=lambda one: one.size) == told
    repository.refer_no_more(subject, told[1].digest)
    assert {one.size for one in repository.referrers(subject)} == {0, 2}


def test_names_below_names_are_others(repository: Repository) -> None:
    below = Repository(repository.bucket, "team/app/tool")
    below.put_manifest(manifest())
    below.tag("latest", manifest().digest)
    assert not list(repository.tags())
    assert not list(repository.manifests())
    assert list(repositories(repository.bucket)) == ["team/app/tool"]


def test_long_digests(repository: Repository) -> None:
    digest = Digest("sha512:" + "ab" * 64)
    repository.link(digest)
    repository.bucket.put(blob_name(digest), b"x")
    assert repository.blob(digest) == 1
