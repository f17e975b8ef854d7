"""Versions as dpkg compares them, dependencies as apt resolves them, and signatures that are checked."""

import itertools
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.debs import Repository
from tests.real.programs import needs

from lamella.sources.debian import alternatives
from lamella.sources.debian.archives import indexes
from lamella.sources.debian.resolve import Catalogue, DependencyError, resolve
from lamella.sources.debian.suites import ArchiveError, Suite, apt_suites, parse_line
from lamella.sources.debian.version import satisfies

VERSIONS = [
    "1.0",
    "1.0-1",
    "1.0~rc1-1",
    "1.0+b1",
    "2:0.1",
    "1.0-1+deb12u1",
    "1.0a",
    "1.0.1",
    "0",
    "1.0-10",
    "1.0-9",
    "1~~",
    "1~",
]


ONE_LINE = """\
# a comment
deb [arch=amd64,arm64 signed-by=/k.gpg] http://host/debian/ stable main other # more
deb-src http://host s m
deb cdrom:[x] s m
"""
STANZAS = """\
Types: deb deb-src
URIs: https://one https://two
# said
Suites: s
Components: main
Signed-By:
 -----BEGIN PGP
 .
 abc

Types: deb
URIs: http://off
Suites: s
Enabled: no
"""


class Files:
    """Documents from a folder, whatever the host."""

    def document(self, url: str) -> bytes:
        return Path(url.removeprefix("file://")).read_bytes()


def now() -> datetime:
    return datetime(2026, 1, 1, tzinfo=UTC)


def test_versions_are_compared_as_dpkg_does() -> None:
    needs("dpkg")
    for one, other in itertools.combinations_with_replacement(VERSIONS, 2):
        told = [
            subprocess.run(["dpkg", "--compare-versions", one, relation, other], check=False).returncode == 0
            for relation in ("lt", "eq", "gt")
        ]
        assert [satisfies(one, relation, other) for relation in ("<<", "=", ">>")] == told, (one, other)


def catalogue(*texts: str, kept: dict[str, str] | None = None) -> Catalogue:
    return Catalogue([("http://host", "\n\n".join(texts))], kept or {})


def stanza(name: str, version: str = "1", **fields: str) -> str:
    told = "".join(f"{key.replace('_', '-')}: {value}\n" for key, value in fields.items())
    return f"Package: {name}\nVersion: {version}\n{told}"


def names(
    wants: Sequence[str], *texts: str, without: Sequence[str] = (), kept: dict[str, str] | None = None
) -> list[str]:
    answer = resolve(wants, catalogue(*texts, kept=kept), without)
    return [f"{one.deb.name}={one.deb.version}" for one in answer.packages]


def test_what_is_depended_on_comes_along() -> None:
    found = resolve(["a"], catalogue(stanza("a", Depends="b (>= 1), c | d", Pre_Depends="e"), *map(stanza, "bcde")), ())
    assert [(one.deb.name, one.references) for one in found.packages] == [
        ("a", ("b", "c", "e")),
        ("b", ()),
        ("c", ()),
        ("e", ()),
    ]


def test_the_newest_version_counts_unless_another_is_kept() -> None:
    texts = [stanza("a", "1.9"), stanza("a", "1.10"), stanza("a", "1.10~rc1")]
    assert names(["a"], *texts) == ["a=1.10"]
    assert names(["a"], *texts, kept={"a": "1.9"}) == ["a=1.9"]
    assert names(["a"], *texts, kept={"a": "1.8"}) == ["a=1.10"]


def test_alternatives_that_are_there_are_taken() -> None:
    texts = [stanza("a", Depends="x | y, z"), stanza("x"), stanza("y"), stanza("z", Depends="y")]
    assert names(["a", "y"], *texts) == ["a=1", "y=1", "z=1"]
    assert names(["a"], *texts) == ["a=1", "x=1", "y=1", "z=1"]


def test_names_that_others_provide() -> None:
    texts = [
        stanza("a", Depends="mail, old (>= 2)"),
        stanza("zmail", Provides="mail", Priority="important"),
        stanza("amail", Provides="mail", Priority="optional"),
        stanza("new", Provides="old (= 3)"),
        stanza("unsaid", Provides="old"),
    ]
    assert names(["a"], *texts) == ["a=1", "new=1", "zmail=1"]
    assert names(["mail"], *texts) == ["zmail=1"]


