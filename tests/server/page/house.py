"""A whole server in this process, with a bucket that tests fill: images with sizes that do not have to be real."""

import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from lamella.cache.bucket import SharedBucket
from lamella.cache.jobs import FOLDER, Job
from lamella.cache.repositories import Manifest, Referrer, Repository, blob_name
from lamella.destinations.daemons import Daemons
from lamella.images.document import ImageItem, layer_item
from lamella.oci import media
from lamella.oci.digest import Digest, sha256
from lamella.oci.image import Record, silent
from lamella.oci.wire import (
    Descriptor,
    History,
    ImageConfig,
    Index,
    Platform,
    RootFs,
    RuntimeConfig,
    encode,
)
from lamella.oci.wire import Manifest as WireManifest
from lamella.package import Package
from lamella.pipeline.memory.registries import notes_of
from lamella.pipeline.outside import Outside
from lamella.pipeline.workplace import workplace
from lamella.plan import LayerPlan, Part
from lamella.registry.registries import Registries
from lamella.server.app import Server
from lamella.server.builds.jobs import Jobs
from lamella.server.monitoring.health import Health
from lamella.server.monitoring.lines import Line
from lamella.server.settings import parse_settings
from lamella.transport.connections import Settings
from lamella.transport.downloads import Downloads
from lamella.transport.fetch import Fetcher

Client = TestClient[web.Request, web.Application]

LOG = "0123456789abcdef" * 2
SOURCES = """
[[source]]
name = "nix"
kind = "nix"
from = "nixos-unstable"
[[source]]
name = "deb"
kind = "deb"
"""


@dataclass(frozen=True)
class Made:
    """A layer that an image claims to have: its packages and their sizes."""

    name: str
    size: int
    packages: Mapping[str, int] = field(default_factory=dict)

    @property
    def record(self) -> Record:
        digest = sha256(f"{self.name} {self.size}".encode())
        return Record(sha256(digest.encode()), self.size * 3, digest, self.size, media.LAYER_GZIP)

    @property
    def plan(self) -> LayerPlan:
        packages = [Package(f"/nix/store/{name}-1.0", name, sha256(b"x"), size) for name, size in self.packages.items()]
        return LayerPlan(self.name, tuple(map(Part, packages)))


def image(
    repository: Repository,
    layers: Sequence[Made],
    *,
    runtime: RuntimeConfig | None = None,
    architecture: str = "amd64",
    annotations: Mapping[str, str] | None = None,
) -> Descriptor:
    """Put an image into a bucket, without the bytes of its layers."""
    config = encode(
        ImageConfig(
            architecture=architecture,
            os="linux",
            config=runtime or RuntimeConfig(),
            rootfs=RootFs(diff_ids=[layer.record.diff_id for layer in layers]),
            history=[History(created_by=layer.name) for layer in layers],
        )
    )
    repository.bucket.put(blob_name(sha256(config)), config)
    document = ImageItem(
        version=1,
        layers=[layer_item(layer.plan, layer.record, History(created_by=layer.name)) for layer in layers],
    )
    manifest = WireManifest(
        schema_version=2,
        media_type=media.MANIFEST,
        config=Descriptor(media_type=media.CONFIG, digest=sha256(config), size=len(config)),
        layers=[
            Descriptor(media_type=one.record.media_type, digest=one.record.digest, size=one.size) for one in layers
        ],
        annotations={**(annotations or {}), **notes_of(document)},
    )
    return put(repository, encode(manifest), media.MANIFEST, Platform(architecture=architecture, os="linux"))


def put(repository: Repository, data: bytes, kind: str, platform: Platform | None = None) -> Descriptor:
    """Put a manifest into a bucket."""
    repository.put_manifest(Manifest(sha256(data), kind, data))
    return Descriptor(media_type=kind, digest=sha256(data), size=len(data), platform=platform)


def index(repository: Repository, *images: Descriptor) -> Descriptor:
    """Put an index of images into a bucket."""
    data = encode(Index(schema_version=2, media_type=media.INDEX, manifests=list(images)))
    return put(repository, data, media.INDEX)


def refer(repository: Repository, subject: Digest, kind: str, annotations: Mapping[str, str] | None = None) -> Digest:
    """Put a manifest into a bucket that refers to another."""
    empty = Descriptor(media_type="application/vnd.oci.empty.v1+json", digest=sha256(b"{}"), size=2)
    told = {
        "schemaVersion": 2,
        "mediaType": media.MANIFEST,
        "artifactType": kind,
        "config": empty,
        "layers": [empty],
        "subject": Descriptor(media_type=media.MANIFEST, digest=subject, size=1),
        "annotations": annotations or {},
    }
    found = put(repository, msgspec.json.encode(told), media.MANIFEST)
    referrer = Referrer(media_type=media.MANIFEST, digest=found.digest, size=found.size, artifact_type=kind)
    repository.refer(subject, referrer)
    return found.digest


