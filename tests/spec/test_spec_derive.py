"""What the engine is told of a spec."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from lamella import Config, Image, Layer, Perm, Rewrite, files
from lamella.oci.wire import RuntimeConfig, encode
from lamella.package import NO_RULES, Permission, Rules
from lamella.package import Rewrite as EngineRewrite
from lamella.spec.derive import left_out, moment, place, rules, runtime_config
from lamella.spec.model import Spec
from lamella.spec.problems import SpecError


def test_a_config_becomes_that_of_oci() -> None:
    config = Config(
        entrypoint=["/bin/hello"],
        env={"B": "1", "A": "x=y"},
        user="1000:100",
        workdir="/srv",
        ports=["8080", "53/udp", "443"],
        volumes=["/b", "/a"],
        labels={"z": "1", "y": "2"},
        stop_signal="SIGINT",
    )
    assert encode(runtime_config(config)) == (
        b'{"User":"1000:100","ExposedPorts":{"443/tcp":{},"53/udp":{},"8080/tcp":{}},"Env":["B=1","A=x=y"],'
        b'"Entrypoint":["/bin/hello"],"Volumes":{"/a":{},"/b":{}},"WorkingDir":"/srv","Labels":{"y":"2","z":"1"},'
        b'"StopSignal":"SIGINT"}'
    )


def test_nothing_said_is_nothing_told_but_an_empty_command_is() -> None:
    assert runtime_config(Config()) == RuntimeConfig()
    assert runtime_config(Config(entrypoint=[], cmd=[])) == RuntimeConfig(entrypoint=[], cmd=[])
    assert runtime_config(Config(env=[])) == RuntimeConfig()  # type: ignore[arg-type] # as OCI writes it


@pytest.mark.parametrize(
    ("path", "to", "expected"),
    [
        ("app", "/", "/app"),
        ("src/app", "/", "/app"),
        ("src/app", "/opt/", "/opt/app"),
        ("src/app", "/opt", "/opt"),
        ("src/app/", "/opt/", "/opt"),
        ("src/app/", "/opt", "/opt"),
        ("rootfs/", "/", "/"),
        (".", "/", "/"),
        (".", "/app", "/app"),
        ("./", "//srv//./app/", "/srv/app"),
        ("hello.conf", "/etc/hello/", "/etc/hello/hello.conf"),
        ("..", "/app", "/app"),
        ("/abs/file", "/", "/file"),
    ],
)
def test_where_files_go(path: str, to: str, expected: str) -> None:
    assert place(files(path, to)) == expected


@pytest.mark.parametrize(
    ("pattern", "out", "kept"),
    [
        ("*.pyc", ["a.pyc", "b/c/d.pyc", "é.pyc", "line\nbreak.pyc"], ["a.py", "a.pyc/b", "xpyc"]),
        ("tests", ["tests", "a/tests"], ["tests2", "atests", "tests/a"]),
        ("tests/", ["tests", "a/tests"], ["mytests"]),
        ("/tests", ["tests"], ["a/tests"]),
        ("a/*", ["a/b", "a/.c"], ["a", "a/b/c", "x/a/b"]),
        ("a/**", ["a/b", "a/b/c"], ["a", "b"]),
        ("a/**/z", ["a/z", "a/b/z", "a/b/c/z"], ["a/bz", "z"]),
        ("**/z", ["z", "a/z"], ["az"]),
        ("?.txt", ["a.txt", "é.txt", "\U0001f600.txt", "x/b.txt"], ["ab.txt", ".txt"]),
        ("*.py[co]", ["a.pyc", "a.pyo"], ["a.pyx", "a.py"]),
        ("[!a-c]", ["d", "x/-"], ["a", "b", "c"]),
        ("[^]", ["^"], ["a", "[^]"]),
        ("[!x]z", ["az", "éz"], ["xz", "z", "a/z/y"]),
        ("[\\^]", ["^", "\\"], ["a"]),
        ("a.b+(c)", ["a.b+(c)"], ["axb+(c)", "a.bb(c)"]),
        ("a[", ["a["], ["a"]),
    ],
)
@pytest.mark.parametrize("to", ["/", "/srv/a.b"])
def test_patterns_leave_out(pattern: str, out: list[str], kept: list[str], to: str) -> None:
    matches = re.compile(os.fsencode(left_out(files("./", to, ["*.never", pattern])))).search
    root = to.rstrip("/")
    assert [name for name in (*out, *kept) if matches(os.fsencode(f"{root}/{name}"))] == out
    assert not root or not matches(os.fsencode(f"/elsewhere{root}/{out[0]}"))


def test_without_patterns_nothing_is_left_out() -> None:
    assert left_out(files("app")) == ""


def test_the_rules_of_a_layer() -> None:
    layer = Layer(
        "a",
        [files("a")],
        perms=[
            Perm(match="x", mode=0o600, uid=1, gid=2, uname="u", gname="g"),
            Perm(match="y", uid=3),
            Perm(match="z", mode=0o600),
        ],
        rewrites=[Rewrite(match="^/a", to="/b")],
        ignore="tmp",
    )
    assert rules(layer) == Rules(
        rewrites=(EngineRewrite("^/a", "/b"),),
        permissions=(
            Permission("x", mode=0o600, uid=1, gid=2, uname="u", gname="g"),
            Permission("y", uid=3, gid=None),
            Permission("z", mode=0o600, uid=None, gid=None),
        ),
        ignore="tmp",
    )
    assert rules(Layer("a", [files("a")])) == NO_RULES


@pytest.mark.parametrize(
    ("created", "expected"),
    [
        ("epoch", "1970-01-01T00:00:00Z"),
        ("2026-01-31", "2026-01-31T00:00:00Z"),
        ("2026-01-31 12:00:00.5-01:30", "2026-01-31T13:30:00.500000Z"),
    ],
)
def test_the_time_of_making(created: str, expected: str, tmp_path: Path) -> None:
    assert moment(Spec(Image("a", [files("a")], created=created), tmp_path)) == expected


def test_the_time_of_the_last_commit(tmp_path: Path) -> None:
    spec = Spec(Image("a", [files("a")], created="git"), tmp_path, tmp_path / "lamella.toml")
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    with pytest.raises(
        SpecError, match=r'lamella\.toml: created: "git" needs a commit \(.*\); commit first, or give a'
    ):
        moment(spec)
    subprocess.run([*git, "init", "-q"], check=True)
    with pytest.raises(SpecError, match="needs a commit"):
        moment(spec)
    zone = {**os.environ, "GIT_COMMITTER_DATE": "2026-01-31T12:00:00+02:00"}
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "a"], check=True, env=zone)
    assert moment(spec) == "2026-01-31T10:00:00Z"


def test_git_may_be_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SpecError, match="git is missing"):
        moment(Spec(Image("a", [files("a")], created="git"), tmp_path))
