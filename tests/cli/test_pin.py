"""`lamella pin`."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.cache.pushed import push

from lamella.cache.folder import Folder
from lamella.cache.repositories import Repository
from lamella.cli.main import cli
from lamella.errors import LamellaError

HASH = "0123456789abcdfghijklmnpqrsvwxyz"


@pytest.fixture
def bucket(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "bucket")


def run(bucket: Folder, *words: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli, ["pin", "--bucket", str(bucket.root), *words])
    if isinstance(result.exception, LamellaError):
        return result.exception.exit_code, str(result.exception)
    return result.exit_code, result.output


def test_pins_come_and_go(bucket: Folder) -> None:
    manifest = push(Repository(bucket, "team/app"), "one", "v1")
    bucket.put(f"narinfo/main/{HASH}", b"")
    assert run(bucket) == (0, "")
    assert run(bucket, "team/app:v1", f"nix/main@{HASH}") == (0, "")
    pins = [f"nix/main@{HASH}", f"team/app@{manifest.digest}"]
    assert run(bucket)[1].splitlines() == pins
    assert json.loads(run(bucket, "--json")[1]) == pins
    assert run(bucket, "--remove", f"team/app@{manifest.digest}") == (0, "")
    assert run(bucket)[1].splitlines() == pins[:1]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("team/app:v2", "team/app:v2 is not in the bucket"),
        ("team/app@sha256:" + "0" * 64, f"team/app@sha256:{'0' * 64} is not in "),
        (f"nix/main@{HASH}", f"nix/main@{HASH} is not in "),
        ("../../etc/passwd@" + HASH, "is not an image's name"),
        ("team/app@../../x", "is not a digest"),
        ("Team", "did you mean 'team'?"),
    ],
)
def test_what_cannot_be_pinned(bucket: Folder, name: str, said: str) -> None:
    code, output = run(bucket, name)
    assert code
    assert said in output
    assert not list(bucket.list("pins/"))
