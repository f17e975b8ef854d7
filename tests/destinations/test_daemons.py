"""Daemons that accept less than they are given, and programs that fail; fakes instead of real ones."""

import http.client
import io
import json
import sys
import tarfile
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from tests.made import held, sample
from tests.registry.reach import Reach, read

from lamella.destinations.containerd import Containerd
from lamella.destinations.daemon import Program
from lamella.destinations.daemons import Daemons
from lamella.destinations.destination import DestinationError
from lamella.destinations.docker_host import DockerHost, docker_host
from lamella.destinations.loopback import offering
from lamella.destinations.podman import Podman
from lamella.oci.image import Image, Sink, parcel_of
from lamella.oci.reference import DOCKER_DAEMON, Place, PlaceError


def program(file: Path, body: str) -> Program:
    file.write_text(f"#!/bin/sh\n{body}\n")
    file.chmod(0o755)
    return Program((str(file),))


@dataclass(frozen=True)
class Broken:
    """A body that fails after its first bytes."""

    def blob(self, sink: Sink) -> None:
        sink(b"some")
        raise DestinationError("the disk is full")

    tar = blob


def broken(image: Image) -> Image:
    first, second, *others = image.layers
    return replace(image, layers=(first, replace(second, content=Broken()), *others))


def test_what_is_offered_can_be_pulled() -> None:
    image = sample()
    with offering(image) as offer, Reach(f"127.0.0.1:{offer.port}").repository("lamella/image") as repository:
        found = repository.manifest("latest")
        assert found is not None
        assert found[1] == parcel_of(image).documents[-1][1]
        assert repository.manifest(found[0].digest) == found
        assert repository.manifest("none") is None
        assert repository.has_blob(image.config_descriptor.digest, image.config_descriptor.size)
        for layer in image.layers[:2]:
            assert read(repository, held(layer).blob_bytes) == held(layer).blob_bytes
        asked = {layer.record.digest for layer in image.layers[:2]}
    assert {sent.layer.record.digest for sent in offer.sent() if sent.written} == asked


@pytest.mark.parametrize(
    ("told", "status", "start"),
    [("bytes=5-", 206, 5), ("bytes=0-", 206, 0), ("bytes=99999999-", 416, 0), ("x", 200, 0)],
)
def test_a_part_is_given(told: str, status: int, start: int) -> None:
    layer = sample().layers[0]
    with offering(sample()) as offer:
        connection = http.client.HTTPConnection("127.0.0.1", offer.port, timeout=60)
        connection.request("GET", f"/v2/lamella/image/blobs/{layer.record.digest}", headers={"Range": told})
        answer = connection.getresponse()
        assert answer.status == status
        data = answer.read()
        connection.close()
    if status != 416:
        assert data == held(layer).blob_bytes[start:]


def test_a_layer_that_cannot_be_made_is_told_of(tmp_path: Path) -> None:
    blob = f"/v2/lamella/image/blobs/{sample().layers[1].record.digest}"
    fetch = "import sys, urllib.request as web; web.urlopen(sys.argv[1], timeout=60).read()"
    script = f"[ $1 != pull ] || {sys.executable} -c '{fetch}' http://${{4%%/*}}{blob} 2>/dev/null; exit 125"
    pull = program(tmp_path / "podman", script)
    with pytest.raises(DestinationError, match="the disk is full"):
        Podman(pull).load(broken(sample()), "app:1")


def ctr(folder: Path, body: str) -> Containerd:
    """A fake ctr that has the second layer, and runs `body` on its input."""
    digest = sample().layers[1].record.digest
    return Containerd(program(folder / "ctr", f'[ "$1" != content ] || {{ echo {digest}; exit; }}\n{body}'))


def test_what_containerd_has_is_left_out(tmp_path: Path) -> None:
    sent = ctr(tmp_path, f"cat >{tmp_path}/got").load(sample(), "app:1")
    assert [one.word for one in sent] == ["uploaded", "exists", "uploaded", "uploaded"]
    with tarfile.open(tmp_path / "got") as tar:
        names = set(tar.getnames())
        index = json.loads(tar.extractfile("index.json").read())  # type: ignore[union-attr]  # it is a file
    assert f"blobs/{sent[1].layer.record.digest.replace(':', '/')}" not in names
    assert index["manifests"][0]["annotations"]["io.containerd.image.name"] == "docker.io/library/app:1"


def test_containerd_gets_all_if_it_wants_all(tmp_path: Path) -> None:
    sent = ctr(tmp_path, f"cat >{tmp_path}/$(ls {tmp_path} | wc -l); [ -f {tmp_path}/2 ]").load(sample(), "app:1")
    assert {one.word for one in sent} == {"uploaded"}
    assert (tmp_path / "1").stat().st_size < (tmp_path / "2").stat().st_size


@pytest.mark.parametrize("body", ["cat >/dev/null; echo no room >&2; exit 3", "echo no room >&2; exit 3"])
def test_a_program_that_fails_says_why(tmp_path: Path, body: str) -> None:
    with pytest.raises(DestinationError, match="ctr images import fails: no room"):
        ctr(tmp_path, body).load(sample(), "app:1")


def test_what_cannot_be_made_is_told_of_and_nothing_is_left_running(tmp_path: Path) -> None:
    with pytest.raises(DestinationError, match="the disk is full"):
        Containerd(program(tmp_path / "ctr", "[ $1 = content ] || cat >/dev/null")).load(broken(sample()), "app:1")


def test_a_program_that_is_missing_is_named() -> None:
    with pytest.raises(DestinationError, match="nowhere is not installed; install it"):
        Containerd(Program(("nowhere",))).save("app:1", io.BytesIO())


@pytest.mark.parametrize("text", ["docker:x", "rkt", "podman:x", ""])
def test_what_is_no_daemon(text: str) -> None:
    with pytest.raises(PlaceError, match="is not a daemon; there are docker, podman, containerd"):
        Daemons({}).named(text)


def test_where_docker_listens(tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path)}
    assert docker_host(home) == DockerHost("unix:///var/run/docker.sock")
    assert docker_host({"DOCKER_HOST": "tcp://a:1"}) == DockerHost("tcp://a:1")
    told = {**home, "DOCKER_HOST": "tcp://a:1", "DOCKER_TLS_VERIFY": "1"}
    assert docker_host(told) == DockerHost("tcp://a:1", tmp_path / ".docker")
    assert docker_host({**told, "DOCKER_CERT_PATH": "/c"}) == DockerHost("tcp://a:1", Path("/c"))
    with pytest.raises(DestinationError, match="context 'x' cannot be read"):
        docker_host({**home, "DOCKER_CONTEXT": "x"})


def test_an_image_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(DestinationError, match="cannot read docker-daemon:app:1: Docker at unix:///nowhere"):
        Daemons({"DOCKER_HOST": "unix:///nowhere"}).save(Place(DOCKER_DAEMON, "app:1"), tmp_path / "file")
