"""Malicious registries: their answers cost the client neither endless time nor memory."""

import time

import pytest
from tests.registry.fake import Fake, Trouble, serving
from tests.registry.reach import Reach

from lamella.oci.digest import sha256
from lamella.registry import repository as repositories
from lamella.registry.challenge import challenges
from lamella.registry.errors import RegistryError
from lamella.registry.referrers import referrers
from lamella.registry.session import Session

TAGS = b'{"tags": ["v1"]}'
INDEX = b'{"schemaVersion": 2, "manifests": []}'


@pytest.mark.parametrize(("what", "body"), [("/tags/", TAGS), ("/referrers/", INDEX)])
def test_lists_without_an_end_are_left(what: str, body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repositories, "_MOST_PAGES", 3)
    with serving(Fake()) as fake, Reach(fake.name).repository() as repository:
        fake.trouble = [
            Trouble(what, 1, 200, {"Link": f'</v2/team/app{what}x?last={page}>; rel="next"'}, body=body)
            for page in range(5)
        ]
        with pytest.raises(RegistryError, match=f"{fake.name} gives page after page of .*, without an end"):
            assert list(repository.tags() if "tags" in what else referrers(repository, sha256(b"x")))


def test_a_list_is_asked_for_once() -> None:
    with serving(Fake()) as fake, Reach(fake.name).repository() as repository:
        referrers(repository, sha256(b"x"))
        assert len([one for one in fake.asked if "/referrers/" in one]) == 1


@pytest.mark.parametrize("link", ["<" * 60_000, "<a>;" * 15_000, "<a>; " + " " * 60_000])
def test_links_that_mean_nothing_are_passed_over_at_once(link: str) -> None:
    with serving(Fake()) as fake, Reach(fake.name).repository() as repository:
        fake.trouble = [Trouble("/tags/", 9, 200, {"Link": link}, body=TAGS)]
        before = time.process_time()
        assert list(repository.tags()) == ["v1"]
        assert time.process_time() - before < 1


@pytest.mark.parametrize("header", ["Basic," + " " * 60_000 + '"', "Basic" + "," * 60_000 + '"', "a" * 60_000 + "="])
def test_challenges_that_mean_nothing_are_passed_over_at_once(header: str) -> None:
    before = time.process_time()
    challenges(header)
    assert time.process_time() - before < 1


def test_no_registry_decides_how_much_is_kept_in_memory() -> None:
    with serving(Fake()) as fake, Reach(fake.name).repository() as repository:
        where = {"Location": "/v2/team/app/blobs/uploads/x", "OCI-Chunk-Min-Length": "999999999999"}
        fake.trouble = [Trouble("^POST", 1, 202, where)]
        session = Session(repository, "a blob")
        session.open()
        assert session.least == 64 << 20
