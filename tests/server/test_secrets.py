"""Whatever fails, no password stands in an answer, in a log, or in what the server writes."""

import base64
import hashlib
import urllib.error
import urllib.request
from pathlib import Path

from tests.served import Served, served

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
