"""Settings of sources, valid and invalid."""

import pytest

from lamella.server.demand.origin import OriginKind, origin_of, scheme_of
from lamella.server.demand.settings import BuildLimits, Source
from lamella.spec.problems import SpecError
from lamella.spec.reader import parse_as


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("/srv/packages", "folder"),
        ("https://example.org/packages.git", "git"),
        ("ssh://git@example.org/packages", "git"),
        ("git@example.org:team/packages.git", "git"),
        ("file:///srv/packages", "git"),
        ("nixos-24.11", "channel"),
        ("nixpkgs-unstable", "channel"),
        ("a" * 40, "channel"),
        ("github:owner/packages", "flake"),
        ("nixpkgs/nixos-24.11", "flake"),
        ("git+https://example.org/packages", "flake"),
        ("path:/srv/packages", "flake"),
        ("", None),
        ("./packages", None),
        ("-packages", None),
        ("https://-evil", None),
        ("git@-evil:x", None),
        ("two words", None),
    ],
)
def test_where_a_source_is(text: str, meant: OriginKind | None) -> None:
    assert origin_of(text) == meant


def test_the_protocol_of_a_repository() -> None:
    assert [scheme_of(url) for url in ("https://x/y", "git@x:y", "file:///x")] == ["https", "ssh", "file"]


def test_sources_are_read_from_a_file() -> None:
    text = """
name = "py3.12"
kind = "pypi"
platforms = ["linux/amd64"]

[python]
version = "3.12"

[debian]
archives = ["http://archive.example.org/debian trixie main"]
"""
    source = parse_as(Source, text, "settings.toml")
    assert (source.python.version if source.python else "") == "3.12"
    assert source.debian.archives == ("http://archive.example.org/debian trixie main",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('name = "Deb"\nkind = "deb"', ":1: name: .* cannot begin the name of an image"),
        ('name = "a/b"\nkind = "deb"', "cannot begin"),
        ('name = "arm64"\nkind = "deb"', "has another meaning"),
        ('name = "x"\nkind = "dep"', 'did you mean "deb"'),
        ('name = "x"\nkind = "nix"', 'needs the key "from"'),
        ('name = "x"\nkind = "pypi"', 'needs the key "python"'),
        ('name = "x"\nkind = "specs"', 'needs the key "from"'),
        ('name = "x"\nkind = "specs"\nfrom = "nixos-24.11"', ":3: from: must be an absolute folder"),
        (
            'name = "x"\nkind = "specs"\nfrom = "/x"\nplatforms = ["linux/amd64"]',
            "which set their platforms themselves",
        ),
        ('name = "x"\nkind = "nix"\nfrom = "./x"', "is not an absolute folder"),
        ('name = "x"\nkind = "nix"\nfrom = "/x/../y"', "is not an absolute folder"),
        ('name = "x"\nkind = "deb"\nfrom = "/x"', ":3: from: has no meaning for deb"),
        ('name = "x"\nkind = "nix"\nfrom = "/x"\npython = { version = "3.12" }', "python: has no meaning for nix"),
        ('name = "x"\nkind = "deb"\ndebian = { keyring = "keys.gpg" }', "keyring: .* must be absolute"),
        (
            'name = "x"\nkind = "pypi"\npython = { version = "3.12", constraints = ["x.txt"] }',
            "constraints.0.: .* must be absolute",
        ),
    ],
)
def test_what_sources_cannot_be(text: str, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        parse_as(Source, text, "settings.toml")


def test_limits_are_read_as_people_write_them() -> None:
    assert parse_as(BuildLimits, 'bytes = "5 GB"\nlayers = 20', "settings.toml") == BuildLimits(
        bytes=5 * 10**9, layers=20
    )
    with pytest.raises(SpecError, match="must be from 3 to 127"):
        parse_as(BuildLimits, "layers = 128", "settings.toml")
