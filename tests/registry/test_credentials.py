"""Credentials for a registry: found where users keep them; and what challenges ask for."""

import base64
import json
import os
from pathlib import Path

import pytest

from lamella.registry.challenge import Challenge, challenges
from lamella.registry.credentials import Keychain
from lamella.registry.errors import CredentialError
from lamella.transport.credential import Credential


def auth(name: str, password: str) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{name}:{password}".encode()).decode()}


def test_credentials_are_found_where_people_have_them(tmp_path: Path) -> None:
    docker, podman = tmp_path / ".docker" / "config.json", tmp_path / "run" / "containers" / "auth.json"
    helper = tmp_path / "docker-credential-safe"
    helper.write_text(
        '#!/bin/sh\nread host\n[ "$host" = safe.io ] && echo \'{"Username":"<token>","Secret":"t"}\' && exit\n'
        "echo credentials not found; exit 1\n"
    )
    helper.chmod(0o755)
    for file, told in (
        (
            docker,
            {
                "auths": {"https://index.docker.io/v1/": auth("hub", "p"), "a.io": auth("docker", "a:b")},
                "credHelpers": {"safe.io": "safe"},
                "credsStore": "safe",
            },
        ),
        (podman, {"auths": {"a.io/team": auth("team", "p"), "b.io": {"identitytoken": "idt"}}}),
    ):
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(told))
    (tmp_path / ".netrc").write_text("machine n.io login net password rc\n")
    (tmp_path / ".netrc").chmod(0o600)
    environment = {
        "HOME": str(tmp_path),
        "XDG_RUNTIME_DIR": str(tmp_path / "run"),
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "GITHUB_ACTOR": "ci",
        "GITHUB_TOKEN": "ght",
    }
    find = Keychain(environment).find
    assert find("docker.io", "library/alpine") == Credential("hub", "p")
    assert find("a.io", "other/app") == Credential("docker", "a:b")
    assert find("a.io", "team/app") == Credential("team", "p")
    assert find("b.io", "x") == Credential(identity_token="idt")
    assert find("safe.io", "x") == Credential(identity_token="t")
    assert find("ghcr.io", "x") == Credential("ci", "ght")
    assert find("n.io", "x") == Credential("net", "rc")
    names = ("a.io", "b.io", "safe.io", "ghcr.io", "n.io")
    assert {name: found.source for name in names if (found := find(name, "x"))} == {
        "a.io": str(docker),
        "b.io": str(podman),
        "safe.io": "docker-credential-safe",
        "ghcr.io": "$GITHUB_TOKEN",
        "n.io": str(tmp_path / ".netrc"),
    }
    assert find("nobody.io", "x") is None
    assert Keychain(environment, Credential("said", "p")).find("a.io", "x") == Credential("said", "p")
    docker.write_text("{")
    with pytest.raises(CredentialError, match=r"config\.json"):
        find("nobody.io", "x")


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", []),
        ('Basic realm="x"', [Challenge("basic", {"realm": "x"})]),
        ("Negotiate, Basic realm=x", [Challenge("negotiate", {}), Challenge("basic", {"realm": "x"})]),
        (
            'Bearer realm="https://a/t",service="s",scope="repository:a:pull,push", Basic realm="q\\"r"',
            [
                Challenge("bearer", {"realm": "https://a/t", "service": "s", "scope": "repository:a:pull,push"}),
                Challenge("basic", {"realm": 'q"r'}),
            ],
        ),
        ("=,=", []),
    ],
)
def test_challenges_are_read(header: str, expected: list[Challenge]) -> None:
    assert challenges(header) == expected
