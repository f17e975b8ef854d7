"""Images of real wheels and debs, from the indexes and archives of this machine, run and hold what pip installs."""

import csv
import io
import json
import os
import re
import shutil
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.command import LAMELLA
from tests.real.arm64 import arm64_programs_run
from tests.real.daemons import as_containerd, as_docker, as_podman
from tests.real.programs import absent, needs, run
from tests.wheels import package_of

from lamella.package import Entry, Kind
from lamella.sources.debian.archives import verified
from lamella.sources.debian.suites import ArchiveError, apt_suites
from lamella.sources.python import wheel
from lamella.sources.python.scheme import Scheme
from lamella.transport.connections import Settings
from lamella.transport.fetch import Fetcher

pytestmark = pytest.mark.real

EXAMPLES = Path(__file__).parents[2] / "examples"
POPULAR = (Path(__file__).parent / "popular.txt").read_text().split()
SAMPLE = POPULAR if os.environ.get("LAMELLA_ALL_WHEELS") else POPULAR[::8]
"""All of them take minutes, and half a gigabyte."""

SCHEME = Scheme(
    version=f"{sys.version_info.major}.{sys.version_info.minor}",
    prefix="/usr/local",
    packages=f"/usr/local/lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages",
    interpreter=sys.executable,
)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("packages") / "cache"


def lamella(folder: Path, cache: Path, *args: str, **more: str) -> str:
    command = [*LAMELLA, *args]
    env = {**os.environ, "LAMELLA_CACHE": str(cache), **more}
    ran = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr + ran.stdout
    return ran.stdout


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """The example, told to end when it has shown that it works."""
    if not apt_suites():
        absent("apt names no archives here")
    folder = tmp_path_factory.mktemp("locked") / "comfyui"
    shutil.copytree(EXAMPLES / "comfyui-cpu", folder, ignore=shutil.ignore_patterns("*.lock", "image.json"))
    spec = (folder / "lamella.toml").read_text()
    spec = spec.replace('name = "comfyui-cpu"', 'name = "comfyui-cpu"\nplatforms = ["linux/amd64", "linux/arm64"]', 1)
    (folder / "lamella.toml").write_text(spec.replace("ports = [8188]", 'ports = [8188]\ncmd = ["--once"]'))
    lamella(folder, cache, "lock")
    return folder


@pytest.fixture
def comfyui(locked: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(locked, tmp_path / "comfyui"))


