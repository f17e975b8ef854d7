"""Whatever happens to a build, the next one is correct, and reports what it had to repair."""

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from tests.command import LAMELLA

from lamella.images.layout import open_layout
from lamella.oci.validate import validate

SPEC = """
name = "app"
compression = "zstd"
files = ["f0"]
{layers}
[[layer]]
name = "once"
files = ["once"]
reproducible = false
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A spec of several layers, one of which is kept, that takes a moment to build."""
    return written(tmp_path / "spec")


def written(folder: Path) -> Path:
    source = random.Random(1)
    for name in ("f0", "f1", "f2", "f3", "once"):
        (folder / name).mkdir(parents=True)
        for number in range(20):
            (folder / name / str(number)).write_bytes(source.randbytes(100_000))
    layers = "\n".join(f'[[layer]]\nname = "l{number}"\nfiles = ["f{number}"]' for number in range(1, 4))
    (folder / "lamella.toml").write_text(SPEC.format(layers=layers))
    return folder


def start(folder: Path, *args: str, cache: str = "cache") -> subprocess.Popen[str]:
    command = [*LAMELLA, *args]
    env = {**os.environ, "LAMELLA_CACHE": str(folder.parent / cache)}
    return subprocess.Popen(
        command,
        cwd=folder,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_as_in_front,
    )


def _as_in_front() -> None:
    """Restore Ctrl-C, which the tests may have disabled if they run in the background."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def lamella(folder: Path, *args: str, cache: str = "cache") -> tuple[int, str]:
    """The exit code, and stderr."""
    with start(folder, *args, cache=cache) as running:
        _, said = running.communicate()
    return running.returncode, said


def digests(folder: Path) -> list[str]:
    """The layers of the layout there, fully validated."""
    image = open_layout(folder / "out")
    assert validate(image) == []
    return [layer.record.digest for layer in image.layers]


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The layers of an undisturbed build."""
    folder = written(tmp_path_factory.mktemp("undisturbed") / "spec")
    assert lamella(folder, "build", "--to", "oci:out") == (0, "")
    return digests(folder)


def left_over(folder: Path) -> list[Path]:
    return [path for name in ("staging", ".lamella") for path in folder.parent.rglob(f"{name}/*") if path.is_file()]


def test_killed_at_any_instant_the_next_build_is_right(folder: Path, undisturbed: list[str]) -> None:
    source = random.Random(2)
    seen = set()
    for _ in range(12):
        shutil.rmtree(folder.parent / "cache", ignore_errors=True)
        shutil.rmtree(folder / "out", ignore_errors=True)
        with start(folder, "build", "--to", "oci:out") as running:
            time.sleep(source.uniform(0.05, 0.4))
            running.kill()
        seen.add(running.returncode)
        code, said = lamella(folder, "build", "--to", "oci:out")
        assert (code, said) == (0, "")
        assert digests(folder) == undisturbed
        assert left_over(folder) == []
        assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == []
    assert -signal.SIGKILL in seen


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopped_it_says_so_and_tidies_up(
    folder: Path, undisturbed: list[str], number: signal.Signals, code: int
) -> None:
    block = os.urandom(20_000_000)
    for name in ("f0", "f1"):
        with (folder / name / "large").open("wb") as file:
            for _ in range(20):
                file.write(block)
    with start(folder, "build", "--to", "oci:out") as running:
        while not left_over(folder):
            assert running.poll() is None
            time.sleep(0.005)
        running.send_signal(number)
        _, said = running.communicate()
    assert (running.returncode, said.strip()) == (code, "lamella: stopped")
    assert left_over(folder) == []
    for name in ("f0", "f1"):
        (folder / name / "large").unlink()
    assert lamella(folder, "build", "--to", "oci:out") == (0, "")
    assert digests(folder) == undisturbed


