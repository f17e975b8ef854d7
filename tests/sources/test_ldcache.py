"""The note of shared libraries: which names are in it, in which order, and where they lead."""

import struct

from lamella.sources.debian import ldcache
from lamella.sources.debian.ldcache import Libraries, Library

MULTI = "/usr/lib/x86_64-linux-gnu"


def libraries(*found: Library, conf: str = f"# usual\n{MULTI.removeprefix('/usr')}\n{MULTI}/\n") -> Libraries:
    return ldcache.libraries([], found, {"/etc/ld.so.conf.d/x.conf": conf})


def file(name: str, soname: str = "", machine: str = "amd64", folder: str = MULTI) -> Library:
    return Library(f"{folder}/{name}", soname, machine)


def link(path: str, target: str) -> Library:
    return Library(path if path.startswith("/") else f"{MULTI}/{path}", target=target)


def read(data: bytes) -> list[tuple[str, str]]:
    """Names and paths, as the loader reads them."""
    magic, count, length, order, more = struct.unpack_from("<20sIIB3xI12x", data)
    assert (magic, order, more, len(data)) == (b"glibc-ld.so.cache1.1", 2, 0, 48 + 24 * count + length)
    found = []
    for kind, name, path, _, _ in struct.iter_unpack("<IIIIQ", data[48 : 48 + 24 * count]):
        assert kind in ldcache.KINDS.values()
        told, place = (data[at : data.index(b"\0", at)].decode() for at in (name, path))
        found.append((told, place))
    return found


def noted(*found: Library) -> list[str]:
    return [name for name, _ in read(ldcache.encoded([libraries(*found)]))]


def test_the_newest_comes_first_and_numbers_count_as_such() -> None:
    names = ["liba.so.10", "liba.so.9", "liba.so", "liba2.so", "libb.so.1", "liba-x.so.1"]
    assert noted(*map(file, names)) == ["libb.so.1", "liba2.so", "liba.so.10", "liba.so.9", "liba.so", "liba-x.so.1"]


def test_a_library_goes_by_its_own_name_which_has_to_be_there() -> None:
    full = file("liba.so.1.2.3", "liba.so.1")
    assert noted(full) == []
    assert noted(full, link("liba.so.1", "liba.so.1.2.3"), link("liba.so", "liba.so.1")) == ["liba.so.1"]
    assert noted(file("liba.so.1", "liba.so.1"), link("liba.so", "liba.so.1")) == ["liba.so.1", "liba.so"]
    assert noted(file("liba.so", "liba.so.1"), link("liba.so.1", "liba.so")) == ["liba.so.1"]


def test_links_lead_through_alternatives_and_in_circles_nowhere() -> None:
    other = file("blas/libblas.so.3", "libblas.so.3")
    steps = [
        link("libblas.so.3", "/etc/alternatives/libblas.so.3"),
        link("/etc/alternatives/libblas.so.3", f"{MULTI.removeprefix('/usr')}/blas/libblas.so.3"),
    ]
    assert read(ldcache.encoded([libraries(other, *steps)])) == [
        ("libblas.so.3", f"{MULTI.removeprefix('/usr')}/libblas.so.3")
    ]
    assert noted(link("liba.so", "libb.so"), link("libb.so", "liba.so"), link("libc.so", "../../nowhere.so")) == []


def test_only_folders_that_are_named_count_each_once_under_its_first_name() -> None:
    usual = file("libu.so", folder="/usr/lib")
    own = file("libo.so", folder="/opt/lib")
    found = [libraries(usual, own, file("libm.so")), libraries(conf="/opt/lib\nnot-a-folder\n")]
    assert [path for _, path in read(ldcache.encoded(found))] == [
        "/lib/libu.so",
        "/opt/lib/libo.so",
        f"{MULTI.removeprefix('/usr')}/libm.so",
    ]


def test_other_files_and_other_machines() -> None:
    assert noted(file("liba.so", machine="s390x"), file("program"), file("libx.a"), file("ld-linux.so.2")) == [
        "ld-linux.so.2"
    ]
    machines = [file("liba.so", "liba.so.1", "386", "/usr/lib"), file("liba.so.1", "liba.so.1")]
    assert noted(*machines) == ["liba.so.1"]


def test_the_order_of_packages_does_not_matter() -> None:
    parts = [libraries(file("liba.so")), libraries(file("libb.so")), libraries(conf="/opt")]
    assert ldcache.encoded(parts) == ldcache.encoded(parts[::-1])
