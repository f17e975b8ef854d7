"""Mistakes that everybody makes once. Each gets one line that says what is wrong, where, and what to do."""

import contextlib
import gc
import io
import json
import os
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.debs import Repository
from tests.index import Index
from tests.index import serving as indexing
from tests.registry.fake import Fake, Trouble
from tests.wheels import make_wheel

from lamella.cli.main import main

SPEC = 'name = "hello"\nfiles = ["app"]\n'
PYTHON = 'name = "hello"\npypi = ["low"]\n\n[python]\nversion = "3.12"\n'


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """The folder of a spec of one layer, and of nothing else."""
    folder = tmp_path / "work"
    (folder / "app").mkdir(parents=True)
    (folder / "app" / "data").write_bytes(os.urandom(50_000))
    (folder / "lamella.toml").write_text(SPEC)
    return folder


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    (tmp_path / "index").mkdir()
    make_wheel(tmp_path / "index", "low", "1.0")
    with indexing(Index(tmp_path / "index")) as index:
        yield index


class Ran(NamedTuple):
    code: int
    stdout: str
    stderr: str


def run(work: Path, *args: str, **more: str) -> Ran:
    """Return the result of a command, which runs in this process: there are many."""
    told = {"LAMELLA_CACHE": str(work.parent / "cache"), "UV_CACHE_DIR": str(work.parent / "uv"), **more}
    out, err = io.StringIO(), io.StringIO()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    garbage = gc.get_threshold()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        patch.chdir(work)
        patch.setattr(sys, "argv", ["lamella", *args])
        patch.delenv("UV_FIND_LINKS", raising=False)
        for name, value in {"HOME": str(work.parent), **told}.items():
            patch.setenv(name, value)
        with pytest.raises(SystemExit) as ended:
            main()
    gc.set_threshold(*garbage)
    for number, handler in handlers.items():
        signal.signal(number, handler)
    assert isinstance(ended.value.code, int)
    return Ran(ended.value.code, out.getvalue(), err.getvalue())


def mistake(work: Path, *args: str, code: int, **more: str) -> str:
    """Return the one line that a command prints before it fails."""
    ran = run(work, *args, **more)
    assert (ran.code, ran.stdout) == (code, ""), ran.stderr
    assert ran.stderr.startswith("lamella: ")
    assert ran.stderr.count("\n") == 1, ran.stderr
    return ran.stderr.removeprefix("lamella: ").strip()


def test_a_wrong_key(work: Path) -> None:
    (work / "lamella.toml").write_text('name = "hello"\nfils = ["app"]\n')
    assert mistake(work, "build", code=2) == 'lamella.toml:2: unknown key "fils"; did you mean "files"?'


def test_a_missing_file(work: Path) -> None:
    (work / "lamella.toml").write_text('name = "hello"\nfiles = ["apps"]\n')
    said = mistake(work, "build", code=3)
    assert said == f"cannot read {work / 'apps'}: No such file or directory; did you mean app?"


def test_no_daemon(work: Path) -> None:
    said = mistake(work, "load", code=5, DOCKER_HOST="unix:///nowhere.sock")
    assert said == "Docker at unix:///nowhere.sock cannot be reached: No such file or directory; is it running?"
    assert "podman is not installed; install it" in mistake(work, "load", "--into", "podman", code=5, PATH="/nowhere")


def test_bad_credentials(work: Path, fake: Fake) -> None:
    fake.user, fake.password = "me", "right"
    push, hint = ("push", ".", f"{fake.name}/hello:v1"), f"; log in with: docker login {fake.name}"
    said = mistake(work, *push, "--creds", "me:wrong-one", code=6)
    assert said.endswith(f"; it does not accept me (from --creds or $LAMELLA_CREDS){hint}")
    config = work.parent / "config.json"
    config.write_text(json.dumps({"auths": {fake.name: {"username": "ada", "password": "wrong-one"}}}))
    from_file = mistake(work, *push, code=6, REGISTRY_AUTH_FILE=str(config))
    assert from_file.endswith(f"; it does not accept ada (from {config}){hint}")
    assert "wrong-one" not in said + from_file
    nobody = mistake(work, *push, code=6)
    assert nobody.endswith(hint)
    assert "let in" not in nobody


