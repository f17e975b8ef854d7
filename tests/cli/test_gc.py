"""`lamella gc`."""

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.cache.complete import dangling
from tests.cache.pushed import push

from lamella.cache.folder import Folder
from lamella.cache.policies import Policy, Rules
from lamella.cache.repositories import Repository
from lamella.cli.main import cli
from lamella.errors import LamellaError
from lamella.server.garbage import Garbage
from lamella.server.settings import parse_settings
from lamella.spec.problems import SpecError

SETTINGS = """\
bucket = "BUCKET"
[gc]
grace_hours = 1
untagged_days = 2
[[gc.policy]]
name = "releases"
repositories = "team/*"
keep_tags = ["v*"]
"""


@pytest.fixture
def bucket(tmp_path: Path) -> Folder:
    """Tags `v1` and `main`, and an image without one; all of long ago."""
    bucket = Folder(tmp_path / "bucket")
    repository = Repository(bucket, "team/app")
    for tags in ((), ("v1",), ("main",)):
        push(repository, "".join(tags), *tags)
    for item in bucket.list():
        os.utime(bucket.root / item.name, (1e9, 1e9))
    return bucket


def run(*args: str) -> str:
    result = CliRunner().invoke(cli, ["gc", *args], catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def test_all_tags_are_kept_without_settings(bucket: Folder) -> None:
    told = run("--bucket", str(bucket.root)).splitlines()
    assert [line.strip().split("  ")[0] for line in told[:-1]] == ["1 manifest", "2 links", "2 blobs"]
    assert told[-1].startswith("removed 5 items, ")
    assert set(Repository(bucket, "team/app").tags()) == {"v1", "main"}
    assert run("--bucket", str(bucket.root)) == "removed 0 items, 0 B\n"
    assert not dangling(bucket)


def test_policies_are_in_the_settings(bucket: Folder, tmp_path: Path) -> None:
    file = tmp_path / "server.toml"
    file.write_text(SETTINGS.replace("BUCKET", str(bucket.root)))
    before = list(bucket.list())
    told = run("--config", str(file), "--dry-run")
    assert 'not kept by policy "releases" (v*)' in told
    assert "would remove 11 items" in told
    assert list(bucket.list()) == before
    done = json.loads(run("--config", str(file), "--json"))
    assert done["items"] == len(done["removals"]) == 11
    assert done["bytes"] == sum(group["bytes"] for group in done["groups"])
    assert [group["kind"] for group in done["groups"]] == ["tag", "manifest", "link", "blob"]
    assert done["removals"][0] == {
        "name": "repositories/team/app/_tags/main",
        "kind": "tag",
        "bytes": 71,
        "reason": 'not kept by policy "releases" (v*)',
    }
    assert not done["dry_run"]
    assert list(Repository(bucket, "team/app").tags()) == ["v1"]
    assert not dangling(bucket)


def test_one_at_a_time(bucket: Folder) -> None:
    bucket.put("gc/doomed", b'{"owner": "another", "until": 1e12, "names": []}')
    with pytest.raises(LamellaError, match="another process"):
        CliRunner().invoke(cli, ["gc", "--bucket", str(bucket.root)], catch_exceptions=False)


def test_settings_become_rules() -> None:
    told = parse_settings(SETTINGS, "server.toml").gc
    policy = Policy("releases", "team/*", keep_tags=("v*",))
    assert told.rules() == Rules(grace=3600.0, untagged_days=2, policies=(policy,))
    assert Garbage().rules() == Rules()


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ('repositories = "*"', "server.toml:4: gc.policy[0]: keeps nothing; set keep_tags, keep_last or keep_days"),
        ('repositories = "nix/*"\nkeep_last = 1', "Nix caches have no tags; set keep_days"),
        ("keep_last = 1", 'the key "repositories" is missing'),
        ('repositories = "*"\nkeep_last = -1', "must be from 0 to 1000000, not -1"),
    ],
)
def test_policies_that_are_wrong(policy: str, message: str) -> None:
    with pytest.raises(SpecError) as raised:
        parse_settings(f"[gc]\nevery_hours = 1\n\n[[gc.policy]]\n{policy}\n", "server.toml")
    assert message in str(raised.value)
