"""Whatever fails, no password is in an answer, in a log, or in what the server writes."""

import base64
import hashlib
import json
import urllib.error
import urllib.request
from pathlib import Path

from tests.index import Index, serving
from tests.made import sample
from tests.sdists import make_sdist
from tests.served import Served, served

from lamella.destinations.layout import Layout
from lamella.destinations.publish import publish
from lamella.oci.image import parcel_of

SECRET = "s3cret"
HERE = f"me:{SECRET}@127.0.0.1:1"
"""Nobody listens there."""
SETTINGS = f"""
writable = true

[access]
anonymous = ["pull", "build"]
audit = "FOLDER/audit"

[[access.token]]
name = "ci"
sha256 = "{hashlib.sha256(SECRET.encode()).hexdigest()}"
rights = ["push"]

[[nix]]
name = "main"

[[nix.upstream]]
url = "http://{HERE}/cache"
keys = ["tests-1:{"A" * 43}="]

[[source]]
name = "deb"
kind = "deb"
debian = {{ archives = ["http://{HERE}/debian bookworm main"] }}

[[source]]
name = "specs"
kind = "specs"
from = "http://{HERE}/specs.git"
"""


def asked(server: Served, path: str, method: str = "GET", login: str = "") -> bytes:
    headers = {"Authorization": login} if login else {}
    wanted = urllib.request.Request(server.url + path, headers=headers, method=method)
    try:
        with urllib.request.urlopen(wanted) as answer:
            return f"{answer.headers}".encode() + bytes(answer.read())
    except urllib.error.HTTPError as error:
        return f"{error.headers}".encode() + error.read()


def test_no_password_is_told(tmp_path: Path) -> None:
    basic = base64.b64encode(f"me:{SECRET}".encode()).decode()
    wrong = base64.b64encode(f"me:no-{SECRET}".encode()).decode()
    with served(tmp_path, config=SETTINGS.replace("FOLDER", str(tmp_path))) as server:
        said = [
            asked(server, f"/nix/main/{'a' * 32}.narinfo"),
            asked(server, "/v2/deb/bash/manifests/latest"),
            asked(server, "/v2/specs/app/manifests/latest"),
            asked(server, "/v2/team/app/blobs/uploads/", "POST", f"Basic {basic}"),
            asked(server, "/v2/team/app/blobs/uploads/", "POST", f"Basic {wrong}"),
            asked(server, "/v2/team/app/manifests/none", "DELETE", f"Bearer {SECRET}"),
            asked(server, f"/v2/?token={SECRET}", "GET", f"Bearer no-{SECRET}"),
        ]
        assert server.stop() == 0
        said.append(server.log.encode())
    assert b"/v2/team/app/blobs/uploads/" in said[-1]
    assert b"127.0.0.1:1" in said[0] + said[1] + said[2]
    said += [file.read_bytes() for file in tmp_path.rglob("*") if file.is_file() and file.name != "server.toml"]
    for text in said:
        for secret in (SECRET, basic, wrong):
            assert secret.encode() not in text


def test_what_builds_run_is_told_no_secrets(tmp_path: Path) -> None:
    """A package's code sees what uv needs, and nothing that is meant for the server."""
    ran, files = tmp_path / "ran", tmp_path / "index"
    files.mkdir()
    make_sdist(files, "onlysource", "1.0", ran)
    publish(parcel_of(sample()), Layout(tmp_path / "base"), "v1")
    settings = f"""
access = {{ anonymous = ["*"] }}
[[source]]
name = "py"
kind = "pypi"
base = "oci:{tmp_path}/base:v1"
python = {{ version = "3.12", build = true }}
platforms = ["linux/amd64"]
"""
    secrets = dict.fromkeys(("AWS_SECRET_ACCESS_KEY", "LAMELLA_CREDS", "GITHUB_TOKEN", "OF_OURS"), SECRET)
    with serving(Index(files)) as index:
        told = {"UV_DEFAULT_INDEX": index.url, "UV_CACHE_DIR": str(tmp_path / "uv"), **secrets}
        with (
            served(tmp_path / "server", config=settings, environment=told) as server,
            urllib.request.urlopen(f"{server.url}/v2/py/onlysource/manifests/latest") as answer,
        ):
            assert answer.status == 200
    seen = json.loads(ran.read_text())
    assert "UV_DEFAULT_INDEX" in seen
    assert not set(secrets) & set(seen)
    assert SECRET not in ran.read_text()
