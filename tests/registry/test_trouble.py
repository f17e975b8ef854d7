"""Whatever goes wrong in any request of a push, the result is an image, or one clear error and no tag."""

import json
from dataclasses import replace
from functools import cache

import pytest
from tests.made import image_with, layer_of, tar_of
from tests.registry.fake import Fake, Trouble, serving
from tests.registry.reach import LARGE, Reach, blob, read

from lamella.destinations.publish import publish
from lamella.destinations.registry import RegistryDestination
from lamella.errors import LamellaError
from lamella.oci.image import Image, parcel_of
from lamella.registry.errors import RegistryError
from lamella.registry.referrers import referrers
from lamella.transport.connections import Settings
from lamella.transport.credential import Credential

SAID = Credential("me", "secret")
DEMAND = {"WWW-Authenticate": 'Basic realm="fake"'}
LIE = {"Docker-Content-Digest": f"sha256:{'0' * 64}", "Location": "http://127.0.0.1:1/v2/nowhere", "Range": "0-7"}


@cache
def sample() -> Image:
    return image_with(*(layer_of(tar_of({f"{i}": LARGE[i : i + 200_000]}), "gzip") for i in range(2)))


def push(fake: Fake) -> LamellaError | None:
    with Reach(fake.name, SAID, Settings(timeout=2, patience=2)).repository() as repository:
        try:
            publish(parcel_of(sample()), RegistryDestination(repository, ["team/base"]), "v1")
        except LamellaError as error:
            return error
    return None


def requests() -> int:
    """How many requests a push takes if everything goes well."""
    with serving(Fake(user="me", password="secret")) as fake:
        assert push(fake) is None
        return len(fake.asked)


TROUBLES = {
    "401": Trouble("", 1, 401, DEMAND),
    "403": Trouble("", 1, 403),
    "404": Trouble("", 1, 404),
    "429 once": Trouble("", 1, 429, {"Retry-After": "1"}),
    "429 storm": Trouble("", 999, 429, {"Retry-After": "3600"}),
    "500": Trouble("", 2, 500),
    "503 for good": Trouble("", 999, 503),
    "lost before": Trouble("", 1, cut=0),
    "lost after a byte": Trouble("", 1, cut=1),
    "lost in the middle": Trouble("", 2, cut=100_000),
    "lost at the end": Trouble("", 1, cut=199_999),
    "reset": Trouble("", 1, cut=70_000, reset=True),
    "lost after it was done": Trouble("", 1, deaf=True),
    "forgotten": Trouble("", 1, forget=True),
    "a lie": Trouble("", 1, 201, LIE),
    "another lie": Trouble("", 1, 200, LIE),
    "sent away": Trouble("", 1, 307, {"Location": "http://127.0.0.1:1/"}),
    "sent in circles": Trouble("", 999, 307, {"Location": "/v2/"}),
    "half a document": Trouble("", 1, 200, body=b'{"errors":[{'),
    "without an end": Trouble("", 1, endless=True),
}


@pytest.mark.parametrize("name", TROUBLES)
def test_any_request_may_fail(name: str) -> None:
    outcomes = []
    for number in range(requests()):
        with serving(Fake(user="me", password="secret")) as fake:
            fake.trouble = [replace(TROUBLES[name], skip=number)]
            error = push(fake)
            outcomes.append(error is None)
            tagged = "v1" in fake.manifests.get("team/app", {})
            if tagged:
                manifest = json.loads(fake.manifests["team/app"]["v1"][1])
                for told in (manifest["config"], *manifest["layers"]):
                    assert len(fake.blobs["team/app"][told["digest"]]) == told["size"]
            if error:
                assert "\n" not in str(error)
                assert fake.name in str(error)
            else:
                assert tagged
            fake.trouble = []
            assert push(fake) is None, "what was left behind does not stop the next push"
    if name in ("429 once", "500", "lost before", "lost in the middle", "reset", "forgotten"):
        assert all(outcomes), outcomes


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'{"tags":1}', b'{"manifests":[{"digest":"x"}]}', b"[" * 10_000]
)
def test_documents_that_are_none(body: bytes) -> None:
    with serving(Fake()) as fake, Reach(fake.name).repository() as repository:
        fake.trouble = [Trouble("/tags/|/referrers/", 99, 200, body=body)]
        with pytest.raises(LamellaError, match=fake.name):
            list(repository.tags())
        with pytest.raises(LamellaError, match=fake.name):
            list(referrers(repository, blob(b"x").digest))


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'{"token":1', b'{"token":""}', b'{"token":"a\\nb"}', b'{"expires_in":3}']
)
def test_tokens_that_are_none(body: bytes) -> None:
    with serving(Fake(user="me", password="secret", token="t")) as fake:
        fake.trouble = [Trouble("/token", 99, 200, body=body)]
        with (
            Reach(fake.name, SAID).repository() as repository,
            pytest.raises(RegistryError, match=f"no token for {fake.name}|refuses"),
        ):
            repository.manifest("v1")


def test_answers_without_an_end_are_left() -> None:
    with (
        serving(Fake()) as fake,
        Reach(fake.name, settings=Settings(timeout=1, patience=0.2)).repository() as repository,
    ):
        fake.trouble = [Trouble("", 99, endless=True)]
        with pytest.raises(RegistryError, match="has no end"):
            repository.manifest("v1")
        with pytest.raises(RegistryError, match="gives more than the 900000 bytes"):
            read(repository, LARGE)
