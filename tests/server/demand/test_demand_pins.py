"""Which addresses of Nix package sets are pinned."""

import pytest

from lamella.server.demand.errors import UnknownError
from lamella.server.demand.names import Pin, parse
from lamella.server.demand.pins import pin_of
from lamella.server.demand.settings import BuildLimits, Source
from lamella.server.demand.workshop import Workshop

COMMIT = "0123456789" * 4


def pin(origin: str, workshop: Workshop, tag: str = "latest") -> Pin:
    return pin_of(parse("git", tag, [Source(name="nix", kind="nix", origin=origin)], BuildLimits()), workshop.place)


@pytest.mark.parametrize(
    ("origin", "moving"),
    [
        ("nixos-24.11", True),
        (COMMIT, False),
        (COMMIT[:-1], True),
        ("/srv/packages", True),
        (f"/srv/{COMMIT}", True),
        ("github:owner/packages", True),
        (f"github:owner/packages/{COMMIT}", False),
        (f"github:owner/packages/{COMMIT}?dir=x", False),
        (f"github:owner/{COMMIT}", True),
        (f"github:owner/packages/{COMMIT}x", True),
        (f"git+https://example.org/packages?rev={COMMIT}", False),
        (f"git+https://example.org/packages?ref=x&rev={COMMIT}&shallow=1", False),
        (f"git+https://example.org/{COMMIT}", True),
        (f"git+file:///srv/{COMMIT}/packages", True),
        (f"path:/srv/packages/{COMMIT}", True),
        (f"nixpkgs/{COMMIT}", False),
        ("nixpkgs/nixos-24.11", True),
    ],
)
def test_what_names_a_commit_is_pinned(origin: str, moving: bool, workshop: Workshop) -> None:
    found = pin(origin, workshop)
    assert found == Pin(origin, moving)
    with pytest.raises(UnknownError, match="only the tag latest"):
        pin(origin, workshop, "v1")


def test_a_commit_of_a_repository_is_pinned_without_asking_for_it(workshop: Workshop) -> None:
    assert pin("https://nowhere.invalid/packages.git", workshop, COMMIT) == Pin(COMMIT, moving=False)
