"""The JSON documents of images, as they are on the wire.

They are written with fields in this order and without empty ones, so equal values give equal bytes. Documents from
outside are kept as the original bytes; these classes only read them.
"""

import json
from typing import Any, TypeVar

import msgspec

from lamella.errors import LamellaError
from lamella.oci.digest import Digest
from lamella.oci.typed import convert_to, decode_as

REF_NAME = "org.opencontainers.image.ref.name"
CONTAINERD_NAME = "io.containerd.image.name"
"""Where an index has the name of an image: one that is only valid in the layout, and one that is valid everywhere."""

EPOCH = "1970-01-01T00:00:00Z"
"""When images were made that do not say when."""


class WireError(LamellaError):
    """A document is malformed."""

    exit_code = 4


class Document(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Base of all documents: immutable; unknown fields are ignored, as the specification demands."""


class Platform(Document, frozen=True, kw_only=True):
    architecture: str
    os: str
    variant: str = ""
    os_version: str = msgspec.field(name="os.version", default="")
    os_features: tuple[str, ...] = msgspec.field(name="os.features", default=())


class Descriptor(Document, frozen=True, kw_only=True, rename="camel"):
    """Describes bytes by digest, size and media type."""

    media_type: str
    digest: Digest
    size: int
    annotations: dict[str, str] = {}
    platform: Platform | None = None
    artifact_type: str = ""
    urls: tuple[str, ...] = ()
    data: str = ""
    """These three are written by other tools: what the bytes are for, where else they are, and the bytes themselves."""


class Manifest(Document, frozen=True, kw_only=True, rename="camel"):
    schema_version: int = msgspec.field(name="schemaVersion")
    media_type: str = ""
    config: Descriptor
    layers: list[Descriptor]
    annotations: dict[str, str] = {}


class Index(Document, frozen=True, kw_only=True, rename="camel"):
    schema_version: int = msgspec.field(name="schemaVersion")
    media_type: str = ""
    manifests: list[Descriptor]
    annotations: dict[str, str] = {}


class AnyManifest(Document, frozen=True, kw_only=True, rename="camel"):
    """An image, an index or an artifact: its parts are in some of these fields."""

    media_type: str = ""
    artifact_type: str = ""
    config: Descriptor | None = None
    layers: list[Descriptor] = []
    manifests: list[Descriptor] = []
    subject: Descriptor | None = None
    annotations: dict[str, str] = {}


class History(Document, frozen=True, kw_only=True):
    created: str = ""
    created_by: str = ""
    author: str = ""
    comment: str = ""
    empty_layer: bool = False


class Healthcheck(Document, frozen=True, kw_only=True, rename="pascal"):
    test: list[str] = []
    interval: int = 0
    timeout: int = 0
    start_period: int = 0
    retries: int = 0


class RuntimeConfig(Document, frozen=True, kw_only=True, rename="pascal"):
    """The `config` of an image: how to run it."""

    user: str = ""
    exposed_ports: dict[str, dict[str, Any]] = {}
    env: list[str] = []
    entrypoint: list[str] | None = None
    cmd: list[str] | None = None
    volumes: dict[str, dict[str, Any]] = {}
    working_dir: str = ""
    labels: dict[str, str] = {}
    stop_signal: str = ""
    healthcheck: Healthcheck | None = None


class RootFs(Document, frozen=True, kw_only=True, omit_defaults=False):
    type: str = "layers"
    diff_ids: list[Digest]


class ImageConfig(Document, frozen=True, kw_only=True):
    created: str = ""
    author: str = ""
    architecture: str
    os: str
    variant: str = ""
    config: RuntimeConfig = RuntimeConfig()
    rootfs: RootFs
    history: list[History] = []

    @property
    def platform(self) -> Platform:
        """The platform that the image runs on."""
        return Platform(architecture=self.architecture, os=self.os, variant=self.variant)


T = TypeVar("T")


def encode(document: object) -> bytes:
    """Encode `document` as compact JSON."""
    return msgspec.json.encode(document)


def decode(data: bytes, kind: type[T], origin: str) -> T:
    """Decode `data` as a `kind`; errors name the `origin`. A field that is null counts as absent."""
    try:
        try:
            return decode_as(data, kind)
        except msgspec.ValidationError:
            return convert_to(_without_nulls(msgspec.json.decode(data)), kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WireError(f"{origin} is not valid: {error}") from error


def _without_nulls(value: Any) -> Any:
    """`value` without null fields, which Go programs write for empty lists and maps."""
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def kind_of(data: bytes, told: str) -> str:
    """Return the media type of a manifest: what it says itself, or else what was `told`."""
    try:
        own = json.loads(data).get("mediaType")
    except (ValueError, AttributeError, RecursionError):
        own = None
    return own if isinstance(own, str) and own else told
