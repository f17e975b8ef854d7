"""Closures straight from a binary cache: without Nix, without a store, and no cache is trusted blindly."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.command import run
from tests.index import Index, serving
from tests.nars import Cache, nar_of, store_path
from tests.registry.fake import Fake, Trouble
from tests.registry.fake import serving as serving_registry

APP, LIBC, TEXT = store_path("a", "app-1.0"), store_path("b", "libc-2.36"), store_path("c", "text")


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    made = Cache(tmp_path / "cache")
    for path, files in (
        (APP, {"bin/app": b"#!app"}),
        (LIBC, {"lib/libc.so": b"libc" * 1000}),
        (TEXT, {"text": b"text"}),
    ):
        tree = tmp_path / "trees" / path.rpartition("-")[2]
        for name, data in files.items():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).write_bytes(data)
        made.add(path, tree, [LIBC, TEXT, APP] if path == APP else [])
    return made


@pytest.fixture
def work(tmp_path: Path, cache: Cache) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    write(folder, cache.url, cache.key)
    return folder


def write(folder: Path, *caches: str, layers: str = "") -> None:
    *urls, key = caches
    text = f'name = "demo"\nnix = ["{APP}"]\n[store]\ncaches = {json.dumps(urls)}\nkeys = {json.dumps([key])}\n'
    (folder / "lamella.toml").write_text(text + layers)


def lamella(folder: Path, *args: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Without Nix on the path."""
    nothing = {"NIX_CONF_DIR": str(folder), "PATH": str(Path(sys.executable).parent)}
    return run(folder, *args, **{**nothing, "LAMELLA_CACHE": str(folder.parent / "kept"), **more})


def good(folder: Path, *args: str, **more: str) -> str:
    ran = lamella(folder, *args, **more)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def bad(folder: Path, *args: str, **more: str) -> str:
    ran = lamella(folder, *args, **more)
    assert (ran.stderr.count("\n"), "Traceback" in ran.stderr) == (1, False), ran.stderr
    assert ran.returncode
    return ran.stderr


def forget(folder: Path) -> None:
    shutil.rmtree(folder.parent / "kept", ignore_errors=True)


def digests(folder: Path) -> list[str]:
    return [layer["diff_id"] for layer in json.loads(good(folder, "build", "--json"))["layers"]]


@pytest.mark.parametrize("compression", ["xz", "bzip2", "zstd", "none"])
def test_the_whole_closure_comes_along(work: Path, tmp_path: Path, cache: Cache, compression: str) -> None:
    wanted = digests(work)
    other = Cache(tmp_path / "other", compression, cache.private)
    for path, name in ((APP, "1.0"), (LIBC, "2.36"), (TEXT, "text")):
        other.add(path, tmp_path / "trees" / name, [LIBC, TEXT, APP] if path == APP else [])
    write(work, other.url, cache.key)
    forget(work)
    assert digests(work) == wanted
    good(work, "copy", ".", "oci:out")
    listed = set()
    for blob in (work / "out" / "blobs" / "sha256").iterdir():
        if blob.read_bytes()[:2] == b"\x1f\x8b":
            listed |= set(
                subprocess.run(["tar", "-tzf", blob], capture_output=True, text=True, check=True).stdout.split()
            )
    assert {f"{APP}/bin/app", f"{LIBC}/lib/libc.so", f"{TEXT}/text"} <= listed


def test_what_is_locked_needs_no_cache_to_plan_and_no_key(work: Path, cache: Cache) -> None:
    good(work, "lock")
    lock = (work / "lamella.lock").read_text()
    assert str(work.parent) not in lock
    assert [one["path"] for one in json.loads(lock)["platforms"][platform(lock)]["nix"]["paths"]] == [APP, LIBC, TEXT]
    forget(work)
    cache.folder.rename(work.parent / "elsewhere")
    assert "app" in good(work, "plan")
    assert "none of" in bad(work, "build")
    (work.parent / "elsewhere").rename(cache.folder)
    write(work, cache.url, Cache(work).key)
    good(work, "build")
    assert good(work, "lock", "--check")


def platform(lock: str) -> str:
    (found,) = json.loads(lock)["platforms"]
    return str(found)


def test_caches_of_the_environment_and_of_nix_itself(work: Path, cache: Cache) -> None:
    (work / "lamella.toml").write_text(f'name = "demo"\nnix = ["{APP}"]\n')
    assert "the nix command is not installed" in bad(work, "build")
    good(work, "build", LAMELLA_NIX_CACHES=cache.url, LAMELLA_NIX_KEYS=cache.key)
    forget(work)
    conf = f"it's = nobody's \"business\nsubstituters = {cache.url}\nextra-trusted-public-keys = {cache.key} # ours\n"
    (work / "nix.conf").write_text(conf)
    good(work, "build")
    forget(work)
    (work / "nix.conf").unlink()
    good(work, "build", NIX_CONFIG=f"substituters = {cache.url}?trusted=1")


