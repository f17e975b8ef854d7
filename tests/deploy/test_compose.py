"""Compose understands its files, and they agree with the settings and the server."""

import os
import re
import subprocess
import sys
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.deploy.files import DEPLOY, documents, stop_time
from tests.objects import AWS
from tests.real.programs import needs
from tests.served import served

from lamella.server.settings import Settings, parse_settings

FILES = (DEPLOY / "compose.yaml", DEPLOY / "replicas" / "compose.yaml")
REPLICAS = FILES[1].parent


def services(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = documents(file)[0]["services"]
    return found


def settings(file: Path) -> Settings:
    return parse_settings((file.parent / "server.toml").read_text(), "server.toml")


def test_compose_understands_them() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", *map(str, FILES)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.parent.name)
def test_the_server_has_no_rights_and_time_to_stop(file: Path) -> None:
    server = services(file)["lamella"]
    assert server["read_only"]
    assert server["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in server["security_opt"]
    assert float(server["stop_grace_period"].removesuffix("s")) > stop_time(settings(file))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.parent.name)
def test_its_health_is_seen(file: Path, tmp_path: Path) -> None:
    script = services(file)["lamella"]["healthcheck"]["test"][-1]
    listening = f"127.0.0.1:{settings(file).address[1]}"
    assert listening in script
    with served(tmp_path) as server:
        here = [sys.executable, "-c", script.replace(listening, server.host)]
        assert subprocess.run(here, check=False).returncode == 0
        server.stop()
        assert subprocess.run(here, capture_output=True, check=False).returncode != 0


def test_only_this_machine_reaches_it() -> None:
    """For the settings let everybody build."""
    published = [port for file in FILES for one in services(file).values() for port in one.get("ports", [])]
    assert published == ["127.0.0.1:8080:8080"] * 2
    assert settings(FILES[0]).address[1] == 8080


def test_the_proxy_leads_to_the_servers_and_is_trusted() -> None:
    told = settings(REPLICAS / "compose.yaml")
    conf = (REPLICAS / "proxy.conf").read_text()
    assert f"server lamella:{told.address[1]};" in conf
    assert "listen 8080;" in conf
    waits = re.findall(r"proxy_(?:read|send)_timeout (\d+)s;", conf)
    assert len(waits) == 2
    assert min(map(int, waits)) > told.wait
    whole = documents(REPLICAS / "compose.yaml")[0]
    address = whole["services"]["proxy"]["networks"]["default"]["ipv4_address"]
    assert told.access.trusted_proxies == (f"{address}/32",)
    assert ip_address(address) in ip_network(whole["networks"]["default"]["ipam"]["config"][0]["subnet"])


def test_the_bucket_is_made_that_the_servers_use(s3: str, tmp_path: Path) -> None:
    bucket = urlsplit(settings(REPLICAS / "compose.yaml").bucket)
    script = services(REPLICAS / "compose.yaml")["bucket"]["command"][0].replace("$$", "$")
    place = f"http://{parse_qs(bucket.query)['endpoint'][0]}"
    assert f"{place}/{bucket.netloc}" in script
    needs("curl")
    endpoint = parse_qs(s3.removeprefix("?"))["endpoint"][0]
    here = ["sh", "-euc", script.replace(place, f"http://{endpoint}")]
    for _ in range(2):
        subprocess.run(here, env={**AWS, "PATH": os.defpath}, check=True)
    with served(tmp_path, "--bucket", f"s3://{bucket.netloc}{s3}", environment=AWS) as server:
        assert server.stop() == 0
