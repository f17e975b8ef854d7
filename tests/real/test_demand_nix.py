"""Images of Nix packages by their names: found as Nixery finds them, built by Nix, and run."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.real.library import Library
from tests.real.nix import DATA
from tests.real.programs import Podman
from tests.server.demand.conftest import open_workshop
from tests.server.demand.images import files_of, opened
from tests.server.demand.repositories import Repository

from lamella.destinations.layout import Layout
from lamella.oci.platforms import here, parse_platform, spelled
from lamella.oci.wire import Descriptor
from lamella.pipeline.packages.nix import system_of
from lamella.server.demand.build import build
from lamella.server.demand.errors import DemandError, UnknownError
from lamella.server.demand.names import Request, parse
from lamella.server.demand.nix import find
from lamella.server.demand.pins import pin_of
from lamella.server.demand.settings import BuildLimits, Source
from lamella.server.demand.workshop import Workshop

pytestmark = pytest.mark.real

SYSTEM = system_of(here())
SET = """
{{ system ? builtins.currentSystem }}:
let
  real = import {nixpkgs} {{ inherit system; }};
  made = name: script: real.runCommand name {{ }} script;
  file = name: place: made name "mkdir -p $out/$(dirname ${{place}}); echo {version} > $out/${{place}}";
in
real // {{
  Foo = file "foo" "share/foo";
  _7zz = file "7zz" "share/7zz";
  nested = {{
    Bar = file "bar" "share/bar";
    x = file "x" "share/x";
    X = file "large-x" "share/large-x";
    deep = {{ inherit (real) hello; }};
  }};
  camelPackages = {{ one = file "one" "share/one"; }};
  cacert = file "cacert" "etc/ssl/certs/ca-bundle.crt";
  iana-etc = file "iana-etc" "etc/services";
  moreutils = file "moreutils" "bin/sponge";
  nano = file "nano" "bin/nano";
  failing = made "failing" "echo this is why; exit 1";
  refused = throw "refused has an unfree license";
  function = x: x;
  slow = made "slow" "echo begun; sleep 60";
}}
"""


@pytest.fixture(autouse=True)
def configured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIX_CONF_DIR", str(DATA))


@pytest.fixture
def folder(nix: Library, tmp_path: Path) -> Path:
    """A set of packages like nixpkgs, in a folder."""
    folder = tmp_path / "packages"
    folder.mkdir()
    (folder / "default.nix").write_text(text_of(nix, "one"))
    return folder


def text_of(nix: Library, version: str) -> str:
    return SET.format(nixpkgs=nix.folder / "nixpkgs", version=version)


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Workshop]:
    with open_workshop(tmp_path / "cache") as found:
        yield found


def asked(origin: object, name: str, tag: str = "latest") -> Request:
    return parse(name, tag, [Source(name="nix", kind="nix", origin=str(origin))], BuildLimits())


def made(request: Request, workshop: Workshop, out: Path) -> Descriptor:
    return build(request, pin_of(request, workshop.place), workshop, Layout(out))


def test_it_runs(folder: Path, workshop: Workshop, tmp_path: Path, podman: Podman) -> None:
    root = made(asked(folder, "shell/hello"), workshop, tmp_path / "out")
    image = opened(tmp_path / "out", root)
    assert image.config.config.cmd == ["bash"]
    assert "SSL_CERT_FILE=/etc/ssl/certs/ca-bundle.crt" in image.config.config.env
    name = podman("pull", "--quiet", f"oci:{tmp_path}/out:built").strip()
    script = "hello -g hi; cat /etc/services; type -p sponge nano; echo x >/tmp/x; /usr/bin/env true && echo env"
    assert podman("run", "--rm", name, "bash", "-c", script).split() == ["hi", "one", "/bin/sponge", "/bin/nano", "env"]


def test_what_lies_at_the_root(folder: Path, workshop: Workshop, tmp_path: Path) -> None:
    image = opened(tmp_path / "out", made(asked(folder, "hello/7zz"), workshop, tmp_path / "out"))
    found = files_of(image)
    assert found["/bin/hello"].issym()
    assert found["/bin/hello"].linkname.startswith("/nix/store/")
    assert found["/bin/hello"].linkname in found
    assert {"/share/7zz", "/etc/ssl/certs/ca-bundle.crt", "/etc/services"} <= set(found)
    assert found["/tmp"].mode == 0o1777
    assert "/bin/bash" not in found
    assert image.config.config.cmd is None
    assert image.layers[-1].history.created_by == "root"


def test_the_order_of_names_says_nothing_and_nothing_is_read_twice(
    folder: Path, workshop: Workshop, tmp_path: Path
) -> None:
    first = made(asked(folder, "shell/hello/foo/7zz"), workshop, tmp_path / "out")
    said: list[str] = []
    again = replace(workshop, log=said.append)
    for name in ("shell/7zz/hello/foo", "shell/foo/7zz/hello/foo", "nix/shell/7zz/foo/hello"):
        assert made(asked(folder, name), again, tmp_path / "out") == first
    counts = [line.split() for line in said if "layers of" in line]
    assert len(counts) == 3
    assert all(words[0] == words[-5] for words in counts), counts


@pytest.mark.parametrize(
    ("name", "package"),
    [
        ("hello", "hello-2.10"),
        ("foo", "foo"),
        ("Foo", "foo"),
        ("7zz", "7zz"),
        ("nested.x", "x"),
        ("nested.bar", "bar"),
        ("nested.deep.hello", "hello-2.10"),
        ("camelpackages.one", "one"),
        ("bashinteractive", "bash-5.2"),
    ],
)
def test_names_are_found_as_nixery_finds_them(folder: Path, workshop: Workshop, name: str, package: str) -> None:
    found = find(("folder", str(folder)), SYSTEM, [name], workshop)
    assert [one.drv.partition("-")[2] for one in found] == [f"{package}.drv", "cacert.drv", "iana-etc.drv"]


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["nowhere"], r"with these names: nowhere$"),
        (["helo", "hello", "fooo"], r": helo \(is it hello\?\), fooo \(is it foo\?\)$"),
        (["nested.barr"], r": nested.barr \(is it nested.bar\?\)$"),
        (["nested"], r": nested \(which is a set of packages\)$"),
        (["function"], r": function \(which is not a package\)$"),
        (["function.x", "hello.x.y", "x.y"], r": function.x, hello.x.y, x.y"),
        (['"; abort "', "${evil}", "''", "a\\", "--arg", ""], "abort"),
    ],
)
def test_names_of_no_package(folder: Path, workshop: Workshop, names: list[str], said: str) -> None:
    with pytest.raises(UnknownError, match=said) as caught:
        find(("folder", str(folder)), SYSTEM, names, workshop)
    assert caught.value.code == "MANIFEST_UNKNOWN"


def test_what_is_always_added_may_be_missing(folder: Path, workshop: Workshop) -> None:
    (folder / "default.nix").write_text(
        '{ system }: { x = derivation { name = "x"; builder = "x"; inherit system; }; }'
    )
    assert [one.name for one in find(("folder", str(folder)), SYSTEM, ["x"], workshop)] == ["x"]


def test_tags_are_of_the_repository(nix: Library, workshop: Workshop, tmp_path: Path) -> None:
    repository = Repository(tmp_path / "repository")
    first = repository.commit({"default.nix": text_of(nix, "one")})
    repository.git("branch", "stable")
    second = repository.commit({"default.nix": text_of(nix, "two")})
    tags = ("latest", "main", "stable", first, second)
    requests = [asked(repository.url, "foo", tag) for tag in tags]
    pins = [pin_of(one, workshop.place) for one in requests]
    assert [(pin.what, pin.moving) for pin in pins] == [
        (second, True),
        (second, True),
        (first, True),
        (first, False),
        (second, False),
    ]
    roots = [build(one, pin, workshop, Layout(tmp_path / "out")) for one, pin in zip(requests, pins, strict=True)]
    assert roots[0] == roots[1] == roots[4] != roots[2] == roots[3]
    with pytest.raises(UnknownError, match="no branch or tag"):
        pin_of(asked(repository.url, "foo", "v9"), workshop.place)


def test_flakes_and_channels(nix: Library, workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = Repository(tmp_path / "repository")
    outputs = f'legacyPackages.{SYSTEM} = import ./. {{ system = "{SYSTEM}"; }};'
    flake = f"{{ outputs = {{ self }}: {{ {outputs} }}; }}"
    commit = repository.commit({"default.nix": text_of(nix, "one"), "flake.nix": flake})
    repository.git("branch", "nixos-24.11")
    told = {"from": {"type": "indirect", "id": "nixpkgs"}, "to": {"type": "git", "url": repository.url}}
    (tmp_path / "registry.json").write_text(json.dumps({"version": 2, "flakes": [told]}))
    conf = (DATA / "nix.conf").read_text()
    (tmp_path / "nix.conf").write_text(f"{conf}flake-registry = {tmp_path}/registry.json\n")
    monkeypatch.setenv("NIX_CONF_DIR", str(tmp_path))
    origins = {
        f"path:{repository.folder}": True,
        f"git+{repository.url}?ref=main": True,
        f"git+{repository.url}?ref=main&rev={commit}": False,
        "nixos-24.11": True,
        str(repository.folder): True,
    }
    requests = [asked(origin, "foo") for origin in origins]
    assert [pin_of(one, workshop.place).moving for one in requests] == list(origins.values())
    roots = {made(one, workshop, tmp_path / "out").digest for one in requests}
    assert len(roots) == 1
    assert not pin_of(asked(commit, "foo"), workshop.place).moving
    with pytest.raises(UnknownError, match="only the tag latest"):
        pin_of(asked("nixos-24.11", "foo", "v1"), workshop.place)


def test_builds_that_fail_say_why(folder: Path, workshop: Workshop, tmp_path: Path) -> None:
    said: list[str] = []
    with pytest.raises(DemandError, match="Nix cannot build this") as caught:
        made(asked(folder, "failing"), replace(workshop, log=said.append), tmp_path / "out")
    assert caught.value.code == "UNKNOWN"
    assert any("this is why" in line for line in caught.value.log)
    assert any("this is why" in line for line in said)


def test_packages_that_refuse_to_be_evaluated(folder: Path, workshop: Workshop, tmp_path: Path) -> None:
    with pytest.raises(DemandError, match="refused has an unfree license"):
        made(asked(folder, "refused"), workshop, tmp_path / "out")


def test_whoever_hears_of_a_build_may_end_it(folder: Path, workshop: Workshop, tmp_path: Path) -> None:
    class EnoughError(Exception):
        pass

    def listen(line: str) -> None:
        if "begun" in line:
            raise EnoughError

    with pytest.raises(EnoughError):
        made(asked(folder, "slow"), replace(workshop, log=listen), tmp_path / "out")


def test_builds_have_their_time(folder: Path, workshop: Workshop, tmp_path: Path) -> None:
    with pytest.raises(DemandError, match="Nix cannot build this: it took longer than 1 seconds"):
        made(asked(folder, "slow"), replace(workshop, limits=BuildLimits(seconds=1)), tmp_path / "out")


def test_platforms_other_than_this_one(folder: Path, workshop: Workshop, tmp_path: Path) -> None:
    """A derivation for another machine is evaluated for it; only such a machine can build it."""
    other = "linux/arm64" if spelled(here()) == "linux/amd64" else "linux/amd64"
    request = asked(folder, f"{other.partition('/')[2]}/foo")
    assert request.platforms == (other,)
    with pytest.raises(DemandError, match=system_of(parse_platform(other))):
        made(request, workshop, tmp_path / "out")
