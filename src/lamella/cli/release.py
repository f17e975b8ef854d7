"""What git and the CI environment know of a release: its branch, version and annotations.

    GitHub   GITHUB_REF_NAME and GITHUB_REF_TYPE, GITHUB_SHA, and the event file for facts about the repository
    GitLab   CI_COMMIT_BRANCH, CI_COMMIT_TAG, CI_COMMIT_SHA, CI_DEFAULT_BRANCH, CI_PROJECT_*
    git      the branch or the tag that is checked out, its commit, and where `origin` is

The annotations are those of OCI (`org.opencontainers.image.*`). `created` is the time of the commit, so that the same
commit gives the same bytes.
"""

import contextlib
import json
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

_PREFIX = "org.opencontainers.image."


@dataclass(frozen=True)
class Release:
    """`facts` are annotations without the prefix."""

    branch: str = ""
    default_branch: str = ""
    version: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def annotations(self) -> dict[str, str]:
        """The annotations that have a value."""
        told = {**self.facts, "version": self.version.removeprefix("v")}
        return {_PREFIX + name: value for name, value in sorted(told.items()) if value}


def release_of(environment: Mapping[str, str], folder: Path) -> Release:
    """The release that is being made from the checkout in `folder`."""
    git = _Git(folder)
    found = _of_git(git)
    if environment.get("GITHUB_ACTIONS"):
        found = _merged(found, _of_github(environment))
    elif environment.get("GITLAB_CI"):
        found = _merged(found, _of_gitlab(environment))
    return found


def _merged(git: Release, ci: Release) -> Release:
    """What the CI knows, completed by git. A CI checks out commits, for which git knows no branch."""
    facts = {**git.facts, **{name: value for name, value in ci.facts.items() if value}}
    return Release(ci.branch, ci.default_branch or git.default_branch, ci.version, facts)


@dataclass(frozen=True)
class _Git:
    folder: Path

    def __call__(self, *arguments: str) -> str:
        """Return what git prints; an empty string if it fails or is not installed."""
        with contextlib.suppress(OSError, subprocess.CalledProcessError, UnicodeDecodeError):
            command = ["git", "-C", str(self.folder), *arguments]
            return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        return ""


def _of_git(git: _Git) -> Release:
    source = _web_address(git("remote", "get-url", "origin"))
    time = git("log", "-1", "--no-show-signature", "--format=%ct")
    return Release(
        branch=git("symbolic-ref", "--quiet", "--short", "HEAD"),
        default_branch=git("symbolic-ref", "--quiet", "--short", "refs/remotes/origin/HEAD").removeprefix("origin/"),
        version=git("describe", "--exact-match", "--tags", "--match", "v[0-9]*"),
        facts={
            "created": datetime.fromtimestamp(int(time), UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if time else "",
            "revision": git("rev-parse", "HEAD"),
            "source": source,
            "title": source.rpartition("/")[2],
        },
    )


def _of_github(environment: Mapping[str, str]) -> Release:
    repository = _event(environment.get("GITHUB_EVENT_PATH", "")).get("repository") or {}
    name = environment.get("GITHUB_REF_NAME", "")
    is_tag = environment.get("GITHUB_REF_TYPE") == "tag"
    address = f"{environment.get('GITHUB_SERVER_URL', 'https://github.com')}/{environment.get('GITHUB_REPOSITORY', '')}"
    owner = environment.get("GITHUB_REPOSITORY_OWNER", "")
    default = _text(repository, "default_branch")
    head = environment.get("GITHUB_HEAD_REF", "")
    of_request = head if head != default else ""  # a pull request is never the default branch
    return Release(
        branch="" if is_tag else of_request or name,
        default_branch=default,
        version=name if is_tag else "",
        facts={
            "authors": owner,
            "description": _text(repository, "description"),
            "licenses": _text(repository.get("license") or {}, "spdx_id").replace("NOASSERTION", ""),
            "revision": environment.get("GITHUB_SHA", ""),
            "source": address,
            "title": _text(repository, "name") or address.rpartition("/")[2],
            "url": _text(repository, "homepage") or address,
            "vendor": owner,
        },
    )


def _of_gitlab(environment: Mapping[str, str]) -> Release:
    address = environment.get("CI_PROJECT_URL", "")
    return Release(
        branch=environment.get("CI_COMMIT_BRANCH", ""),
        default_branch=environment.get("CI_DEFAULT_BRANCH", ""),
        version=environment.get("CI_COMMIT_TAG", ""),
        facts={
            "authors": environment.get("CI_COMMIT_AUTHOR", ""),
            "description": environment.get("CI_PROJECT_DESCRIPTION", ""),
            "revision": environment.get("CI_COMMIT_SHA", ""),
            "source": address,
            "title": environment.get("CI_PROJECT_TITLE", ""),
            "url": address,
            "vendor": environment.get("CI_PROJECT_ROOT_NAMESPACE", ""),
        },
    )


def _event(path: str) -> dict[str, Any]:
    with contextlib.suppress(OSError, ValueError):
        told = json.loads(Path(path).read_bytes())
        return told if isinstance(told, dict) else {}
    return {}


def _text(told: Mapping[str, Any], name: str) -> str:
    value = told.get(name)
    return value if isinstance(value, str) else ""


def _web_address(remote: str) -> str:
    """Return the web address of the repository at `remote`, without what may be a password."""
    match = re.fullmatch(r"(?:[a-z+]+://)?(?:[^@/]*@)?([^:/@]+)(?::\d+(?=/))?[:/]+(.+?)(?:\.git)?/?", remote)
    return f"https://{match[1]}/{match[2]}" if match and "." in match[1] else ""
