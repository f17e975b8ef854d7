"""nix2container's files as its own code would write them."""

import io
import json
import tarfile
from pathlib import Path
from typing import Any

from lamella.layers.make import pack
from lamella.oci.image import Sink

TAR = "application/vnd.oci.image.layer.v1.tar"
FOLDER = ("1ea63d00b937dc24c711265b80444cc9e7e63751fb7f349b160be61d31381983", 4096, "../data/tar-directory")
FILE = ("cc45bd46eca903b0900ebb997dffd5778904dca9ec02e7375dd1e653dfb61e2e", 3072, "../data/layer1/file1")
OTHER_MODE = ("adf74a52f9e1bcd7dab77193455fa06743b979cf5955148010e5becedba4f72d", 3072, "../data/layer1/file1")


def layer(told: tuple[str, int, str], **options: Any) -> dict[str, Any]:
    """A layer as nix2container writes it."""
    digest, size, path = told
    paths = [{"path": path, **({"options": options} if options else {})}]
    history = {"created_by": "nix2container", "comment": "store paths"}
    return {
        "digest": f"sha256:{digest}",
        "size": size,
        "diff_ids": f"sha256:{digest}",
        "paths": paths,
        "mediatype": TAR,
        "History": history,
    }


def image(*layers: dict[str, Any]) -> dict[str, Any]:
    config = {"Env": ["A=b"], "Entrypoint": ["/bin/app"]}
    return {"version": 1, "image-config": config, "layers": list(layers), "arch": "arm64", "created": None}


def write(work: Path, told: object, name: str = "image.json") -> None:
    (work / name).write_text(json.dumps(told))


KNOWN = [layer(FOLDER), layer(FILE), layer(OTHER_MODE, perms=[{"regex": "file1$", "mode": "0641", "uid": 0, "gid": 0}])]


def stored(work: Path, compression: str) -> dict[str, Any]:
    """A layer of a base image: its bytes are in a file, and its size is not given."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        info = tarfile.TarInfo("etc/base")
        info.size = 4
        tar.addfile(info, io.BytesIO(b"base"))
    blob = bytearray()

    def give(sink: Sink) -> None:
        sink(data.getvalue())

    record = pack(give, compression, blob.extend)
    file = work / f"blob-{compression}"
    file.write_bytes(blob)
    return {
        "digest": record.digest,
        "size": 0,
        "diff_ids": record.diff_id,
        "mediatype": record.media_type,
        "layer-path": str(file),
        "History": {},
    }
