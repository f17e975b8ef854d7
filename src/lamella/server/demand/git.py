"""Git repositories: which commit a tag means, and the files of a commit.

    roots/git-<repository>-<commit>/tree   its files; they appear as a whole or not at all
    roots/git-<repository>-<commit>/git    the commit, without its history
    roots/git-<repository>-history         all commits of branches and tags, without files

`lamella cache prune` removes each as a whole, when it was last used long enough ago.
A commit counts only if a branch or a tag contains it: hosts also serve the commits that strangers propose. No hook or
filter of the repository and no submodule is run, and only the protocol of the address is used.
"""

import fcntl
import hashlib
import os
import re
import tempfile
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from lamella.cache.roots import ROOTS
from lamella.server.demand.errors import DemandError, UnknownError
from lamella.server.demand.origin import COMMIT, scheme_of
from lamella.server.demand.programs import ProgramError, run
from lamella.sources.python.build import shown_repository
from lamella.staging import explained

_ALL = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
_SECONDS = 600
_ENVIRONMENT = ("LC_ALL=C", "GIT_TERMINAL_PROMPT=0", "SSH_ASKPASS=false", "SSH_ASKPASS_REQUIRE=force")
"""So that nothing waits for a password that nobody types."""
_PASSWORD = re.compile(r"//[^/@\s]+@")


class GitError(DemandError):
    """A git repository with packages or specs cannot be read; its host may be down."""

    code = "UNAVAILABLE"


def commit_of(url: str, name: str) -> str:
    """Return the current commit of a branch or tag of the repository; without a name, of its HEAD."""
    wanted = [f"refs/heads/{name}", f"refs/tags/{name}^{{}}", f"refs/tags/{name}"] if name else ["HEAD"]
    told = _asked(url, "ls-remote", "--quiet", "--", url, *wanted)
    found = {ref: commit for commit, ref in (line.split("\t") for line in told.splitlines())}
    commit = next((found[ref] for ref in wanted if ref in found), "")
    if not COMMIT.fullmatch(commit):
        raise UnknownError(f"{shown_repository(url)} has no branch or tag {name!r}")
    return commit


def checkout(url: str, commit: str, folder: Path) -> Path:
    """Return the folder with the files of a commit, which are downloaded below `folder` once."""
    home, name = folder / ROOTS, f"git-{hashlib.sha256(url.encode()).hexdigest()[:32]}"
    target = home / f"{name}-{commit}"
    with explained(home, "cannot write to"):
        home.mkdir(parents=True, exist_ok=True)
    if not target.exists():
        _check_held(url, commit, home / f"{name}-history")
        with tempfile.TemporaryDirectory(prefix=".", dir=home) as staging:
            made = Path(staging, commit)
            _fetch(url, commit, made)
            with explained(target, "cannot write"):
                _take_name(made, target)
    _note_use(target)
    return target / "tree"


def moment(tree: Path) -> str:
    """Return when the commit whose files are in `tree` was made."""
    told = _git(["--git-dir", str(tree.parent / "git"), "log", "-1", "--format=%ct"], tree.name)
    return datetime.fromtimestamp(int(told), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _note_use(path: Path) -> None:
    with explained(path, "cannot write beside"):
        path.with_suffix(".used").touch()


def _take_name(made: Path, target: Path) -> None:
    try:
        made.rename(target)
    except OSError:
        if not target.exists():  # otherwise another process was faster
            raise


def _fetch(url: str, commit: str, made: Path) -> None:
    (made / "tree").mkdir(parents=True)
    here = ["--git-dir", str(made / "git")]
    _git([*here, "init", "--quiet", "--bare", "--template="], url)
    _asked(url, *here, "fetch", "--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules", "--", url, commit)
    _git([*here, "--work-tree", str(made / "tree"), "checkout", "--quiet", "--force", "--detach", commit], url)


def _check_held(url: str, commit: str, history: Path) -> None:
    """Raise an error if no branch or tag contains the commit. If one points to it, no history is downloaded."""
    ends = _asked(url, "ls-remote", "--quiet", "--heads", "--tags", "--", url)
    if commit in {line.partition("\t")[0] for line in ends.splitlines()}:
        return
    here = ["--git-dir", str(history)]
    with history.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not history.exists():
            _git([*here, "init", "--quiet", "--bare", "--template="], url)
        _asked(url, *here, "fetch", "--quiet", "--prune", "--filter=tree:0", "--no-auto-maintenance", "--", url, *_ALL)
        _note_use(history)
        if not _holders(commit, here, url):
            raise UnknownError(f"no branch or tag of {shown_repository(url)} contains the commit {commit}")


def _holders(commit: str, here: list[str], url: str) -> str:
    with suppress(GitError):  # it does not even know the commit
        return _git([*here, "for-each-ref", "--count=1", f"--contains={commit}"], url)
    return ""


def _asked(url: str, *words: str) -> str:
    """Return git's output; git may connect to the repository."""
    scheme = scheme_of(url)
    return _git(["-c", "protocol.allow=never", "-c", f"protocol.{scheme}.allow=always", *words], url)


def _git(words: list[str], url: str) -> str:
    """Return git's output."""
    calm = ["-c", f"core.hooksPath={os.devnull}", "-c", "core.fsmonitor=false", "-c", "submodule.recurse=false"]
    try:
        return run(["env", *_ENVIRONMENT, "git", *calm, *words], _SECONDS)
    except ProgramError as error:
        said = [_PASSWORD.sub("//", line) for line in (str(error), *error.log)]
        raise GitError(f"git cannot read {shown_repository(url)}: {said[0]}", said[1:]) from None
