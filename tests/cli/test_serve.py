"""Mistakes are reported before anything is served."""

import json
import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from tests.real.programs import certificate
from tests.served import served

WITHOUT = """
import sys
class Gone:
    def find_spec(self, name, path=None, target=None):
        if name == "aiohttp":
            raise ModuleNotFoundError("No module named 'aiohttp'", name="aiohttp")
sys.meta_path.insert(0, Gone())
"""


def serve(folder: Path, *words: str, before: str = "") -> tuple[int, str]:
    command = [sys.executable, "-c", f"{before}\nfrom lamella.cli.main import main; main()", "serve", *words]
    env = {**os.environ, "LAMELLA_CACHE": str(folder / "cache"), "XDG_DATA_HOME": str(folder)}
    ran = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=60)
    return ran.returncode, ran.stderr.strip()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('lisen = "x"\n', 'lamella: server.toml:1: unknown key "lisen"; did you mean "listen"?'),
        (
            'listen = "8080"\n',
            'lamella: server.toml:1: listen: "8080" is not HOST:PORT, such as 127.0.0.1:8080 or [::]:443',
        ),
        ('[[source]]\nname = "a"\n', 'lamella: server.toml:1: the key "kind" is missing in source[0]'),
    ],
)
def test_settings_that_are_wrong(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "server.toml").write_text(text)
    assert serve(tmp_path, "--config", "server.toml") == (2, said)


def test_an_option_that_is_wrong(tmp_path: Path) -> None:
    code, said = serve(tmp_path, "--listen", "8080")
    assert (code, said) == (2, 'lamella: --listen: "8080" is not HOST:PORT, such as 127.0.0.1:8080 or [::]:443')


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        code, said = serve(tmp_path, "--listen", f"127.0.0.1:{other.getsockname()[1]}")
    assert code == 5
    assert "address already in use" in said
    assert "Traceback" not in said


def test_what_is_not_installed(tmp_path: Path) -> None:
    assert serve(tmp_path, before=WITHOUT) == (1, "lamella: aiohttp is missing; run pip install 'lamella[server]'")


TELLS = (
    "import json, sys; sys.stdin.readline(); print(json.dumps({'code': 'DENIED', 'message': ' '.join(sys.argv[1:])}))"
)


@pytest.mark.parametrize("words", [(), ("--insecure",), ("--insecure", "--ca", "CERTIFICATE")])
def test_who_builds_reaches_others_as_the_server_does(tmp_path: Path, words: tuple[str, ...]) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "lamella.toml").write_text('name = "app"\nfiles = ["lamella.toml"]\n')
    given = [str(certificate(tmp_path)[0]) if word == "CERTIFICATE" else word for word in words]
    config = f'[[source]]\nname = "images"\nkind = "specs"\nfrom = "{tmp_path}"\n'
    worker = (sys.executable, "-c", TELLS)
    with served(tmp_path / "server", *given, config=config, worker=worker) as server:
        with pytest.raises(urllib.error.HTTPError) as error:
            urllib.request.urlopen(f"{server.url}/v2/images/app/manifests/latest")
        assert json.load(error.value)["errors"][0]["message"] == " ".join(given)


def test_what_killed_servers_left_is_gone(tmp_path: Path) -> None:
    left = tmp_path / "server" / "bucket" / "staging" / "half"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half of a blob")
    with served(tmp_path / "server"):
        assert not left.exists()