def test_a_full_disk(work: Path, small_disk: Path) -> None:
    (work / "app" / "large").write_bytes(os.urandom(6_000_000))
    for args in (("--keep-blobs",), ("--to", f"oci:{small_disk}/out")):
        said = mistake(work, "build", *args, code=5, LAMELLA_CACHE=str(small_disk / "cache"))
        assert said.startswith(f"cannot write {small_disk}/")
        assert "No space left on device; free some space: lamella cache prune" in said
    said = mistake(work, "copy", ".", f"oci-archive:{small_disk}/out.tar", code=5)
    assert said.startswith(f"{small_disk}/out.tar: cannot write the archive: No space left on device; free some space")
    (small_disk / "fill").write_bytes(b"\0" * (os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_bsize))
    said = mistake(work, "build", "-o", f"{small_disk}/image.json", code=5)
    assert said.startswith(f"cannot write {small_disk}/image.json: No space left on device; free some space")


def test_an_unknown_package(work: Path, index: Index, tmp_path: Path) -> None:
    (work / "lamella.toml").write_text(PYTHON.replace('"low"', '"lwo"'))
    said = mistake(work, "lock", code=3, UV_DEFAULT_INDEX=index.url)
    assert "lwo was not found in the package registry" in said
    archive = Repository(tmp_path / "archive")
    archive.add("libc", files={"./lib/": None, "./lib/libc.so": b"libc"})
    archive.write()
    debs = f'[debian]\narchives = ["{archive.line}"]\n'
    (work / "lamella.toml").write_text(f'name = "hello"\nplatforms = ["linux/amd64"]\ndeb = ["libd"]\n{debs}')
    assert mistake(work, "lock", code=3) == "no archive has a package libd; did you mean libc?"


def test_a_wrong_platform(work: Path, fake: Fake) -> None:
    (work / "lamella.toml").write_text(SPEC + 'platforms = ["linux/amd64"]\n')
    there = f"docker://{fake.name}/hello:v1"
    assert run(work, "build").code == run(work, "push", ".", there).code == 0
    for args in (("inspect", there), ("copy", there, "oci:out"), ("pull", there)):
        said = mistake(work, *args, "--platform", "linux/arm64", code=4)
        assert said == f"{there} is an image for linux/amd64, not for linux/arm64"
    for args in (("inspect", "image.json"), ("copy", "image.json", "oci:out")):
        said = mistake(work, *args, "--platform", "linux/arm64", code=4)
        assert said == "image.json is an image for linux/amd64, not for linux/arm64"
    said = mistake(work, "build", "--platform", "linux/arm64", code=2)
    assert said == "lamella.toml is for linux/amd64, not for linux/arm64"
    (work / "lamella.toml").write_text(SPEC)
    assert "did you mean" in mistake(work, "build", "--platform", "linux/amd65", code=2)


def test_an_unreachable_registry(work: Path) -> None:
    said = mistake(work, "push", ".", "127.0.0.1:1/hello:v1", code=6)
    what, why = "a check for hello@sha256:[0-9a-f]{12}", r"Connection refused; is it running, and on that port\?"
    assert re.fullmatch(f"127.0.0.1:1 cannot be reached for {what}: {why}", said)
    said = mistake(work, "pull", "registry.invalid/hello:v1", code=6)
    assert said.endswith("; is its name right, and does the network work?")


def test_a_stale_lock(work: Path, index: Index) -> None:
    (work / "lamella.toml").write_text(PYTHON)
    said = mistake(work, "build", code=3)
    assert said == "the spec's Python packages are not locked; run lamella lock"
    assert run(work, "lock", UV_DEFAULT_INDEX=index.url).code == 0
    (work / "lamella.toml").write_text(PYTHON.replace('"low"', '"low", "high"'))
    for args in (("build",), ("plan",), ("lock", "--check")):
        said = mistake(work, *args, code=3)
        assert said == "the spec has changed since it was locked (+ high); run lamella lock"


def test_too_large_a_layer(work: Path, fake: Fake) -> None:
    fake.trouble = [Trouble("PUT /v2/hello/blobs", 99, 413), Trouble("PATCH /v2/hello/blobs", 99, 413)]
    said = mistake(work, "push", ".", f"{fake.name}/hello:v1", code=6)
    assert "max_bytes" in said
    (work / "lamella.toml").write_text(SPEC + "max_bytes = 20000\n")
    said = mistake(work, "build", code=3)
    assert "/app/data is 50000 bytes large" in said
    assert "raise max_bytes" in said


def test_no_spec(work: Path) -> None:
    said = mistake(work / "app", "build", code=2, LAMELLA_CACHE=str(work / "cache"))
    assert said == "lamella.toml: no such file; write a spec, or name a folder with one"
    assert mistake(work, "build", "lamela.toml", code=2).endswith("did you mean lamella.toml?")