def test_builds_at_once_do_not_disturb_each_other(folder: Path, undisturbed: list[str]) -> None:
    (folder / "second.toml").write_text((folder / "lamella.toml").read_text().replace('"app"', '"second"'))
    runs = [start(folder, "build", "--to", "oci:out") for _ in range(3)]
    runs += [start(folder, "build", "second.toml", "-o", "second.json", "--to", "oci:out:second")]
    runs += [start(folder, "cache", "prune", "--days", "0") for _ in range(2)]
    said = [run.communicate()[1] for run in runs]
    assert [run.returncode for run in runs] == [0] * 6, said
    for name in ("latest", "second"):
        image = open_layout(folder / "out", name)
        assert validate(image) == []
        assert [layer.record.digest for layer in image.layers] == undisturbed
    assert left_over(folder) == []


def records(folder: Path, kind: str) -> list[Path]:
    return sorted(path for path in (folder.parent / "cache" / kind).rglob("*") if path.is_file())


def forge(path: Path, changes: dict[str, Any]) -> None:
    """A sealed record with a different content."""
    body = json.loads(path.read_bytes().partition(b"\n")[2])
    data = json.dumps({**body, **changes}).encode()
    path.write_bytes(b"sha256:" + hashlib.sha256(data).hexdigest().encode() + b"\n" + data)


@pytest.mark.parametrize(
    "changes",
    [{"digest": f"sha256:{'1' * 64}"}, {"diff_id": f"sha256:{'2' * 64}"}, {"size": 7}, {"tar_size": 7}],
    ids=lambda changes: next(iter(changes)),
)
@pytest.mark.parametrize("way", ["build", "copy", "archive", "validate"])
def test_forged_records_are_found_out_and_mended(
    folder: Path, undisturbed: list[str], changes: dict[str, Any], way: str
) -> None:
    assert lamella(folder, "build") == (0, "")
    for path in records(folder, "builds"):
        forge(path, changes)
    if way == "archive":
        code, said = lamella(folder, "copy", "lamella.toml", "oci-archive:out.tar")
    elif way == "validate":
        code, said = lamella(folder, "validate", "lamella.toml")
        assert code == 4
    elif way == "copy":
        code, said = lamella(folder, "copy", "lamella.toml", "oci:out")
    else:
        code, said = lamella(folder, "build", "--to", "oci:out")
    if way != "validate":
        assert code == 0, said
    assert "removed; it will be made again" in said
    assert lamella(folder, "build", "--to", "oci:out")[0] == 0
    assert digests(folder) == undisturbed


@pytest.mark.parametrize("kind", ["builds", "looks", "trees", "images", "layers"])
@pytest.mark.parametrize("damage", ["empty", "cut", "flipped"])
def test_damaged_cache_files_are_mended(folder: Path, undisturbed: list[str], kind: str, damage: str) -> None:
    assert lamella(folder, "build") == (0, "")
    for path in records(folder, kind):
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes({"empty": b"", "cut": bytes(data[: len(data) // 2]), "flipped": bytes(data)}[damage])
    (folder / "f1" / "0").touch()
    code, said = lamella(folder, "build", "--to", "oci:out")
    assert code == 0, said
    assert digests(folder) == undisturbed
    assert f"the cache's {kind}/" in said


def test_a_full_disk_is_one_clear_line_and_room_is_all_it_takes(
    folder: Path, undisturbed: list[str], small_disk: Path
) -> None:
    for args, cache in ((["build", "--to", f"oci:{small_disk}/out"], "cache"), (["build", "--keep-blobs"], "small")):
        code, said = lamella(folder, *args, cache=cache)
        assert code == 5
        assert "No space left" in said
        assert str(small_disk) in said
        assert len(said.splitlines()) == 1
        assert left_over(folder) == []
    subprocess.run(["mount", "-o", "remount,size=200m", small_disk], check=True)
    code, said = lamella(folder, "build", "--keep-blobs", "--to", "oci:out", cache="small")
    assert (code, said) == (0, "")
    assert digests(folder) == undisturbed