def job(bucket: SharedBucket, what: str, log: str = LOG, said: bytes = b"", **more: object) -> None:
    """Put a build and its log into a bucket; it is running unless `more` says otherwise."""
    now = time.time()
    told = Job(what=what, owner="0011223344556677", log=log, started=now - 75, until=now + 600)
    bucket.put(
        f"{FOLDER}{sha256(f'{what} {log}'.encode())[7:]}", msgspec.json.encode(msgspec.structs.replace(told, **more))
    )
    if said:
        bucket.put(f"logs/{log}", said)


@contextlib.contextmanager
def server(
    bucket: SharedBucket, folder: Path, text: str = SOURCES, lines: list[Line] | None = None
) -> Iterator[Callable[[], web.Application]]:
    """Set up a server with the settings in `text`; `lines` gets its log lines of requests."""
    fetcher = Fetcher(Settings(), pause=lambda _: None)
    place = workplace(folder)
    registries = Registries({"HOME": "/nowhere"})
    outside = Outside(registries, Daemons({}), place.blobs, Downloads(folder, lambda: fetcher, silent))
    with contextlib.closing(outside):
        tell = None if lines is None else lines.append
        made = Server(parse_settings(text, "serve.toml"), text, bucket, replace(place, outside=outside), (), tell)
        yield lambda: made.application(Jobs(bucket, 1), Health(bucket))


@contextlib.asynccontextmanager
async def served(
    bucket: SharedBucket, folder: Path, text: str = SOURCES, lines: list[Line] | None = None
) -> AsyncIterator[Client]:
    """Run such a server; give a client of it."""
    with server(bucket, folder, text, lines) as make:
        async with TestClient(TestServer(make())) as client:
            yield client


def fill(bucket: SharedBucket) -> None:
    """Put something of every kind into a bucket: an index in two versions, a referrer, another image, builds."""
    repository = Repository(bucket, "nix/shell/git")
    runtime = RuntimeConfig(
        entrypoint=["/bin/tini", "--"],
        cmd=["bash"],
        env=["PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8"],
        working_dir="/work",
        exposed_ports={"8080/tcp": {}},
        labels={"org.opencontainers.image.title": "git and a shell"},
    )
    for tag, git in (("2.44", 31_000_000), ("2.45", 33_500_000)):
        images = [image(repository, _layers(git), runtime=runtime, architecture=one) for one in ("amd64", "arm64")]
        repository.tag(tag, index(repository, *images).digest)
    repository.tag("latest", index(repository, *images).digest)
    refer(repository, images[0].digest, "application/spdx+json", {"org.example.by": "lamella sbom"})
    other = Repository(bucket, "deb/bash/curl")
    image(other, [Made("debian", 28_000_000), Made("curl", 900_000)])
    job(bucket, "nix/shell/git:latest", state="done", root=repository.tagged("latest"), ended=time.time() - 30)
    job(bucket, "nix/python3/ffmpeg:latest", "a" * 32, b"fetching python3\ncopying path /nix/store/x-python3\n")
    cause = "there is no package nosuch in nixos-unstable"
    failed = {"state": "failed", "code": "MANIFEST_UNKNOWN", "message": cause, "ended": time.time() - 60}
    job(bucket, "nix/nosuch:latest", "b" * 32, b"error: " + cause.encode() + b"\n", **failed)


def _layers(git: int) -> list[Made]:
    return [
        Made("glibc", 12_400_000, {"glibc": 31_000_000, "libidn2": 400_000, "libunistring": 2_100_000}),
        Made("perl", 21_000_000, {"perl": 58_000_000}),
        Made(
            "tools",
            9_300_000,
            {"bash": 7_400_000, "coreutils": 12_100_000, "moreutils": 300_000, "nano": 2_900_000, "gnugrep": 900_000},
        ),
        Made(
            "python3", 38_000_000, {"python3": 112_000_000, "openssl": 8_300_000, "sqlite": 4_100_000, "expat": 400_000}
        ),
        Made("rest", 4_000_000, {f"library-{i}": 1_300_000 - i * 13_000 for i in range(72)}),
        Made("git", git, {"git": git * 3, "curl": 4_200_000, "pcre2": 1_900_000, "cacert": 500_000}),
    ]
