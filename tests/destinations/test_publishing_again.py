"""A registry is asked for the image first: what it has is not asked for piece by piece, nor written again."""

from collections.abc import Iterator

import pytest
from tests.made import image_with, sample
from tests.registry.fake import Fake, Trouble, serving
from tests.registry.reach import Reach

from lamella.destinations.publish import Published, publish
from lamella.destinations.registry import RegistryDestination
from lamella.images.index import index_of
from lamella.oci.image import Parcel, parcel_of

ONE = parcel_of(sample())
ROOT = f"/v2/team/app/manifests/{ONE.root.digest}"


@pytest.fixture
def fake() -> Iterator[Fake]:
    with serving(Fake()) as fake:
        yield fake


def pushed(fake: Fake, tag: str, parcel: Parcel = ONE) -> Published:
    """What became of the layers; the registry then remembers only the requests of this push."""
    fake.asked.clear()
    with Reach(fake.name).repository() as repository:
        return publish(parcel, RegistryDestination(repository), tag)


def words(published: Published) -> set[str]:
    return {sent.word for sent in published.layers}


def under(fake: Fake, tag: str) -> bytes:
    return fake.manifests["team/app"][tag][1]


def test_nothing_is_written_if_nothing_changed(fake: Fake) -> None:
    assert words(pushed(fake, "v1")) == {"uploaded"}
    assert words(pushed(fake, "v1")) == {"exists"}
    assert fake.asked == [f"HEAD {ROOT}", "HEAD /v2/team/app/manifests/v1"]


def test_another_name_is_all_that_is_written(fake: Fake) -> None:
    other = parcel_of(image_with(*sample().layers[:1]))
    pushed(fake, "v1")
    pushed(fake, "v2", other)
    for tag in ("v2", "v3"):
        assert words(pushed(fake, tag)) == {"exists"}
        named = f"/v2/team/app/manifests/{tag}"
        assert fake.asked == [f"HEAD {ROOT}", f"HEAD {named}", f"PUT {named}"]
        assert under(fake, tag) == under(fake, "v1")


def test_an_image_that_is_new_costs_no_more_requests_than_before(fake: Fake) -> None:
    pushed(fake, "v1")
    asked = [line.partition("?")[0].split("uploads/")[0] for line in fake.asked]
    blobs = {layer.record.digest for layer in ONE.layers} | {ONE.documents[0][0].digest}
    upload = "/v2/team/app/blobs/"
    expected = [f"HEAD {ROOT}", f"PUT {ROOT}", "PUT /v2/team/app/manifests/v1"]
    for digest in blobs:
        expected += [f"HEAD {upload}{digest}", f"POST {upload}", f"PUT {upload}"]
    assert sorted(asked) == sorted(expected)


def test_an_index_is_asked_for_first_too(fake: Fake) -> None:
    root, data = index_of([("one", ONE.root)], {})
    both = Parcel(ONE.layers, (*ONE.documents, (root, data)))
    pushed(fake, "v1", both)
    assert words(pushed(fake, "v1", both)) == {"exists"}
    assert fake.asked == [f"HEAD /v2/team/app/manifests/{root.digest}", "HEAD /v2/team/app/manifests/v1"]


def test_what_a_registry_has_lost_is_sent_again_when_it_says_so(fake: Fake) -> None:
    pushed(fake, "v1")
    lost = ONE.layers[1].record.digest
    data = fake.blobs["team/app"].pop(lost)
    published = pushed(fake, "v2")
    assert [sent.written for sent in published.layers] == [False, True, False, False]
    assert fake.blobs["team/app"][lost] == data
    assert under(fake, "v2") == under(fake, "v1")


def test_what_is_something_else_does_not_count(fake: Fake) -> None:
    fake.trouble = [Trouble("^HEAD .*/manifests/", 1, 200, {"Docker-Content-Digest": f"sha256:{'0' * 64}"})]
    assert words(pushed(fake, "v1")) == {"uploaded"}
    pushed(fake, "v1")
    assert under(fake, "v1") == ONE.documents[-1][1]