def test_circles_are_walked_once() -> None:
    assert names(["a"], stanza("a", Depends="b"), stanza("b", Depends="a")) == ["a=1", "b=1"]


def test_what_is_left_out() -> None:
    texts = [stanza("a", Depends="debconf (>= 1) | debconf-2.0, b"), stanza("debconf"), stanza("b")]
    assert names(["a"], *texts, without=["debconf"]) == ["a=1", "b=1"]
    assert names(["a", "debconf"], *texts, without=["debconf"]) == ["a=1", "b=1", "debconf=1"]


def test_all_that_is_essential() -> None:
    texts = [stanza("sh", Essential="yes"), stanza("dpkg", Essential="yes"), stanza("other")]
    assert names(["essential"], *texts, without=["dpkg"]) == ["sh=1"]


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ([stanza("b")], "no archive has a package a"),
        ([stanza("a", Depends="b (>= 2)"), stanza("b", "1")], r"a depends on b \(>= 2\), which no archive has"),
        ([stanza("a", Depends="b | c")], r"a depends on b or c"),
        ([stanza("a", Depends="b, c"), stanza("b", Conflicts="c (<< 2)"), stanza("c")], r"b conflicts with c \(<< 2\)"),
    ],
)
def test_what_cannot_be(texts: list[str], said: str) -> None:
    with pytest.raises(DependencyError, match=said):
        names(["a"], *texts)


def test_alternatives_are_read_from_scripts() -> None:
    script = b"""
if true; then
    update-alternatives --install /usr/bin/awk awk /usr/bin/mawk 5 \\
        --slave /usr/share/man/man1/awk.1.gz awk.1.gz /usr/share/man/man1/mawk.1.gz \\
        --slave /usr/bin/nawk nawk /usr/bin/mawk
    update-alternatives --quiet --install /usr/bin/$x x $y 10
fi
"""
    found = alternatives.read(script)
    assert [(one.name, one.path, one.priority) for one in found] == [("awk", "/usr/bin/mawk", 5)]
    better = alternatives.Alternative("/usr/bin/awk", "awk", "/usr/bin/gawk", 10)
    assert alternatives.chosen({"mawk": found, "gawk": [better]}) == {
        "gawk": (("/etc/alternatives/awk", "/usr/bin/gawk"), ("/usr/bin/awk", "/etc/alternatives/awk"))
    }
    assert ("/usr/bin/nawk", "/etc/alternatives/nawk") in alternatives.chosen({"mawk": found})["mawk"]


def test_lines_and_stanzas_of_apt(tmp_path: Path) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list").write_text(ONE_LINE)
    (tmp_path / "sources.list.d" / "a.sources").write_text(STANZAS)
    found = apt_suites(tmp_path)
    assert found[0] == Suite("http://host/debian", "stable", ("main", "other"), ("/k.gpg",), False, ("amd64", "arm64"))
    assert [(suite.uri, suite.name) for suite in found[1:]] == [("https://one", "s"), ("https://two", "s")]
    assert "BEGIN PGP" in found[1].keys[0]


@pytest.mark.parametrize("line", ["", "http://host", "ftp://host stable main", "deb", "host stable main"])
def test_lines_that_name_no_archive(line: str) -> None:
    with pytest.raises(ArchiveError, match="is not an archive such as"):
        parse_line(line, "the spec")


def test_indexes_must_be_as_they_are_signed(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "repo")
    repository.add("demo")
    suite = parse_line(repository.line, "a test")
    assert "Package: demo" in "".join(indexes(suite, "amd64", Files(), now))
    packages = next((tmp_path / "repo").rglob("Packages.xz"))
    data = packages.read_bytes()
    for wrong in (data[:-1], data + b"x", b"\0" + data[1:]):
        packages.write_bytes(wrong)
        with pytest.raises(ArchiveError, match="does not match its signed InRelease"):
            list(indexes(suite, "amd64", Files(), now))
    with pytest.raises(ArchiveError, match="has no packages of main for arm64"):
        list(indexes(suite, "arm64", Files(), now))
    repository.write(Valid_Until="Wed, 31 Dec 2025 00:00:00 UTC")
    with pytest.raises(ArchiveError, match="its mirror is out of date"):
        list(indexes(suite, "amd64", Files(), now))
    for text in ("garbage", "Fri, 31 Dec 9999 23:00:00 -2300"):
        repository.write(Valid_Until=text)
        with pytest.raises(ArchiveError, match="which is not a date"):
            list(indexes(suite, "amd64", Files(), now))
