"""The same input gives the same bytes: in whatever order files were made, by any number of threads, anywhere."""

import json
import os
import random
import subprocess
from pathlib import Path

import pytest
from tests.command import LAMELLA

NAMES = ["a", "b c", "ü", "Z", "z\nline", "-", "x" * 255, os.fsdecode(b"\xff\xfe"), "日本", ".hidden"]


def made(folder: Path, seed: int, mask: int) -> Path:
    """A spec and its files, made in an order that depends on `seed`, with this umask and these times."""
    order = random.Random(seed)
    before = os.umask(mask)
    try:
        folder.mkdir()
        layers = ["one", "two", "three"]
        for layer in order.sample(layers, 3):
            (folder / layer).mkdir()
            for name in order.sample(NAMES, len(NAMES)):
                file = folder / layer / name
                file.write_text(layer + ascii(name))
                file.chmod(0o640)
                os.utime(file, (seed, seed))
            (folder / layer / "deep").mkdir()
            (folder / layer / "link").symlink_to("a")
    finally:
        os.umask(before)
    for path in [folder / "one", folder / "two", folder / "three", *folder.glob("*/deep")]:
        path.chmod(0o755)
    files = ", ".join(f'"{layer}"' for layer in order.sample(layers, 3))
    (folder / "lamella.toml").write_text(f'name = "same"\nfiles = [{files}]\nlayering = "size"\nmax_layers = 2\n')
    return folder


def digests(folder: Path, cores: str, **env: str) -> object:
    ran = subprocess.run(
        ["taskset", "-c", cores, *LAMELLA, "build", "--json"],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "LAMELLA_CACHE": str(folder / "cache"), **env},
        umask=0o007,
        capture_output=True,
        text=True,
        check=True,
    )
    told = json.loads(ran.stdout)
    return told["config"], [(layer["diff_id"], layer["digest"]) for layer in told["layers"]]


@pytest.mark.parametrize("seed", range(3))
def test_order_umask_times_locale_and_cores_do_not_matter(tmp_path: Path, seed: int) -> None:
    first = digests(made(tmp_path / "first", 1000, 0o022), "0", LC_ALL="C.UTF-8")
    second = digests(made(tmp_path / "second", seed, 0o077), f"0-{(os.cpu_count() or 1) - 1}", LC_ALL="C")
    assert first == second
