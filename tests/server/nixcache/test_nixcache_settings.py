"""The settings, and the page with the lines for nix.conf."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import pytest
from tests.buckets import Memory
from tests.nars import Cache

from lamella.server.nixcache.cache import cache_of
from lamella.server.nixcache.settings import NixCache
from lamella.sources.nix import store
from lamella.sources.nix.graph import NixError
from lamella.spec.fields import Said, Value
from lamella.spec.problems import SpecError
from lamella.spec.reader import parse, parse_as
from lamella.staging import StorageError
from lamella.transport.connections import Settings
from lamella.transport.fetch import Fetcher

PAGE = Path(__file__).parents[3] / "docs" / "serving" / "nix-cache.md"
KEY = "a-1:jwxhqnqbVOGhRgrXsf8BJDGDlPQHbzV9hDq8rjHHWHE="


class Part(Value, frozen=True, kw_only=True):
    """The section of the settings that is tested here."""

    nix: Annotated[Sequence[NixCache], Said("Caches.", each=NixCache)] = ()


def test_what_the_page_shows_is_right() -> None:
    ours, _, spec = re.findall(r"```toml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    main, mirror, here = parse_as(Part, ours, "settings.toml").nix
    assert (main.name, main.priority, len(main.trusted), main.store) == ("main", 30, 1, False)
    assert (mirror.upstreams[0].url, mirror.keep) == ("https://cache.example.org", True)
    assert here.store
    assert parse(f'name = "x"\nnix = ["/nix/store/{"a" * 32}-x"]\n{spec}').store.caches


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('name = "Main"', "must be made of a-z"),
        ('name = "../x"', "must be made of a-z"),
        ('name = "a/b"', "must be made of a-z"),
        (f'name = "{"a" * 65}"', "must be made of a-z"),
        ('name = "main"\ntrusted = ["x"]', "is not a public key"),
        ('name = "main"\npriority = 0', "must be from 1 to"),
        (f'name = "main"\nupstream = [{{ url = "ftp://x", keys = ["{KEY}"] }}]', "is not a cache"),
        ('name = "main"\nupstream = [{ url = "https://x" }]', "keys"),
        (f'name = "main"\nupstream = [{{ url = "https://x", keys = ["{KEY}", "b"] }}]', "is not a public key"),
        ("", "name"),
    ],
)
def test_what_is_wrong_is_told(line: str, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        parse_as(Part, f"[[nix]]\n{line}\n", "settings.toml")


def test_what_cannot_be_set_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def cache(**settings: object) -> None:
        cache_of(NixCache(name="main", **settings), Memory(), Fetcher(Settings()), 1)  # type: ignore[arg-type]

    with pytest.raises(StorageError, match="cannot read the keys in"):
        cache(keys=str(tmp_path / "none"))
    (tmp_path / "public").write_text(Cache(tmp_path).key)
    with pytest.raises(NixError, match="not a secret key"):
        cache(keys=str(tmp_path / "public"))
    monkeypatch.setattr(store, "is_here", lambda: False)
    with pytest.raises(NixError, match="install Nix"):
        cache(store=True)
