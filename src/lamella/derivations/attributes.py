"""The attributes of the Nix library's derivations: `.attrs.json`, which Nix writes to the build folder."""

from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec

from lamella.images.document import PermItem, RewriteItem
from lamella.oci.digest import Digest
from lamella.oci.wire import Document, History, decode
from lamella.staging import explained

AtLeastOne = Annotated[int, msgspec.Meta(ge=1)]
NotNegative = Annotated[int, msgspec.Meta(ge=0)]
T = TypeVar("T", bound="Attributes")


class Attributes(Document, frozen=True, kw_only=True, rename="camel"):
    """What all derivations have: their outputs."""

    outputs: dict[str, str]

    @property
    def out(self) -> Path:
        """The only output."""
        return Path(self.outputs["out"])


class PathRewrite(RewriteItem, frozen=True, kw_only=True):
    path: str


class PathPerm(PermItem, frozen=True, kw_only=True):
    path: str


class Owned(Document, frozen=True, kw_only=True):
    """The owner of files; root by default."""

    uid: int = 0
    gid: int = 0
    uname: str = ""
    gname: str = ""


class LayerAttributes(Attributes, frozen=True, kw_only=True, rename="camel"):
    """For `buildLayer`. `graph` is the closure in Nix's format, `parents` are outputs of other such derivations.

    `layers_file` lists the paths of each layer, and `perms_file` more `perms`.
    """

    graph: list[dict[str, Any]] = []
    ignore: list[str] = []
    rewrites: list[PathRewrite] = []
    perms: list[PathPerm] = []
    perms_file: str = ""
    layers_file: str = ""
    parents: list[str] = []
    owner: Owned = Owned()
    history: History = History()
    reproducible: bool = True
    max_layers: AtLeastOne = 1
    max_bytes: NotNegative = 0
    strategy: str = ""


class ImageAttributes(Attributes, frozen=True, kw_only=True, rename="camel"):
    """For `buildImage`. `layers` are outputs of `buildLayer`, lowest first; `from_image` is one of `pullImage`."""

    config: str
    layers: list[str]
    image_name: str
    image_tag: str = ""
    from_image: str = ""
    from_image_env: bool = False
    arch: str
    created: str
    compression: str = "gzip"


class PulledAttributes(Attributes, frozen=True, kw_only=True, rename="camel"):
    """For `pullImage`, with the fetched image; for `pullImageFromManifest`, with its `blobs` by digest."""

    folder: str = ""
    manifest: str = ""
    blobs: dict[Digest, str] = {}


class DatabaseAttributes(Attributes, frozen=True, kw_only=True, rename="camel"):
    """For the Nix database of an image: the closure, and which of it is not in the image under its own path."""

    graph: list[dict[str, Any]] = []
    ignore: list[str] = []
    layers: list[str] = []


class TextAttributes(Attributes, frozen=True, kw_only=True, rename="camel"):
    """For a file with that text; at the path `program` below the output if that is set."""

    text: str
    program: str = ""
    executable: bool = False


def read(folder: Path, kind: type[T]) -> T:
    """The attributes of the derivation being built in `folder`."""
    path = folder / ".attrs.json"
    with explained(path, "cannot read"):
        return decode(path.read_bytes(), kind, "the attributes of the derivation")
