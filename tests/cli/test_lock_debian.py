"""Locking and building Debian packages as a user does it, from an archive of the tests."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.command import good, run
from tests.debs import Repository

SPEC = """
name = "demo"
platforms = ["linux/amd64"]
deb = ["top"]

[debian]
archives = ["{line}"]

[[layer]]
name = "low"
deb = ["libc"]
"""
AWK = b"update-alternatives --install /usr/bin/awk awk /usr/bin/%b %d\n"


@pytest.fixture
def archive(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "archive")
    made.add("libc", files={"./lib/": None, "./lib/libc.so": b"libc"})
    made.add("top", fields={"Depends": "libc, mawk | awk, dpkg (>= 1)"}, files={"./bin/": None, "./bin/top": b"top"})
    made.add("mawk", files={"./usr/bin/mawk": b"mawk"}, postinst=AWK % (b"mawk", 5))
    made.add("gawk", files={"./usr/bin/gawk": b"gawk"}, postinst=AWK % (b"gawk", 10), fields={"Provides": "awk"})
    made.add("dpkg", files={"./usr/bin/dpkg": b"dpkg"})
    return made


@pytest.fixture
def work(tmp_path: Path, archive: Repository) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "lamella.toml").write_text(SPEC.format(line=archive.line))
    return folder


def bad(folder: Path, *args: str, code: int = 3) -> str:
    ran = run(folder, *args)
    assert (ran.returncode, ran.stderr.count("\n"), "Traceback" in ran.stderr) == (code, 1, False), ran.stderr
    return ran.stderr


def paths(folder: Path) -> set[str]:
    good(folder, "copy", ".", "oci:out")
    listed = set()
    index = json.loads((folder / "out" / "index.json").read_text())
    blobs = folder / "out" / "blobs" / "sha256"
    manifest = json.loads((blobs / index["manifests"][0]["digest"][7:]).read_text())
    for layer in manifest["layers"]:
        command = ["tar", "-tzf", str(blobs / layer["digest"][7:])]
        listed |= set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    return listed


def test_from_the_archive_to_the_image(work: Path) -> None:
    assert "3 packages for linux/amd64" in good(work, "lock")
    text = (work / "lamella.lock").read_text()
    assert "dpkg" not in json.loads(text)["platforms"]["linux/amd64"]["debian"]["roots"]
    assert str(work.parent) not in text
    layers = json.loads(good(work, "build", "--json"))["layers"]
    assert [layer["name"] for layer in layers] == ["low", "app"]
    found = paths(work)
    assert {"/usr/bin/top", "/bin", "/usr/lib/libc.so", "/usr/bin/awk", "/etc/alternatives/awk"} <= found
    assert "/usr/bin/dpkg" not in found


def test_libraries_are_noted_in_the_last_layer_with_debs_and_nothing_else_needs_them(
    work: Path, archive: Repository
) -> None:
    archive.add("libc6", files={"./lib/libc.so.6": b"no ELF"})
    text = SPEC.format(line=archive.line).replace('["top"]\n', '["libc6"]\n')
    (work / "lamella.toml").write_text(text + '\n[[layer]]\nname = "own"\nfiles = ["lamella.lock"]\n')
    good(work, "lock")
    assert "/etc/ld.so.cache" in paths(work)
    layers = json.loads(good(work, "build", "--json"))["layers"]
    assert [(layer["name"], len(layer["packages"])) for layer in layers] == [("low", 1), ("own", 1), ("app", 2)]
    shutil.rmtree(work.parent / "cache" / "files")
    with (work / "lamella.toml").open("a") as spec:
        spec.write('\n[[layer]]\nname = "more"\nfiles = ["lamella.toml"]\n')
    good(work, "build")
    assert not (work.parent / "cache" / "files").exists()
    told = good(work, "check", "--list")
    assert "ld.so.cache" in told
    assert "ld.so.cache" not in good(work, "sbom")


def test_the_best_alternative_wins(work: Path, archive: Repository) -> None:
    text = SPEC.format(line=archive.line).replace('["top"]', '["top", "gawk", "mawk"]')
    (work / "lamella.toml").write_text(text)
    good(work, "lock")
    debs = json.loads((work / "lamella.lock").read_text())["platforms"]["linux/amd64"]["debian"]["debs"]
    assert {deb["name"]: deb.get("links", []) for deb in debs}["gawk"]
    assert not {deb["name"]: deb.get("links", []) for deb in debs}["mawk"]
    good(work, "build")


def test_another_machine_makes_the_same(work: Path) -> None:
    good(work, "lock")
    here = json.loads(good(work, "build", "--json"))["layers"]
    shutil.rmtree(work.parent / "cache")
    there = json.loads(good(work, "build", "--json"))["layers"]
    assert [layer["digest"] for layer in here] == [layer["digest"] for layer in there]


def test_the_environment_may_say_where_archives_are(work: Path, archive: Repository) -> None:
    text = (work / "lamella.toml").read_text()
    (work / "lamella.toml").write_text(text.replace(f'archives = ["{archive.line}"]', ""))
    good(work, "lock", LAMELLA_DEBIAN=f"\n{archive.line}\n")
    shutil.rmtree(work.parent / "cache")
    good(work, "build", LAMELLA_DEBIAN=archive.line)


def test_versions_stay_until_they_are_upgraded(work: Path, archive: Repository) -> None:
    good(work, "lock")
    archive.add("libc", "1.1", files={"./lib/": None, "./lib/libc.so": b"newer"})
    assert "lamella.lock is unchanged" in good(work, "lock")
    assert "~ libc (deb) 1.0 -> 1.1" in good(work, "lock", "--upgrade", "libc", "--diff")
    assert "~ libc (deb) 1.0 -> 1.1" in good(work, "lock", "--upgrade")
    layers = json.loads(good(work, "build", "--json"))["layers"]
    assert [layer["name"] for layer in layers] == ["low", "app"]


def test_specs_that_are_not_of_the_lock(work: Path) -> None:
    assert "the spec's Debian packages are not locked" in bad(work, "build")
    good(work, "lock")
    text = (work / "lamella.toml").read_text()
    (work / "lamella.toml").write_text(text.replace('deb = ["top"]', 'deb = ["top", "gawk"]'))
    assert "+ gawk" in bad(work, "build")
    assert "+ gawk" in bad(work, "lock", "--check")


def test_a_deb_that_is_another_now(work: Path, archive: Repository) -> None:
    good(work, "lock")
    pool = archive.folder / "pool"
    (pool / "libc_1.0_amd64.deb").write_bytes((pool / "top_1.0_amd64.deb").read_bytes())
    shutil.rmtree(work.parent / "cache")
    assert "libc_1.0_amd64.deb" in bad(work, "build", code=4)


def test_links_that_were_forged_when_locking_do_not_last(work: Path, archive: Repository) -> None:
    pool = archive.folder / "pool"
    true = (pool / "mawk_1.0_amd64.deb").read_bytes()
    (pool / "mawk_1.0_amd64.deb").write_bytes((pool / "gawk_1.0_amd64.deb").read_bytes())
    good(work, "lock")
    (pool / "mawk_1.0_amd64.deb").write_bytes(true)
    assert "sets up no alternative" in bad(work, "build")
    good(work, "lock")
    good(work, "build")


def test_a_deb_that_is_gone(work: Path, archive: Repository) -> None:
    good(work, "lock")
    (archive.folder / "pool" / "libc_1.0_amd64.deb").unlink()
    assert "libc_1.0_amd64.deb" in bad(work, "build", code=6)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('"top"', '"nowhere"'), "no archive has a package nowhere"),
        (('"linux/amd64"', '"linux/arm64"'), "has no packages of main for arm64"),
        (("[trusted=yes] ", ""), "is not trusted on this machine"),
        ((" stable main", " nowhere main"), "cannot be read"),
    ],
)
def test_what_cannot_be_locked(work: Path, change: tuple[str, str], said: str) -> None:
    text = (work / "lamella.toml").read_text().replace(*change)
    (work / "lamella.toml").write_text(text)
    ran = run(work, "lock")
    assert ran.returncode in (3, 6)
    assert said in ran.stderr
    assert ran.stderr.count("\n") == 1
    assert not (work / "lamella.lock").exists()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("file", "../../etc/passwd"),
        ("file", "/etc/passwd"),
        ("sha256", "../evil"),
        ("name", "../../../etc/cron.d/evil"),
        ("links", [["/usr/../../etc/evil", "x"]]),
        ("links", [["usr/bin/x", "y"]]),
        ("references", ["nowhere"]),
    ],
)
def test_locks_that_nobody_would_write(work: Path, key: str, value: object) -> None:
    good(work, "lock")
    lock = json.loads((work / "lamella.lock").read_text())
    lock["platforms"]["linux/amd64"]["debian"]["debs"][0][key] = value
    (work / "lamella.lock").write_text(json.dumps(lock))
    ran = run(work, "build")
    assert ran.returncode in (3, 4)
    assert ran.stderr.count("\n") == 1
    assert "lamella.lock" in ran.stderr


def test_layers_of_more_packages_than_files_may_usually_be_open(work: Path, archive: Repository) -> None:
    names = [f"package{number}" for number in range(60)]
    for name in names:
        archive.add(name)
    text = (work / "lamella.toml").read_text().replace('["top"]', json.dumps(names))
    (work / "lamella.toml").write_text(text)
    good(work, "lock")
    build = f"ulimit -Sn 40 && exec {sys.executable} -c 'from lamella.cli.main import main; main()' build"
    env = {**os.environ, "LAMELLA_CACHE": str(work.parent / "cache")}
    ran = subprocess.run(["bash", "-c", build], cwd=work, env=env, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
