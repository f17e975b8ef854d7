"""Passwords that uv and keyring keep are found; what they do not know, nobody does."""

import os
import subprocess
from pathlib import Path

import pytest

from lamella.sources.python.accounts import stored
from lamella.sources.python.uv import uv_command

ADDRESS = "https://127.0.0.1:9/simple/file.whl"
KEYRING = """#!/bin/sh
case "$*" in
    "get https://127.0.0.1:9 me") echo secret ;;
    "--mode creds get https://127.0.0.1:9") printf 'you\\nother\\n' ;;
    *) exit 1 ;;
esac
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    program = tmp_path / "keyring"
    program.write_text(KEYRING)
    program.chmod(0o755)
    told = {"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path), "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    return {**told, "UV_CREDENTIALS_DIR": str(tmp_path / "uv")}


def log_in(environment: dict[str, str], *words: str) -> None:
    command = [*uv_command(), "auth", "login", "https://127.0.0.1:9/simple", *words]
    subprocess.run(command, env=environment, check=True, capture_output=True)


def test_what_uv_keeps(environment: dict[str, str]) -> None:
    assert stored(ADDRESS, "me", environment) is None
    log_in(environment, "--username", "me", "--password", "s3cret")
    assert stored(ADDRESS, "me", environment) == ("me", "s3cret")
    assert stored(ADDRESS, "somebody", environment) is None
    log_in(environment, "--token", "t0ken")
    assert stored(ADDRESS, "", environment) == ("__token__", "t0ken")


def test_keyring_is_asked_where_the_user_says_so(environment: dict[str, str]) -> None:
    assert stored(ADDRESS, "me", environment) is None
    asked = {**environment, "UV_KEYRING_PROVIDER": "subprocess"}
    assert stored(ADDRESS, "me", asked) == ("me", "secret")
    assert stored(ADDRESS, "", asked) == ("you", "other")
    assert stored("https://127.0.0.2/simple", "", asked) is None
