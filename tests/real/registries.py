"""Debian's docker-registry, which knows the protocol in its own way."""

import json
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import bcrypt
from tests.real.programs import certificate, free_port, needs


@contextmanager
def real_registry(folder: Path, http: Mapping[str, object] | None = None, **more: object) -> Iterator[str]:
    """A registry of its own in `folder`; gives its name. `http` and `more` go into its configuration."""
    needs("docker-registry")
    port = free_port()
    storage = {"filesystem": {"rootdirectory": str(folder / "registry")}, "delete": {"enabled": True}}
    address = {"addr": f"127.0.0.1:{port}", **(http or {})}
    config = folder / "registry.json"  # JSON is YAML
    config.write_text(
        json.dumps({"version": 0.1, "log": {"level": "error"}, "storage": storage, "http": address, **more})
    )
    with (folder / "registry.log").open("wb") as log:
        server = subprocess.Popen(["docker-registry", "serve", config], stdout=log, stderr=log)
    try:
        while server.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.02)
        assert server.poll() is None, (folder / "registry.log").read_text()
        yield f"127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


@contextmanager
def guarded_registry(folder: Path) -> Iterator[str]:
    """One where `ci` logs in with `secret`, and whose certificate nobody vouches for but `server.crt` in `folder`."""
    crt, key = certificate(folder)
    users = folder / "users"
    users.write_text(f"ci:{bcrypt.hashpw(b'secret', bcrypt.gensalt(4)).decode()}\n")
    login = {"htpasswd": {"realm": "guarded", "path": str(users)}}
    with real_registry(folder, {"tls": {"certificate": str(crt), "key": str(key)}}, auth=login) as name:
        yield name
