"""Images for nix-snapshotter: what the host's store gives does not travel, and the annotations name it."""

import io
import json
import os
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest
from tests.command import LAMELLA
from tests.made import collected
from tests.real.nix import NixPackages
from tests.real.programs import run, skopeo_copy
from tests.real.registries import real_registry

from lamella.images.layout import open_layout
from lamella.oci.validate import validate

pytestmark = pytest.mark.real

PATHS = "containerd.io/snapshot/nix-store-path."


def lamella(folder: Path, *args: str, code: int = 0) -> str:
    command = [*LAMELLA, *args]
    env = {**os.environ, "LAMELLA_CACHE": str(folder / "kept")}
    ran = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert ran.returncode == code, ran.stderr
    return ran.stdout or ran.stderr


@pytest.fixture
def work(packages: NixPackages, tmp_path: Path) -> Path:
    (tmp_path / "app").write_text("ours")
    told = [packages.hello, packages.graph]
    text = (
        f'name = "app"\nfiles = ["app"]\nnix = {json.dumps(told)}\n[[layer]]\nname = "low"\nnix = ["{packages.bash}"]\n'
    )
    moved = f'[[layer]]\nname = "moved"\nnix = ["{packages.coreutils}"]\nperms = [{{ match = "/ls$", mode = 448 }}]\n'
    (tmp_path / "lamella.toml").write_text(text + moved)
    return tmp_path


def closure_of(*paths: str) -> set[str]:
    return set(run("nix-store", "--query", "--requisites", *paths).split())


def manifest(folder: Path) -> Any:
    index = json.loads((folder / "index.json").read_text())
    return json.loads((folder / "blobs" / "sha256" / index["manifests"][0]["digest"][7:]).read_text())


def test_store_paths_stay_where_they_are(work: Path, packages: NixPackages) -> None:
    lamella(work, "build", "--nix-store-paths", "--to", "oci:out")
    *rest, last = manifest(work / "out")["layers"]
    told = last["annotations"]
    assert told["containerd.io/snapshot/nix-layer"] == "true"
    assert last["mediaType"].endswith("tar+gzip")
    paths = [told[f"{PATHS}{number}"] for number in range(sum(name.startswith(PATHS) for name in told))]
    assert paths == sorted(paths)
    assert not any("containerd.io/snapshot/nix-layer" in layer.get("annotations", {}) for layer in rest)
    image = open_layout(work / "out")
    assert validate(image) == []
    names = []
    for layer in image.layers:
        with tarfile.open(fileobj=io.BytesIO(collected(layer.content.tar))) as tar:
            names.append({member.name: (member.isdir(), member.size) for member in tar})
    *travelling, mounts = names
    wanted = closure_of(packages.hello, packages.bash, packages.coreutils, packages.graph)
    assert set(paths) >= wanted - {packages.coreutils} - closure_of(packages.graph)
    assert {name for name in mounts if name.count("/") == 3} == set(paths)
    assert mounts[packages.hello] == (True, 0)
    assert mounts[packages.graph] == (False, 0)
    assert all(size == 0 for _, size in mounts.values())
    assert any("/app" in layer for layer in travelling)
    assert any(f"{packages.coreutils}/bin/ls" in layer for layer in travelling)
    assert not any(f"{packages.hello}/bin/hello" in layer for layer in travelling)


def test_it_goes_to_a_registry_and_comes_from_an_image_json(work: Path, packages: NixPackages) -> None:
    lamella(work, "build", "--to", "oci:whole")
    with real_registry(work) as registry:
        lamella(work, "push", "image.json", f"{registry}/app:v1", "--nix-store-paths", "--insecure")
        skopeo_copy(f"docker://{registry}/app:v1", f"oci:{work}/pulled:v1", "--src-tls-verify=false")
    *_, last = manifest(work / "pulled")["layers"]
    assert last["annotations"]["containerd.io/snapshot/nix-layer"] == "true"
    said = lamella(work, "copy", "oci:whole", "oci:other", "--nix-store-paths", code=2)
    assert "--nix-store-paths needs a spec or an image.json" in said


def test_references_into_the_store(work: Path, packages: NixPackages) -> None:
    lamella(work, "copy", ".", f"oci-archive:{work}/image.tar", "--nix-store-paths")
    added = run("nix-store", "--add", work / "image.tar").strip()
    assert "nix store" in lamella(work, "inspect", f"nix:0{added}")
    lamella(work, "build", "--nix-store-paths")
    added = run("nix-store", "--add", work / "image.json").strip()
    assert "nix store" in lamella(work, "inspect", f"nix:0{added}")
    assert "hello" in lamella(work, "sbom", "image.json")