@pytest.mark.parametrize("runtime", ["docker", "podman", "containerd"])
def test_it_runs(comfyui: Path, cache: Path, runtime: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    program: Any = request.getfixturevalue(runtime)
    make: Any = {"docker": as_docker, "containerd": lambda c: as_containerd(c, "containerd")}.get(runtime)
    daemon = make(program) if make else as_podman(program, tmp_path)
    lamella(comfyui, cache, "load", "--into", daemon.name, **daemon.environment)
    assert "a picture of" in daemon.run("comfyui-cpu:latest")


def test_it_runs_on_another_machine(comfyui: Path, cache: Path, request: pytest.FixtureRequest) -> None:
    needs("qemu-aarch64-static")
    daemon = as_docker(request.getfixturevalue("docker"))
    lamella(comfyui, cache, "load", "--platform", "linux/arm64", "--name", "foreign:v1", **daemon.environment)
    with arm64_programs_run():
        assert "a picture of" in daemon.run("foreign:v1")


def test_nothing_is_wrong_with_it(comfyui: Path, cache: Path) -> None:
    assert "0 problems" in lamella(comfyui, cache, "check", "--run", "--platform", "linux/amd64")
    command = ["--", "python3", "/scripts/main.py", "--once"]
    assert "a picture of" in lamella(comfyui, cache, "shell", ".", "--platform", "linux/amd64", *command)


def test_what_debs_hold_is_what_dpkg_unpacks(comfyui: Path, cache: Path, tmp_path: Path) -> None:
    needs("dpkg-deb")
    lamella(comfyui, cache, "copy", ".", "oci:out", "--platform", "linux/amd64")
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    ours.mkdir()
    index = json.loads((comfyui / "out" / "index.json").read_text())
    blobs = comfyui / "out" / "blobs" / "sha256"
    manifest = json.loads((blobs / index["manifests"][0]["digest"][7:]).read_text())
    for layer in manifest["layers"][:2]:
        run("tar", "-xzf", blobs / layer["digest"][7:], "-C", ours)
    for name in ("bin", "sbin", "lib", "lib64"):
        (theirs / "usr" / name).mkdir(parents=True)
        (theirs / name).symlink_to(f"usr/{name}")
    lock = json.loads((comfyui / "lamella.lock").read_text())
    for deb in lock["platforms"]["linux/amd64"]["debian"]["debs"]:
        unpacked = subprocess.run(
            ["dpkg-deb", "--fsys-tarfile", cache / "files" / deb["sha256"]], capture_output=True, check=True
        )
        command = ["tar", "-x", "--keep-directory-symlink", "-C", str(theirs)]
        subprocess.run(command, input=unpacked.stdout, check=True)
    told, found = _tree(ours), _tree(theirs)
    assert found.items() <= {**told, "var/run": found.get("var/run"), "var/lock": found.get("var/lock")}.items()


def test_the_loader_finds_what_ldconfig_would_have_noted(tmp_path: Path, cache: Path) -> None:
    needs("ldconfig")
    if not apt_suites():
        absent("apt names no archives here")
    debs = ["libc-bin", "libc6", "libblas3", "fakeroot", "libstdc++6", "libncursesw6", "libssl3", "libpython3-stdlib"]
    (tmp_path / "lamella.toml").write_text(f'name = "libs"\nplatforms = ["linux/amd64"]\ndeb = {json.dumps(debs)}\n')
    lamella(tmp_path, cache, "lock")
    lamella(tmp_path, cache, "copy", ".", "oci:out")
    blobs = tmp_path / "out" / "blobs" / "sha256"
    index = json.loads((tmp_path / "out" / "index.json").read_text())
    manifest = json.loads((blobs / index["manifests"][0]["digest"][7:]).read_text())
    root = tmp_path / "root"
    root.mkdir()
    for layer in manifest["layers"]:
        run("tar", "-xzf", blobs / layer["digest"][7:], "-C", root)
    run("ldconfig", "-r", root, "-X", "-C", "/theirs")

    def noted(name: str) -> list[str]:
        lines = run("ldconfig", "-p", "-C", root / name).splitlines()
        return [re.sub(", OS ABI[^)]*", "", line) for line in lines if " => " in line]

    ours = noted("etc/ld.so.cache")
    assert ours == noted("theirs")
    assert len(ours) > 30
    assert "libfakeroot/libfakeroot-0.so" in "".join(ours)


def test_only_what_is_signed_is_believed(tmp_path: Path) -> None:
    """What an archive of this machine says, and what comes of changing a byte of it."""
    needs("gpgv")
    suite = next((one for one in apt_suites() if "debian" in one.uri), None) or absent("apt names no archive of Debian")
    fetcher = Fetcher(Settings(environment=os.environ))
    signed = fetcher.document(f"{suite.uri}/dists/{suite.name}/InRelease")
    fetcher.close()
    text = verified(signed, suite)
    assert text.startswith("Origin: Debian")
    for wrong in (signed.replace(b"Origin: Debian", b"Origin: Delian", 1), b"Origin: Debian\n", b""):
        with pytest.raises(ArchiveError, match="is not trusted on this machine"):
            verified(wrong, suite)
    (tmp_path / "none.gpg").touch()
    with pytest.raises(ArchiveError, match="is not trusted on this machine"):
        verified(signed, replace(suite, keys=(str(tmp_path / "none.gpg"),)))
    assert "Evil" not in verified(b"Evil: yes\n" + signed, suite)


def _tree(root: Path) -> dict[str, tuple[int, int, int, bytes] | None]:
    found: dict[str, tuple[int, int, int, bytes] | None] = {}
    for path in root.rglob("*"):
        told = path.lstat()
        data = str(path.readlink()).encode() if path.is_symlink() else path.read_bytes() if path.is_file() else b""
        found[path.relative_to(root).as_posix()] = (told.st_mode, told.st_uid, told.st_gid, data)
    return found


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("wheels")
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:", "-d", str(folder)]
    subprocess.run([*command, *SAMPLE], check=True)
    return sorted(folder.glob("*.whl"))


def test_what_wheels_hold_is_what_pip_installs(wheels: list[Path], tmp_path: Path) -> None:
    """File by file. Not compared: what pip writes of the installation itself, and the text of scripts it makes."""
    assert len(wheels) == len(SAMPLE)
    wrong: list[str] = []
    for path in wheels:
        root = tmp_path / path.stem
        how = ["--no-deps", "--no-index", "--no-compile", "--ignore-installed", "--no-warn-script-location"]
        command = [sys.executable, "-m", "pip", "install", "-q", *how, "--root", str(root), "--prefix", "/usr/local"]
        subprocess.run([*command, str(path)], check=True, umask=0o022, capture_output=True)
        found = {f"/{file.relative_to(root).as_posix()}": file for file in root.rglob("*") if file.is_file()}
        theirs = {name.replace("/include/site/", "/include/"): file for name, file in found.items()}
        ours = {entry.path.decode(): entry for entry in wheel.entries(package_of(path, SCHEME))}
        only = {name for name in set(ours) ^ set(theirs) if not name.endswith(("/REQUESTED", "/direct_url.json"))}
        wrong += [f"{path.name}: {name}" for name in only if not name.endswith(f"/bin/pip{SCHEME.version}")]
        both = set(ours) & set(theirs)
        wrong += [f"{path.name}: {name}" for name in both if not _same(name, ours[name], theirs[name])]
        shutil.rmtree(root)
    assert wrong == []


def _same(name: str, ours: Entry, theirs: Path) -> bool:
    assert ours.kind is Kind.FILE
    assert callable(ours.content)
    with ours.content() as file:
        data = b"".join(iter(lambda: file.read(1 << 20), b""))
    if len(data) != ours.size or stat.S_IMODE(theirs.stat().st_mode) != ours.mode:
        return False
    if name.endswith("/INSTALLER") or (name.startswith("/usr/local/bin/") and data.startswith(b"#!")):
        return True
    if name.endswith("/RECORD"):
        return _rows(data) == _rows(theirs.read_bytes().replace(b"/include/site/", b"/include/"))
    return data == theirs.read_bytes()


def _rows(data: bytes) -> set[tuple[str, ...]]:
    rows = {tuple(row) for row in csv.reader(io.StringIO(data.decode()))}
    own = ("/INSTALLER", "/REQUESTED", "/direct_url.json")
    return {row for row in rows if not row[0].endswith(own) and "/bin/" not in row[0]}