@pytest.mark.parametrize("compression", ["xz", "none"])
def test_a_cache_that_hashes_no_files(work: Path, tmp_path: Path, cache: Cache, compression: str) -> None:
    wanted = digests(work)
    other = Cache(tmp_path / "other", compression, cache.private)
    for path, name in ((APP, "1.0"), (LIBC, "2.36"), (TEXT, "text")):
        other.add(path, tmp_path / "trees" / name, [LIBC, TEXT, APP] if path == APP else [], FileHash="", FileSize="")
    write(work, other.url, cache.key)
    forget(work)
    assert digests(work) == wanted
    forget(work)
    (url,) = [
        line[5:]
        for file in other.folder.glob("b*.narinfo")
        for line in file.read_text().splitlines()
        if line.startswith("URL: ")
    ]
    (other.folder / url).write_bytes((other.folder / url).read_bytes()[:-50] + bytes(50))
    assert "libc-2.36" in bad(work, "build")


def test_the_first_cache_that_has_it_counts(work: Path, tmp_path: Path, cache: Cache) -> None:
    empty = Cache(tmp_path / "empty")
    (tmp_path / "empty").mkdir()
    write(work, empty.url, cache.url, cache.key)
    good(work, "build")


def test_a_cache_that_cannot_be_reached_is_survived_if_another_has_it(work: Path, cache: Cache) -> None:
    write(work, "http://127.0.0.1:1/nowhere", cache.url, cache.key)
    good(work, "build")
    forget(work)
    write(work, "http://127.0.0.1:1/nowhere", cache.key)
    assert "http://127.0.0.1:1/nowhere" in bad(work, "build")


def test_what_is_remembered_of_a_cache_that_was_filled_anew(work: Path, tmp_path: Path, cache: Cache) -> None:
    good(work, "plan")
    shutil.rmtree(cache.folder)
    other = Cache(cache.folder, "xz", cache.private)
    for path, name in ((APP, "1.0"), (LIBC, "2.36"), (TEXT, "text")):
        other.add(path, tmp_path / "trees" / name, [LIBC, TEXT, APP] if path == APP else [])
    good(work, "build")


def test_passwords_of_caches_are_told_to_nobody(work: Path, cache: Cache) -> None:
    with serving(Index(cache.folder, login="me:s3cret")) as index:
        write(work, f"http://me:s3cret@127.0.0.1:{index.port}/plain?priority=5", cache.key)
        told = good(work, "lock") + good(work, "build", "-v") + (work / "lamella.lock").read_text()
        told += "".join(file.read_text(errors="replace") for file in (work.parent / "kept").rglob("narinfo/*"))
        (cache.folder / f"{'c' * 32}.narinfo").unlink()
        forget(work)
        (work / "lamella.lock").unlink()
        told += bad(work, "build")
    assert "127.0.0.1" in told
    assert "s3cret" not in told


def test_over_http(work: Path, cache: Cache) -> None:
    with serving(Index(cache.folder)) as index:
        write(work, f"http://127.0.0.1:{index.port}/plain", cache.key)
        good(work, "build")
        assert sum(path.endswith(".narinfo") for path in index.asked) == 3
        asked = len(index.asked)
        good(work, "build")
        assert len(index.asked) == asked
        index.cut = 10
        forget(work)
        good(work, "build")
    forget(work)
    assert "Connection refused" in bad(work, "build") or "cannot be reached" in bad(work, "build")


def test_a_cache_that_denies_what_it_lacks_is_named_if_no_other_has_it(work: Path, cache: Cache) -> None:
    with serving_registry(Fake()) as denying:
        denying.trouble = [Trouble("", 999, 403)]
        write(work, f"http://{denying.name}", cache.key)
        assert "does not exist, or requires a login" in bad(work, "build")
        write(work, f"http://{denying.name}", cache.url, cache.key)
        good(work, "build")


LIES = {
    "nobody signed it": {"Sig": ""},
    "another key signed it": {"Sig": "other-1:" + "A" * 86 + "=="},
    "a signature of something else": {"NarSize": "9999"},
    "a reference more": {"References": LIBC.rpartition("/")[2]},
    "another path": {"StorePath": TEXT},
}


