"""Docker, podman, containerd, skopeo and lamella push to `lamella serve`, and pull what the others have pushed."""

import contextlib
import http.client
import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.command import good
from tests.objects import AWS, objects
from tests.real.programs import Containerd, Docker, Podman, certificate, greeter, skopeo_copy
from tests.served import OPEN, WRITABLE, Served, served
from tests.server.registry.asking import Asking

from lamella.oci.digest import sha256

pytestmark = pytest.mark.real

SPEC = """
name = "served"

[config]
entrypoint = ["/bin/greet"]

[[layer]]
name = "bin"
files = ["bin"]
perms = [{ match = "greet$", mode = "0755" }]

[[layer]]
name = "data"
files = ["data"]
"""
GREETING = "hello from a layer\n"
HASHED = "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"
"""`secret`, hashed as little as can be, by: perl -e 'print crypt("secret", q($2b$04$abcdefghijklmnopqrstuu))'"""
AT_ONCE = 100
LARGE = 8 << 20
MEMORY = 400 << 20


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "image"
    for name in ("bin", "data"):
        (folder / name).mkdir(parents=True)
    (folder / "bin" / "greet").write_bytes(greeter())
    (folder / "data" / "file").write_bytes(os.urandom(LARGE))
    (folder / "lamella.toml").write_text(SPEC)
    return folder


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path / "server", config=WRITABLE + OPEN) as process:
        yield process
        assert "Traceback" not in process.log


def lamella(folder: Path, *args: object) -> str:
    return good(folder, *map(str, args))


def test_each_pulls_what_another_has_pushed(
    folder: Path, server: Served, docker: Docker, podman: Podman, containerd: Containerd, tmp_path: Path
) -> None:
    name = f"{server.host}/team/{{}}:v1".format
    lamella(folder, "push", ".", name("ours"))
    assert docker("run", "--rm", "--network=none", name("ours")) == GREETING
    docker("tag", name("ours"), name("docker"))
    docker("push", name("docker"))
    podman("pull", "--quiet", "--tls-verify=false", name("docker"))
    assert podman("run", "--rm", "--network=none", name("docker")) == GREETING
    podman("push", "--quiet", "--tls-verify=false", name("docker"), name("podman"))
    containerd("images", "pull", "--plain-http", name("podman"))
    assert containerd("run", "--rm", name("podman"), "served") == GREETING
    containerd("images", "push", "--plain-http", name("containerd"), name("podman"))
    skopeo_copy(f"docker://{name('containerd')}", f"oci:{tmp_path}/oci:v1", "--src-tls-verify=false")
    skopeo_copy(f"oci:{tmp_path}/oci:v1", f"docker://{name('skopeo')}", "--dest-tls-verify=false")
    lamella(folder, "copy", f"docker://{name('skopeo')}", f"dir:{tmp_path}/last")
    assert "2 layers, 0 problems" in lamella(folder, "validate", f"dir:{tmp_path}/last")
    with contextlib.closing(Asking(server.host)) as ask:
        found = ask("GET", "/v2/_catalog").json["repositories"]
        assert found == [f"team/{each}" for each in ("containerd", "docker", "ours", "podman", "skopeo")]


def test_a_second_push_sends_nothing(folder: Path, server: Served, docker: Docker) -> None:
    pushed = json.loads(lamella(folder, "push", ".", f"{server.host}/team/app:v1", "--json"))
    assert [layer["state"] for layer in pushed[0]["layers"]] == ["uploaded", "uploaded"]
    again = json.loads(lamella(folder, "push", ".", f"{server.host}/team/app:v2", "--json"))
    assert [layer["state"] for layer in again[0]["layers"]] == ["exists", "exists"]
    docker("pull", f"{server.host}/team/app:v1")
    docker("tag", f"{server.host}/team/app:v1", f"{server.host}/team/other:v1")
    assert docker("push", f"{server.host}/team/other:v1").count("Mounted from team/app") == 2


def test_certificates_and_passwords(folder: Path, tmp_path: Path) -> None:
    crt, key = certificate(tmp_path)
    (tmp_path / "passwords").write_text(f"me:{HASHED}\n")
    config = f"""
        writable = true
        [tls]
        certificate = "{crt}"
        key = "{key}"
        [access]
        anonymous = []
        htpasswd = "{tmp_path}/passwords"
        user = [{{ name = "me", rights = ["pull", "push"] }}]
    """
    with served(tmp_path / "server", config=config) as server:
        name = f"{server.host}/team/app:v1"
        lamella(folder, "push", ".", name, "--ca", crt, "--creds", "me:secret")
        skopeo_copy(f"docker://{name}", f"dir:{tmp_path}/dir", "--src-tls-verify=false", "--src-creds=me:secret")
        assert "2 layers, 0 problems" in lamella(folder, "validate", f"dir:{tmp_path}/dir")
        with pytest.raises(AssertionError, match="unauthorized"):
            skopeo_copy(f"docker://{name}", f"dir:{tmp_path}/no", "--src-tls-verify=false", "--src-creds=me:wrong")
        with pytest.raises(AssertionError, match=r"unauthorized|authentication required"):
            skopeo_copy(f"docker://{name}", f"dir:{tmp_path}/no", "--src-tls-verify=false")


@pytest.fixture(params=["folder", "s3"])
def many(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Served]:
    """A server that many pull from."""
    with contextlib.ExitStack() as stack:
        bucket: list[object] = []
        if request.param == "s3":
            bucket = ["--bucket", f"s3://many/here{stack.enter_context(objects('many'))}"]
        config = WRITABLE + OPEN
        yield stack.enter_context(served(tmp_path / "server", *bucket, config=config, environment=AWS))


def test_a_hundred_pull_at_once(folder: Path, many: Served, tmp_path: Path) -> None:
    lamella(folder, "push", ".", f"{many.host}/team/app:v1")

    def pull(number: int) -> None:
        if number % 20 == 0:
            source = f"docker://{many.host}/team/app:v1"
            skopeo_copy(source, f"dir:{tmp_path}/{number}", "--src-tls-verify=false")
            return
        with contextlib.closing(http.client.HTTPConnection(many.host, timeout=60)) as connection:
            manifest = json.loads(fetch(connection, "manifests/v1"))
            for part in (manifest["config"], *manifest["layers"]):
                assert sha256(fetch(connection, f"blobs/{part['digest']}")) == part["digest"]

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(pull, range(AT_ONCE)))
    assert many.peak < MEMORY
    assert "Traceback" not in many.log


def fetch(connection: http.client.HTTPConnection, address: str) -> bytes:
    connection.request("GET", f"/v2/team/app/{address}")
    answer = connection.getresponse()
    assert answer.status == 200
    return answer.read()
