"""`lamella doctor`: what it finds, what is a fault, and that it neither waits forever nor shows secrets."""

import contextlib
import json
import socket
import time
from pathlib import Path
from typing import Any

import pytest
from tests.command import run
from tests.registry.fake import Fake

from lamella.cli.doctor import examined
from lamella.cli.examine import OK, Finding

SECRET = "a-very-secret-word"


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    (folder / "app").mkdir(parents=True)
    (folder / "lamella.toml").write_text('name = "hello"\nfiles = ["app"]\n')
    return folder


def doctor(work: Path, *what: str, code: int = 0, **more: str) -> dict[str, tuple[str, str]]:
    """Return the findings, by what they are about."""
    ran = run(work, "doctor", "--json", *what, **{"HOME": str(work.parent), **more})
    assert ran.returncode == code, ran.stdout + ran.stderr
    assert SECRET not in ran.stdout + ran.stderr
    found: list[dict[str, Any]] = json.loads(ran.stdout)
    return {one["about"]: (one["state"], one["said"]) for one in found}


def test_all_is_looked_at_and_what_nobody_asked_for_is_a_note(work: Path) -> None:
    found = doctor(work, DOCKER_HOST="unix:///nowhere.sock", CONTAINERD_ADDRESS="/nowhere.sock")
    assert list(found)[:5] == ["lamella", "clock", "cache", "temporary", "credentials"]
    assert {found[name][0] for name in ("lamella", "clock", "spec", "lock")} == {OK}
    assert found["docker"][0] == found["containerd"][0] == "note"
    assert "is it running?" in found["docker"][1]
    assert not (work.parent / "cache").exists()


def test_what_is_asked_for_must_be_there(work: Path) -> None:
    found = doctor(work, "docker", "cache", code=1, DOCKER_HOST="unix:///nowhere.sock")
    assert [state for state, _ in found.values()] == ["fault", OK]
    assert doctor(work, "podman", code=1, PATH="/nowhere")["podman"][1] == (
        "podman is not installed; install it if you need it"
    )


def test_a_cache_or_a_spec_that_is_wrong_is_always_a_fault(work: Path) -> None:
    (work / "lamella.toml").write_text('name = "hello"\nfils = ["app"]\n')
    found = doctor(work, code=1, LAMELLA_CACHE="/proc/nowhere")
    assert found["cache"][0] == found["spec"][0] == found["lock"][0] == "fault"
    assert "$LAMELLA_CACHE" in found["cache"][1]
    assert 'did you mean "files"?' in found["spec"][1]
    (work / "lamella.toml").write_text('name = "hello"\npypi = ["low"]\n\n[python]\nversion = "3.12"\n')
    assert doctor(work, ".", code=1)["lock"][1].endswith("run lamella lock")


def test_registries_are_asked_as_whoever_is_logged_in(work: Path, fake: Fake) -> None:
    fake.user, fake.password = "me", SECRET
    image = f"{fake.name}/hello:latest"
    assert "docker login" in doctor(work, image, code=1)[image][1]
    found = doctor(work, image, "--creds", f"me:{SECRET}")
    assert found[image] == (OK, "does not exist yet; asked with given credentials")
    config = work.parent / ".docker"
    config.mkdir()
    (config / "config.json").write_text(json.dumps({"auths": {fake.name: {"username": "me", "password": SECRET}}}))
    assert doctor(work, image)[image] == (OK, "does not exist yet; asked as me")
    (work / "lamella.toml").write_text(f'name = "{fake.name}/hello"\nfiles = ["app"]\n')
    found = doctor(work, "credentials", ".")
    assert fake.name in found["credentials"][1]
    assert found[image][0] == OK
    (config / "config.json").write_text('{"credsStore": "nobody-has-this"}')
    assert "docker-credential-nobody-has-this" in doctor(work, "credentials", code=1)["credentials"][1]


def test_a_bucket_is_written_and_read(work: Path, s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.objects import AWS

    for name, value in AWS.items():
        monkeypatch.setenv(name, value)
    assert doctor(work, f"s3://ours/doctor{s3}")["bucket"] == (OK, "s3://ours/doctor can be read and written")


def test_a_look_that_goes_wrong_says_so_and_nothing_of_what_it_saw() -> None:
    def wrong() -> Finding:
        raise ValueError(SECRET)

    assert examined([("odd", wrong)]) == [Finding("odd", "fault", "the check failed: ValueError")]


def test_a_daemon_that_says_nothing_is_not_waited_for(work: Path) -> None:
    def never() -> Finding:
        time.sleep(30)
        return Finding("other", OK, "")

    started = time.monotonic()
    found = examined([("slow", never), ("quick", lambda: Finding("quick", OK, "here"))], 0.2)
    assert [(one.about, one.state) for one in found] == [("slow", "note"), ("quick", OK)]
    assert time.monotonic() - started < 20
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as silent:
        port = silent.getsockname()[1]
        found_there = doctor(work, "docker", code=1, DOCKER_HOST=f"tcp://127.0.0.1:{port}")
    assert found_there["docker"] == ("fault", "no answer within 4 seconds")