@pytest.mark.parametrize("lie", LIES)
def test_forged_narinfos(work: Path, tmp_path: Path, cache: Cache, lie: str) -> None:
    cache.add(LIBC, tmp_path / "trees" / "2.36", **LIES[lie])
    said = bad(work, "build")
    assert LIBC in said
    assert "but not by a trusted key" in said or "do not trust it" in said
    assert not (work / "image.json").exists()


def test_files_that_are_not_what_was_told(work: Path, tmp_path: Path, cache: Cache) -> None:
    (narinfo,) = [file for file in cache.folder.glob("*.narinfo") if LIBC in file.read_text()]
    (url,) = [line[5:] for line in narinfo.read_text().splitlines() if line.startswith("URL: ")]
    data = (cache.folder / url).read_bytes()
    for wrong in (data[:-1], b"", b"x" + data[1:], data + b"more"):
        (cache.folder / url).write_bytes(wrong)
        assert "libc-2.36" in bad(work, "build")
    (cache.folder / url).write_bytes(data)
    good(work, "build")


def test_a_nar_that_is_another_than_its_hash_says(work: Path, tmp_path: Path, cache: Cache) -> None:
    """Signed, but with the hash of a different package: detected when it is unpacked."""
    right = nar_of(tmp_path / "trees" / "2.36")
    (tmp_path / "trees" / "2.36" / "lib" / "libc.so").write_bytes(b"evil" * 1000)
    wrong = nar_of(tmp_path / "trees" / "2.36")
    cache.add_nar(LIBC, right)
    (narinfo,) = [file for file in cache.folder.glob("*.narinfo") if LIBC in file.read_text()]
    kept = dict(line.split(": ", 1) for line in narinfo.read_text().splitlines() if ": " in line)
    cache.add_nar(LIBC, wrong, NarHash=kept["NarHash"], NarSize=kept["NarSize"], Sig=kept["Sig"])
    said = bad(work, "build")
    assert LIBC in said
    assert "so it is not used" in said


def test_a_cache_with_other_files_than_were_locked(work: Path, tmp_path: Path, cache: Cache) -> None:
    good(work, "lock")
    (tmp_path / "trees" / "2.36" / "lib" / "libc.so").write_bytes(b"newer")
    cache.add(LIBC, tmp_path / "trees" / "2.36")
    forget(work)
    assert f"has a different {LIBC} than expected" in bad(work, "build")


def test_a_path_that_no_cache_has(work: Path, cache: Cache) -> None:
    (cache.folder / f"{'c' * 32}.narinfo").unlink()
    assert f"no cache has {TEXT} (asked: " in bad(work, "build")
    assert "is not a public key" in bad_with(work, cache, "nonsense")


def bad_with(work: Path, cache: Cache, key: str) -> str:
    write(work, cache.url, key)
    return bad(work, "build")


def test_a_lock_of_something_else(work: Path) -> None:
    good(work, "lock")
    spec = work / "lamella.toml"
    spec.write_text(spec.read_text().replace(APP, LIBC))
    assert "the spec has changed since it was locked" in bad(work, "build")
    spec.write_text(spec.read_text().replace(LIBC, APP))
    lock = work / "lamella.lock"
    text = lock.read_text()
    gone, away = store_path("d", "gone"), f"/nix/store/../../etc/{'d' * 32}-gone"
    changes = [(f'"{LIBC}"', f'"{gone}"'), (f'"{LIBC}"', f'"{away}"'), ('"nar_hash"', '"hash"')]
    for old, new in changes:
        lock.write_text(text.replace(old, new, 1))
        assert "lamella" in bad(work, "build")


def test_a_watched_command_that_a_signal_ends_gives_the_exit_code_that_shells_give(work: Path) -> None:
    ran = run(work, "cache", "watch", "--to", f"file://{work}/to", "--", "sh", "-c", "kill -TERM $$")
    assert (ran.returncode, "0 paths sent" in ran.stdout) == (143, True), ran.stderr


@pytest.mark.parametrize("data", [b"\xff\xfe", b"", b"name:c2hvcnQ="])
def test_a_wrong_key_is_named_before_the_command_runs(work: Path, data: bytes) -> None:
    (work / "key").write_bytes(data)
    said = bad(work, "cache", "watch", "--to", f"file://{work}/to", "--key", "key", "--", "touch", "ran")
    assert said == "lamella: key: this is not a secret key in Nix's format, NAME:BASE64\n"
    assert not (work / "ran").exists()
    (work / "key").unlink()
    said = bad(work, "cache", "watch", "--to", f"file://{work}/to", "--key", "key", "--", "touch", "ran")
    assert said == "lamella: key: No such file or directory\n"