def test_a_reference_where_a_place_is_wanted(work: Path) -> None:
    said = mistake(work, "inspect", "registry.example.com/hello:v1", code=2)
    assert said.endswith("an image in a registry is written docker://registry.example.com/hello:v1")
    assert mistake(work, "push", ".", "oci:out", code=2).endswith("or use lamella copy for other places")
    assert "did you mean docker://" in mistake(work, "copy", ".", "dokcer://a.example.com/b", code=2)
    said = "out is not a place for an image; write docker://HOST/NAME:TAG, or for a folder oci:out"
    assert mistake(work, "copy", ".", "out", code=2) == said
    assert mistake(work, "copy", ".", "docker://", code=2) == "'docker://': write docker://HOST/NAME:TAG"


def test_no_image_yet(work: Path) -> None:
    assert mistake(work, "explain", "app", code=5) == "image.json does not exist; lamella build writes such files"


def test_a_misspelled_command_or_option(work: Path) -> None:
    assert mistake(work, "biuld", code=2) == "no such command 'biuld'; did you mean 'build'?"
    assert mistake(work, "foo", code=2) == "no such command 'foo'; see lamella --help"
    assert mistake(work, "build", "--platfrom", "x", code=2).endswith("Did you mean '--platform'?")
    assert mistake(work, "cache", "lst", code=2).endswith("Did you mean 'list'?")
    assert mistake(work, "copy", ".", code=2) == "Missing argument 'DESTINATION'; see lamella copy --help"
    said = "Missing argument 'SHELL'. Choose from: bash, zsh, fish; see lamella completion --help"
    assert mistake(work, "completion", code=2) == said


def test_a_misspelled_layer_or_package(work: Path, index: Index) -> None:
    assert mistake(work, "build", "layer", "ap", code=2).endswith("there are: app")
    assert mistake(work, "explain", "ap", ".", code=1).endswith("; did you mean 'app'?")
    (work / "lamella.toml").write_text(PYTHON)
    assert run(work, "lock", UV_DEFAULT_INDEX=index.url).code == 0
    said = mistake(work, "lock", "--upgrade", "lwo", code=2, UV_DEFAULT_INDEX=index.url)
    assert said == "no package named 'lwo' to upgrade; did you mean 'low'?"


def test_an_index_that_does_not_answer(work: Path) -> None:
    (work / "lamella.toml").write_text(PYTHON)
    said = mistake(work, "lock", code=3, UV_DEFAULT_INDEX="http://127.0.0.1:1/simple", UV_HTTP_RETRIES="0")
    assert said.startswith("uv cannot choose packages: ")
    assert "http://127.0.0.1:1/simple/low/" in said


def test_a_cache_that_cannot_be_written(work: Path) -> None:
    said = mistake(work, "build", code=5, LAMELLA_CACHE="/proc/nowhere")
    assert said.endswith("; $LAMELLA_CACHE sets where the cache is")


def test_an_image_that_is_not_there(work: Path, fake: Fake) -> None:
    assert mistake(work, "pull", f"{fake.name}/hello:v9", code=4) == f"there is no image {fake.name}/hello:v9"


def test_a_spec_that_is_not_toml(work: Path) -> None:
    (work / "lamella.toml").write_text('name = "hello"\nfiles = ["app"\n')
    assert mistake(work, "build", code=2).startswith("lamella.toml:2: not valid TOML: ")


def test_a_base_as_docker_writes_it(work: Path) -> None:
    for base in ("alpine", "alpine:3.22", "registry.example.com/team/base"):
        (work / "lamella.toml").write_text(f'name = "hello"\nbase = "{base}"\n')
        assert mistake(work, "build", code=2).endswith(f'; did you mean "docker://{base}"?')
    (work / "lamella.toml").write_text('name = "hello"\nbase = "docker-daemon:alpine"\n')
    assert "did you mean" not in mistake(work, "build", code=2)


def test_a_platform_that_does_not_exist(work: Path) -> None:
    said = mistake(work, "build", "--platform", "linux/x86_64", code=2)
    assert said == '--platform: "linux/x86_64" is not a platform such as "linux/amd64"; did you mean "linux/amd64"?'


def test_a_folder_that_is_not_there(work: Path) -> None:
    said = mistake(work, "build", "-o", "nowhere/image.json", code=5)
    assert said == f"cannot write {work}/nowhere/image.json: No such file or directory"
