"""Foreign programs log in, where everybody may pull and some may push, and where nobody may without a login."""

import base64
import hashlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import web
from tests.buckets import Memory
from tests.real.programs import Containerd, Docker, Podman, needs, run
from tests.server.access.house import fetch, hashed, sections, written
from tests.server.running import running

from lamella.server.access import admission
from lamella.server.access.asked import permit
from lamella.server.access.audit import Audit
from lamella.server.access.client import Proxies
from lamella.server.access.identity import Door
from lamella.server.access.middleware import Entrance
from lamella.server.answers import explaining
from lamella.server.gate import GATE
from lamella.server.registry import routes
from lamella.server.registry.registry import Registry

pytestmark = pytest.mark.real

TOKEN = "5ecre7" * 8
PUSHER = ("anybody", TOKEN)
READER = ("alice", "wonder")
ANONYMOUS = {"mixed": ["pull"], "private": []}


@pytest.fixture(params=ANONYMOUS)
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A server where everybody may pull, and one where nobody may anything without a login."""
    users = written(tmp_path / "htpasswd", f"{READER[0]}:{hashed(READER[1])}")
    settings = sections(f"""
        [access]
        anonymous = {json.dumps(ANONYMOUS[request.param])}
        htpasswd = "{users}"
        [[access.user]]
        name = "*"
        rights = ["pull"]
        [[access.token]]
        name = "pusher"
        sha256 = "{hashlib.sha256(TOKEN.encode()).hexdigest()}"
        rights = ["pull", "push:team/*"]
    """)

    def application() -> web.Application:
        entrance = Entrance(Door(settings.access, fetch), settings.limits, Proxies(), Audit())
        app = web.Application(middlewares=[explaining, *entrance.middlewares])
        app[GATE] = permit
        app.add_routes(admission.routes())
        app.add_routes(routes(Registry(Memory(), writable=True)))
        return app

    with running(application) as host:
        _push(f"{host}/team/app:1", tmp_path, PUSHER)
        yield host


def _push(name: str, folder: Path, login: tuple[str, str]) -> None:
    """Puts a small image into a registry, by skopeo."""
    needs("skopeo")
    layout = folder / "small"
    if not layout.exists():
        _layout(layout)
    insecure = ["--dest-tls-verify=false", "--dest-creds", ":".join(login)]
    run("skopeo", "copy", "--insecure-policy", *insecure, f"oci:{layout}:1", f"docker://{name}")


def _layout(folder: Path) -> None:
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def blob(media_type: str, data: bytes) -> dict[str, object]:
        digest = hashlib.sha256(data).hexdigest()
        (blobs / digest).write_bytes(data)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}

    kind = "application/vnd.oci.image"
    empty = bytes(1024)
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(empty).hexdigest()}"]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{kind}.manifest.v1+json",
        "config": blob(f"{kind}.config.v1+json", json.dumps(config).encode()),
        "layers": [blob(f"{kind}.layer.v1.tar", empty)],
    }
    told = blob(f"{kind}.manifest.v1+json", json.dumps(manifest).encode())
    index = {"schemaVersion": 2, "manifests": [{**told, "annotations": {"org.opencontainers.image.ref.name": "1"}}]}
    (folder / "index.json").write_text(json.dumps(index))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')


def is_done(*command: object, **environment: str) -> bool:
    """Whether a command succeeds; that it is refused must be for want of rights."""
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False, env={"PATH": PATH, **environment}
    )
    said = (done.stdout + done.stderr).lower()
    if done.returncode:
        assert any(word in said for word in ("unauthorized", "denied", "forbidden", "credentials")), said
    return not done.returncode


PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def test_docker(where: str, docker: Docker, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    is_mixed = "mixed" in request.node.name
    name = f"{where}/team/app:1"

    def ask(*command: object, login: tuple[str, str] | None = None) -> bool:
        config = tmp_path / (login[0] if login else "nobody")
        config.mkdir(exist_ok=True)
        if login:
            auth = base64.b64encode(":".join(login).encode()).decode()
            (config / "config.json").write_text(json.dumps({"auths": {where: {"auth": auth}}}))
        return is_done("docker", "--config", config, *command, DOCKER_HOST=docker.host)

    assert ask("pull", name) == is_mixed
    assert ask("pull", name, login=READER)
    assert not ask("push", name)
    assert not ask("push", name, login=READER)
    assert ask("push", name, login=PUSHER)
    assert ask("login", "-u", READER[0], "-p", READER[1], where)
    assert not ask("login", "-u", READER[0], "-p", "wrong", where)


def test_podman(where: str, podman: Podman, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    is_mixed = "mixed" in request.node.name
    name = f"{where}/team/app:1"
    script = tmp_path / "podman"
    script.write_text(f"#!/bin/sh\n{podman.script}\n")
    script.chmod(0o755)
    nobody = tmp_path / "auth.json"
    nobody.write_text("{}")

    def ask(verb: str, *names: str, login: tuple[str, str] | None = None) -> bool:
        creds = ["--creds", ":".join(login)] if login else ["--authfile", str(nobody)]
        return is_done(script, verb, "--tls-verify=false", *creds, *names)

    assert ask("pull", name) == is_mixed
    assert ask("pull", name, login=READER)
    assert not ask("push", name, name)
    assert not ask("push", name, name, login=READER)
    assert ask("push", name, name, login=PUSHER)


def test_containerd(where: str, containerd: Containerd, request: pytest.FixtureRequest) -> None:
    is_mixed = "mixed" in request.node.name
    name = f"{where}/team/app:1"

    def ask(verb: str, login: tuple[str, str] | None = None) -> bool:
        creds = ["--user", ":".join(login)] if login else []
        what = ["--all-platforms", name] if verb == "pull" else [f"{where}/team/new:1", name]
        return is_done("ctr", "--address", containerd.socket, "images", verb, "--plain-http", *creds, *what)

    assert ask("pull") == is_mixed
    assert ask("pull", READER)
    assert not ask("push")
    assert not ask("push", READER)
    assert ask("push", PUSHER)


def test_skopeo(where: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    needs("skopeo")
    is_mixed = "mixed" in request.node.name

    def ask(verb: str, *creds: str) -> bool:
        return is_done("skopeo", verb, "--tls-verify=false", *(creds or ["--no-creds"]), f"docker://{where}/team/app:1")

    assert ask("inspect") == is_mixed
    assert ask("inspect", "--creds", ":".join(READER))
    assert not ask("delete", "--creds", ":".join(READER))
