"""What CI environments know about a release."""

import json
from pathlib import Path

import pytest

from lamella.cli.release import release_of

PREFIX = "org.opencontainers.image."
REPOSITORY = {
    "name": "hello",
    "default_branch": "main",
    "description": "Says hello.",
    "license": {"spdx_id": "MIT"},
    "homepage": None,
}
GITHUB = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_REF_NAME": "main",
    "GITHUB_REF_TYPE": "branch",
    "GITHUB_SHA": "abc",
    "GITHUB_SERVER_URL": "https://github.example",
    "GITHUB_REPOSITORY": "team/hello",
    "GITHUB_REPOSITORY_OWNER": "team",
}


def test_github(tmp_path: Path) -> None:
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"repository": REPOSITORY}))
    found = release_of({**GITHUB, "GITHUB_EVENT_PATH": str(event)}, tmp_path)
    assert (found.branch, found.default_branch, found.version) == ("main", "main", "")
    assert found.annotations == {
        PREFIX + name: value
        for name, value in {
            "authors": "team",
            "description": "Says hello.",
            "licenses": "MIT",
            "revision": "abc",
            "source": "https://github.example/team/hello",
            "title": "hello",
            "url": "https://github.example/team/hello",
            "vendor": "team",
        }.items()
    }
    asked = {**GITHUB, "GITHUB_EVENT_PATH": str(event), "GITHUB_REF_NAME": "12/merge"}
    assert release_of({**asked, "GITHUB_HEAD_REF": "topic"}, tmp_path).branch == "topic"
    assert release_of({**asked, "GITHUB_HEAD_REF": "main"}, tmp_path).branch == "12/merge"
    tagged = release_of({**GITHUB, "GITHUB_REF_TYPE": "tag", "GITHUB_REF_NAME": "v1.2.3"}, tmp_path)
    assert (tagged.branch, tagged.version) == ("", "v1.2.3")
    assert tagged.annotations[f"{PREFIX}version"] == "1.2.3"
    event.write_text("[1]")
    assert release_of({**GITHUB, "GITHUB_EVENT_PATH": str(event)}, tmp_path).default_branch == ""


def test_gitlab(tmp_path: Path) -> None:
    told = {"CI_COMMIT_BRANCH": "x", "CI_DEFAULT_BRANCH": "main", "CI_PROJECT_URL": "https://g.example/a/b"}
    found = release_of({"GITLAB_CI": "true", **told}, tmp_path)
    assert (found.branch, found.default_branch) == ("x", "main")
    assert found.annotations[f"{PREFIX}url"] == "https://g.example/a/b"


@pytest.mark.parametrize("folder", ["nowhere", "."])
def test_without_git_nothing_is_known(tmp_path: Path, folder: str) -> None:
    assert release_of({}, tmp_path / folder).annotations == {}
