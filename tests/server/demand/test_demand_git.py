"""Commits of repositories: which one a tag means, which ones are allowed, and that nothing in them is run."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.server.demand.repositories import Repository

from lamella.cache.folder import Folder
from lamella.cache.roots import ROOTS, prune
from lamella.server.demand.errors import DemandError, UnknownError
from lamella.server.demand.git import checkout, commit_of, moment


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repository")


def test_a_tag_is_a_branch_or_a_tag_and_without_one_it_is_the_head(repository: Repository) -> None:
    first = repository.commit({"file": "1"})
    repository.git("tag", "v1")
    repository.git("tag", "--annotate", "--message=v1", "v1-told")
    second = repository.commit({"file": "2"})
    repository.git("branch", "v1-told")
    assert commit_of(repository.url, "v1") == first
    assert commit_of(repository.url, "v1-told") == second
    repository.git("branch", "--delete", "v1-told")
    assert commit_of(repository.url, "v1-told") == first
    assert commit_of(repository.url, "main") == commit_of(repository.url, "") == second


@pytest.mark.parametrize("name", ["nowhere", "ain", "--upload-pack=touch evil", "m*"])
def test_what_is_no_branch(repository: Repository, name: str) -> None:
    repository.commit({"file": "1"})
    repository.git("branch", "some/main")
    with pytest.raises(UnknownError, match="has no branch or tag"):
        commit_of(repository.url, name)


def test_a_branch_is_not_taken_for_the_end_of_another_name(repository: Repository) -> None:
    repository.commit({"file": "1"})
    repository.git("branch", "some/name")
    with pytest.raises(UnknownError):
        commit_of(repository.url, "name")


def test_the_files_of_a_commit(repository: Repository, tmp_path: Path) -> None:
    first = repository.commit({"folder/file": "1"})
    second = repository.commit({"folder/file": "2"})
    trees = [checkout(repository.url, commit, tmp_path / "cache") for commit in (second, first, first)]
    assert [(tree / "folder" / "file").read_text() for tree in trees] == ["2", "1", "1"]
    assert [path.name for path in trees[0].iterdir()] == ["folder"]
    assert moment(trees[0]) == "2026-01-02T03:04:05Z"


def test_what_is_there_is_not_asked_for(repository: Repository, tmp_path: Path) -> None:
    commit = repository.commit({"file": "1"})
    tree = checkout(repository.url, commit, tmp_path / "cache")
    repository.folder.rename(tmp_path / "elsewhere")
    assert checkout(repository.url, commit, tmp_path / "cache") == tree


def test_a_pruned_cache_never_gives_half_a_commit(repository: Repository, tmp_path: Path) -> None:
    first = repository.commit({"folder/file": "1"})
    repository.commit({"folder/file": "2"})
    cache = Folder(tmp_path / "cache")
    checkout(repository.url, first, cache.root)
    for days in (1, -1):
        for item in cache.list():
            cache.delete(item.name)
        prune(cache.root, days * 86400)
        assert (checkout(repository.url, first, cache.root) / "folder" / "file").read_text() == "1"
    repository.folder.rename(tmp_path / "elsewhere")
    prune(cache.root, -1)
    with pytest.raises(DemandError):
        checkout(repository.url, first, cache.root)


def test_who_prunes_and_is_killed_leaves_no_half_commit(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = repository.commit({"folder/file": "1"})
    cache = tmp_path / "cache"
    checkout(repository.url, commit, cache)

    def killed(folder: Path, **_: object) -> None:
        for file in folder.rglob("file"):
            file.unlink()
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("shutil.rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            prune(cache, -1)
    assert (checkout(repository.url, commit, cache) / "folder" / "file").read_text() == "1"
    prune(cache, -1)
    assert not list((cache / ROOTS).glob(f"*{commit}*"))


def test_commits_that_no_branch_holds_are_refused_though_the_repository_gives_them(
    repository: Repository, tmp_path: Path
) -> None:
    first = repository.commit({"file": "1"})
    stranger = repository.commit({"file": "evil"})
    repository.git("update-ref", "refs/pull/1/head", stranger)
    repository.git("reset", "--quiet", "--hard", first)
    repository.commit({"file": "2"})
    for commit in (stranger, "0" * 40):
        with pytest.raises(UnknownError, match="no branch or tag of repository contains the commit"):
            checkout(repository.url, commit, tmp_path / "cache")
    assert (checkout(repository.url, first, tmp_path / "cache") / "file").read_text() == "1"


def test_nothing_of_a_repository_is_run(repository: Repository, tmp_path: Path) -> None:
    inner = Repository(tmp_path / "inner")
    inner.commit({"file": "inner"})
    repository.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", inner.url, "inner")
    hook = f"#!/bin/sh\ntouch {tmp_path}/evil\n"
    commit = repository.commit({"post-checkout": hook, ".git-template/hooks/post-checkout": hook})
    tree = checkout(repository.url, commit, tmp_path / "cache")
    assert not (tmp_path / "evil").exists()
    assert list((tree / "inner").iterdir()) == []


def test_other_protocols_are_not_spoken(tmp_path: Path) -> None:
    with pytest.raises(DemandError, match="git cannot read"):
        commit_of(f"ext::touch {tmp_path}/evil", "")
    assert not (tmp_path / "evil").exists()


def test_what_is_no_repository(tmp_path: Path) -> None:
    with pytest.raises(DemandError, match="git cannot read nothing") as caught:
        commit_of((tmp_path / "nothing").as_uri(), "")
    assert caught.value.log


def test_a_host_that_is_down_may_be_back_later() -> None:
    with pytest.raises(DemandError, match="Failed to connect") as caught:
        commit_of("http://127.0.0.1:1/team/repository.git", "")
    assert caught.value.code == "UNAVAILABLE"


def test_passwords_in_addresses_are_not_told() -> None:
    with pytest.raises(DemandError) as caught:
        commit_of("http://somebody:secret@127.0.0.1:1/team/repository.git", "")
    assert "secret" not in f"{caught.value} {caught.value.log}"


def test_many_may_want_a_commit_at_once_whatever_is_usual_for_new_files(repository: Repository, tmp_path: Path) -> None:
    old = repository.commit({"file": "1"})
    repository.commit({"file": "2"})
    before = os.umask(0o077)
    try:
        with ThreadPoolExecutor(4) as pool:
            trees = list(pool.map(lambda _: checkout(repository.url, old, tmp_path / "cache"), range(4)))
    finally:
        os.umask(before)
    assert len(set(trees)) == 1
    assert (trees[0] / "file").stat().st_mode & 0o777 == 0o644
    made = {path.name.rpartition("-")[2] for path in trees[0].parents[1].iterdir()}
    assert made == {old, f"{old}.used", "history", "history.lock", "history.used"}
