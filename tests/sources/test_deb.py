"""A deb's entries are what dpkg unpacks, in a merged /usr, with what its scripts would have left; or one error."""

import os
import stat
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.debs import Member, ar_of, deb_of, package_of, tar_of
from tests.real.programs import absent, needs

from lamella.layers.tree import merge
from lamella.package import Entry, Kind, order
from lamella.sources.debian import authorities, deb
from lamella.sources.spool import DamagedError

CONTROL = "Package: demo\nVersion: 1\nArchitecture: all\n"
LARGE = os.urandom(3_000_000)
FILES: dict[str, Member] = {
    "./": None,
    "./bin/": None,
    "./bin/tool": b"#!/bin/sh\n",
    "./lib64/": None,
    "./lib64/ld.so": "../lib/ld.so",
    "./usr/": None,
    "./usr/lib/": None,
    "./usr/lib/large": LARGE,
    "./usr/share/ä": b"not ASCII\n",
    "./tmp/": None,
}
MODES = {"./tmp/": 0o1777, "./bin/tool": 0o4755}


def hard_link(to: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo()
    info.type, info.linkname = tarfile.LNKTYPE, to
    return info


def special(kind: bytes) -> tarfile.TarInfo:
    info = tarfile.TarInfo()
    info.type = kind
    return info


def made(
    folder: Path, files: Mapping[str, Member], packing: str = ".xz", name: str = "demo", **documents: bytes
) -> Path:
    path = folder / f"{name}.deb"
    path.write_bytes(deb_of(CONTROL, tar_of(files, MODES), packing, **documents))
    return path


def entries(path: Path, name: str = "demo", links: tuple[tuple[str, str], ...] = ()) -> dict[str, Entry]:
    found = list(deb.entries(package_of(path, name, links)))
    assert [entry.path for entry in found] == sorted({entry.path for entry in found}, key=order)
    list(merge([iter(found)]))
    return {entry.path.decode(): entry for entry in found}


def data_of(entry: Entry) -> bytes:
    assert callable(entry.content)
    with entry.content() as file:
        return b"".join(iter(lambda: file.read(100_000), b""))


@pytest.mark.parametrize("packing", [".xz", ".gz", ""])
def test_everything_is_at_its_place(tmp_path: Path, packing: str) -> None:
    found = entries(made(tmp_path, {**FILES, "./usr/lib/again": hard_link("./usr/lib/large")}, packing))
    assert {path: (entry.kind.name, entry.target.decode()) for path, entry in found.items()} == {
        "/bin": ("SYMLINK", "usr/bin"),
        "/lib64": ("SYMLINK", "usr/lib64"),
        "/tmp": ("DIRECTORY", ""),
        "/usr": ("DIRECTORY", ""),
        "/usr/bin": ("DIRECTORY", ""),
        "/usr/bin/tool": ("FILE", ""),
        "/usr/lib": ("DIRECTORY", ""),
        "/usr/lib/again": ("FILE", ""),
        "/usr/lib/large": ("FILE", ""),
        "/usr/lib64": ("DIRECTORY", ""),
        "/usr/lib64/ld.so": ("SYMLINK", "../lib/ld.so"),
        "/usr/share/ä": ("FILE", ""),
        "/var/lib/dpkg/status.d/demo": ("FILE", ""),
    }
    assert found["/tmp"].mode == 0o1777
    assert found["/usr/bin/tool"].mode == 0o4755
    assert data_of(found["/usr/lib/large"]) == data_of(found["/usr/lib/again"]) == LARGE
    assert data_of(found["/var/lib/dpkg/status.d/demo"]) == CONTROL.encode()


def test_links_of_a_merged_usr_that_the_deb_itself_has(tmp_path: Path) -> None:
    links: dict[str, Member] = {"./bin": "usr/bin", "./lib64": "usr/lib64", "./sbin": "usr/sbin"}
    found = entries(made(tmp_path, {"./": None, **links, "./usr/": None, "./usr/bin/": None, "./usr/sbin/": None}))
    assert {path: entry.target.decode() for path, entry in found.items() if "dpkg" not in path} == {
        "/bin": "usr/bin",
        "/lib64": "usr/lib64",
        "/sbin": "usr/sbin",
        "/usr": "",
        "/usr/bin": "",
        "/usr/sbin": "",
    }


def test_scanners_find_the_sums(tmp_path: Path) -> None:
    found = entries(made(tmp_path, FILES, md5sums=b"abc  bin/tool\n"))
    assert data_of(found["/var/lib/dpkg/status.d/demo.md5sums"]) == b"abc  bin/tool\n"


def test_dpkg_unpacks_the_same(tmp_path: Path) -> None:
    needs("dpkg-deb")
    files = {name: what for name, what in FILES.items() if not name.startswith(("./bin", "./lib64"))}
    path = made(tmp_path, files)
    subprocess.run(["dpkg-deb", "-x", path, tmp_path / "root"], check=True)
    theirs = {f"/{file.relative_to(tmp_path / 'root').as_posix()}": file for file in (tmp_path / "root").rglob("*")}
    ours = {name: entry for name, entry in entries(path).items() if "status.d" not in name}
    assert set(ours) | {"/usr/share"} == set(theirs)
    for name, entry in ours.items():
        assert stat.S_IMODE(theirs[name].lstat().st_mode) == entry.mode
        if entry.kind is Kind.FILE:
            assert theirs[name].read_bytes() == data_of(entry)


POSTINST = b"""#!/bin/sh
update-alternatives --install /usr/bin/awk awk /usr/bin/mawk 5 --slave /usr/share/man/man1/awk.1.gz awk.1.gz /m
update-alternatives --quiet --install /lib/cpp \\
  cpp /usr/bin/cpp 10
"""


@pytest.mark.parametrize("target", ["/etc/alternatives/sh", "/tmp/evil"])
def test_links_that_the_package_does_not_ask_for_are_refused(tmp_path: Path, target: str) -> None:
    package = package_of(made(tmp_path, FILES, postinst=POSTINST), "demo", (("/usr/bin/awk", target),))
    with pytest.raises(DamagedError, match=f"^demo_1_all sets up no alternative /usr/bin/awk -> {target}"):
        list(deb.entries(package))


def test_links_of_alternatives(tmp_path: Path) -> None:
    links = (("/usr/bin/awk", "/etc/alternatives/awk"), ("/lib/cpp", "/etc/alternatives/cpp"))
    found = entries(made(tmp_path, FILES, postinst=POSTINST), links=links)
    assert found["/usr/bin/awk"].target == b"/etc/alternatives/awk"
    assert found["/usr/lib/cpp"].target == b"/etc/alternatives/cpp"


def test_what_scripts_of_base_packages_would_do(tmp_path: Path) -> None:
    path = made(tmp_path, {"./usr/share/base-passwd/passwd.master": b"root:*:0:0::/root:/bin/sh\n"}, name="base-passwd")
    assert data_of(entries(path, "base-passwd")["/etc/passwd"]) == b"root:*:0:0::/root:/bin/sh\n"
    found = entries(made(tmp_path, {"./var/run/": None}, name="base-files"), "base-files")
    assert found["/var/run"].target == b"/run"
    assert found["/run/lock"].mode == 0o1777


def test_authorities_are_found_as_openssl_finds_them(tmp_path: Path) -> None:
    mozilla = sorted(Path("/usr/share/ca-certificates/mozilla").glob("*.crt"))
    needs("openssl")
    if not mozilla:
        absent("ca-certificates not installed")
    for file in mozilla:
        command = ["openssl", "x509", "-subject_hash", "-noout", "-in", str(file)]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        assert authorities.subject_hash(file.read_bytes()) == told, file
    files = {f"./usr/share/ca-certificates/mozilla/{file.name}": file.read_bytes() for file in mozilla[:3]}
    found = entries(made(tmp_path, files, name="ca-certificates"), "ca-certificates")
    assert data_of(found["/etc/ssl/certs/ca-certificates.crt"]).count(b"BEGIN CERTIFICATE") == 3
    hashed = f"/etc/ssl/certs/{authorities.subject_hash(mozilla[0].read_bytes())}.0"
    assert found[hashed].target.decode() == mozilla[0].stem.translate(str.maketrans(" (),", "_==_")) + ".pem"


def refused(path: Path) -> str:
    with pytest.raises(DamagedError) as raised:
        {name: data_of(entry) for name, entry in entries(path).items() if entry.kind is Kind.FILE}
    assert "\n" not in str(raised.value)
    return str(raised.value)


@pytest.mark.parametrize("name", ["../evil", "./../evil", "/etc/passwd", "./a/../../evil", "./usr/.."])
def test_names_that_lead_out(tmp_path: Path, name: str) -> None:
    assert "which may lead out of it" in refused(made(tmp_path, {name: b"evil"}))


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_what_no_image_holds(tmp_path: Path, kind: bytes) -> None:
    assert "neither file, folder nor link" in refused(made(tmp_path, {"./dev/thing": special(kind)}))


@pytest.mark.parametrize("to", ["/etc/passwd", "./nowhere", "../../etc/passwd", "./usr/"])
def test_hard_links_that_lead_nowhere(tmp_path: Path, to: str) -> None:
    assert refused(made(tmp_path, {"./usr/": None, "./link": hard_link(to)}))


def test_files_under_links(tmp_path: Path) -> None:
    path = made(tmp_path, {"./etc": "/somewhere", "./etc/passwd": b"evil"})
    with pytest.raises(Exception, match="is a file, so /etc/passwd cannot be in it"):
        entries(path)


def test_names_twice(tmp_path: Path) -> None:
    assert "twice" in refused(made(tmp_path, {"./bin/a": b"1", "./usr/bin/a": b"2"}))


def test_bombs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deb, "_SMALL", 1 << 20)
    assert "do not trust it" in refused(made(tmp_path, {"./zeros": bytes(50_000_000)}))


def test_too_many_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deb, "_MOST_MEMBERS", 20)
    assert "which is the limit" in refused(made(tmp_path, {f"./{i}": b"" for i in range(30)}))


@pytest.mark.parametrize("part", range(1, 12))
def test_cut_short(tmp_path: Path, part: int) -> None:
    path = made(tmp_path, FILES, "")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * part // 12])
    assert refused(path)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not a deb",
        ar_of({"debian-binary": b"2.0\n"}),
        ar_of({"debian-binary": b"2.0\n", "data.tar.xz": b"not xz", "control.tar.xz": b""}),
        ar_of({"debian-binary": b"2.0\n", "data.tar.lzma2": b"?", "control.tar.xz": b""}),
        deb_of(CONTROL, b"not a tar archive" * 100),
        b"!<arch>\n" + b"x" * 60,
    ],
)
def test_what_is_no_deb(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "demo.deb"
    path.write_bytes(data)
    assert refused(path)


def test_a_deb_that_is_gone(tmp_path: Path) -> None:
    package = package_of(made(tmp_path, FILES))
    Path(package.path).unlink()
    with pytest.raises(DamagedError, match="cannot be read"):
        list(deb.entries(package))
