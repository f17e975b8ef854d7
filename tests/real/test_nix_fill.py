"""Caches that lamella fills: Nix believes them, and takes packages from there; what is there is not sent again."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.command import LAMELLA
from tests.index import Index, serving
from tests.objects import AWS, objects
from tests.real.nix import DATA, NixPackages
from tests.real.programs import absent, run

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """A bucket of a server on this machine; gives how to reach it."""
    with objects("nix") as how:
        yield how


def lamella(folder: Path, *args: str, code: int = 0) -> str:
    command = [*LAMELLA, *args]
    env = {**os.environ, "LAMELLA_CACHE": str(folder / "kept"), "NIX_CONF_DIR": str(DATA), **AWS}
    ran = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert ran.returncode == code, ran.stderr
    return ran.stdout if code == 0 else ran.stderr


def closure_of(*paths: str) -> set[str]:
    return set(run("nix-store", "--query", "--requisites", *paths).split())


def nix_believes(cache: str, folder: Path, *paths: str) -> None:
    """Nix takes the paths into a store of its own, and checks hashes and signatures on the way."""
    key = (folder / "public").read_text().strip()
    to = folder / f"store-{len(list(folder.glob('store-*')))}"
    options = ["--option", "trusted-public-keys", key, "--option", "require-sigs", "true"]
    run(
        "nix",
        "copy",
        "--from",
        cache,
        "--to",
        f"local?root={to}",
        *options,
        *paths,
        NIX_CONF_DIR=str(DATA),
        HOME=str(to),
    )
    for path in closure_of(*paths):
        assert run("nix-hash", "--type", "sha256", f"{to}{path}") == run("nix-hash", "--type", "sha256", path)
    run("chmod", "-R", "u+w", to)


@pytest.mark.parametrize("compression", ["zstd", "none"])
def test_nix_takes_what_was_pushed_to_a_folder(packages: NixPackages, work: Path, compression: str) -> None:
    to = (work / "cache").as_uri()
    words = ["cache", "push", packages.hello, packages.python3, "--to", to, "--compression", compression]
    told = json.loads(lamella(work, *words, "--key", "secret", "--json"))
    assert set(told["sent"]) == closure_of(packages.hello, packages.python3)
    assert "0 paths sent (0 B), " in lamella(work, *words, "--key", "secret")
    told = json.loads(lamella(work, "cache", "push", packages.bash, "--to", to, "--json", "--key", "secret"))
    assert set(told["sent"]) == closure_of(packages.bash) - closure_of(packages.hello, packages.python3)
    nix_believes(to, work, packages.hello, packages.python3, packages.bash)


def test_over_http_what_is_there_costs_few_requests(packages: NixPackages, work: Path) -> None:
    with serving(Index(work / "cache", login="me:secret")) as index:
        plain = f"http://127.0.0.1:{index.port}/plain"
        to = plain.replace("//", "//me:secret@")
        words = ["cache", "push", packages.python3, "--to", to, "--key", "secret"]
        assert "requires a login" in lamella(work, "cache", "push", packages.python3, "--to", plain, code=6)
        assert "secret" not in lamella(work, *words, "--json")
        index.asked.clear()
        lamella(work, *words)
        assert len(index.asked) == 1
        index.login = ""
        nix_believes(plain, work, packages.python3)


def test_what_was_left_half_done_is_taken_up(packages: NixPackages, work: Path) -> None:
    """A cache that is full at any moment tells of no path of which something is missing."""
    with serving(Index(work / "cache")) as index:
        words = ["cache", "push", packages.python3, "--to", f"http://127.0.0.1:{index.port}/plain", "--key", "secret"]
        for puts in (0, 1, 3, 5):
            index.puts = puts
            assert "507" in lamella(work, *words, code=6)
            told = {file.stem: file.read_text() for file in (work / "cache").glob("*.narinfo")}
            for text in told.values():
                lines = dict(line.split(": ", 1) for line in text.splitlines())
                assert (work / "cache" / lines["URL"]).exists()
                own = lines["StorePath"].rpartition("/")[2]
                assert {name[:32] for name in lines["References"].split() if name != own} <= set(told)
        index.puts = -1
        lamella(work, *words)
        nix_believes(f"http://127.0.0.1:{index.port}/plain", work, packages.python3)


def test_a_bucket(packages: NixPackages, work: Path, bucket: str) -> None:
    to = f"s3://nix/some/where{bucket}"
    words = ["cache", "push", packages.hello, "--to", to, "--key", "secret"]
    assert "sent" in lamella(work, *words)
    assert "0 paths sent" in lamella(work, *words)
    key = (work / "public").read_text()
    told = lamella(
        work, "cache", "pull", packages.hello, "--from", to, "--trusted-key", key, "--into", str(work / "in")
    )
    assert "unpacked" in told
    assert run("nix-hash", work / f"in{packages.hello}") == run("nix-hash", packages.hello)
    spec = f'name = "x"\nnix = ["{packages.hello}"]\n[store]\ncaches = ["{to}"]\nkeys = ["{key}"]\n'
    (work / "lamella.toml").write_text(spec)
    assert "app " in lamella(work, "plan")
    said = lamella(work, "cache", "push", packages.hello, "--to", f"s3://none{bucket}", code=6)
    assert said.count("\n") == 1


def in_own_store(folder: Path, *paths: str) -> list[str]:
    """How to run a command with a `/nix` that has only these paths, and in which no other test builds."""
    run("nix", "copy", "--no-check-sigs", "--to", f"local?root={folder}", *paths, NIX_CONF_DIR=str(DATA))
    if subprocess.run(["unshare", "--mount", "true"], check=False).returncode:
        absent("needs a kernel that lets this user mount folders")
    return ["unshare", "--mount", "sh", "-c", f'mount --bind {folder}/nix /nix && exec "$@"', "sh"]


def test_what_a_command_builds_is_pushed_and_what_stays_out_does_not_come(packages: NixPackages, work: Path) -> None:
    expression = (
        'derivation { name = "built"; system = builtins.currentSystem; builder = "/bin/sh"; PATH = "/bin";'
        f' args = [ "-c" "echo ${{builtins.storePath {packages.hello}}} > $out" ]; }}'
    )
    to = (work / "cache").as_uri()
    words = ["cache", "watch", "--to", to, "--key", "secret", "--exclude", "glibc*", "--json", "--"]
    script = f"nix build --no-link --impure --expr '{expression}' && exit 7"
    ran = subprocess.run(
        [*in_own_store(work / "own", packages.hello), *LAMELLA, *words, "sh", "-c", script],
        cwd=work,
        env={**os.environ, "LAMELLA_CACHE": str(work / "kept"), "NIX_CONF_DIR": str(DATA)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 7, ran.stderr
    told = json.loads(ran.stdout)
    assert {path[44:] for path in told["sent"]} == {"built", "hello-2.10"}
    assert told["left_out"] == 1
    assert "cannot run no-such-command" in lamella(work, "cache", "watch", "--to", to, "--", "no-such-command", code=1)
