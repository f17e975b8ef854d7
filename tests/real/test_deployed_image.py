"""The image of lamella, built by lamella, serves: without root rights, and without a file system to write to."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from tests.real.programs import Docker, Podman, absent, run, skopeo_copy
from tests.waiting import until

from lamella.server.settings import parse_settings
from lamella.sources.debian.suites import apt_suites

pytestmark = pytest.mark.real

ROOT = Path(__file__).parents[2]
HERE = ROOT / "deploy" / "image"
PARTS = ("src", "pyproject.toml", "README.md", "LICENSE", "deploy")
EXTRAS = ("nix", "pypi", "s3", "server")
LOCKED_DOWN = ("--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--network=host")
SERVING = re.compile(r"serving at http://(\S+?),? ")
SETTINGS = """\
bucket = "/var/lib/lamella/bucket"
writable = true

[access]
anonymous = ["*"]

[[source]]
name = "images"
kind = "specs"
from = "/etc/lamella/images"
"""


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The image in a file, as `make image` builds it, of what archives and indexes have now."""
    if not apt_suites():
        absent("apt names no archives here")
    folder = tmp_path_factory.mktemp("checkout")
    unwanted = shutil.ignore_patterns("__pycache__", "lamella.lock", "image.json", "made")
    for part in PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, folder / part, ignore=unwanted)
        else:
            shutil.copy(ROOT / part, folder)
    subprocess.run(["git", "init", "--quiet", folder], check=True)
    who = ["-c", "user.name=a", "-c", "user.email=a@localhost"]
    subprocess.run(["git", "-C", folder, *who, "commit", "--quiet", "--allow-empty", "-m", "first"], check=True)
    programs = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "LAMELLA_CACHE": str(folder / "cache")}
    image = folder / "deploy" / "image"
    (image / "made" / "state").mkdir(parents=True)
    (image / "made" / "wheel").mkdir()
    run("lamella", "lock", "--quiet", image, **programs)
    run("sh", image / "make.sh", "--quiet", "--platform", "linux/amd64", **programs)
    run("lamella", "copy", "--quiet", image / "image.json", f"docker-archive:{folder / 'image.tar'}", **programs)
    return folder / "image.tar"


@pytest.fixture(params=["docker", "podman"])
def runtime(request: pytest.FixtureRequest, archive: Path) -> Docker | Podman:
    """A runtime that has the image."""
    found: Docker | Podman = request.getfixturevalue(request.param)
    found("load", "--input", archive)
    return found


@contextmanager
def container(runtime: Docker | Podman, *options: object) -> Iterator[str]:
    """A container that serves on this machine's loopback; gives its number."""
    words = ("serve", "--config", "/etc/lamella/server.toml", "--listen", "127.0.0.1:0")
    number = runtime("run", "--detach", *LOCKED_DOWN, *options, "lamella:latest", *words).strip()
    try:
        yield number
    finally:
        runtime("rm", "--force", "--volumes", number)


def address(runtime: Docker | Podman, number: str) -> str:
    """Where it serves."""
    return until(lambda: SERVING.search(said_by(runtime, number)), "it says where it serves")[1]


def said_by(runtime: Docker | Podman, number: str) -> str:
    place = "{{.LogPath}}" if isinstance(runtime, Docker) else "{{.HostConfig.LogConfig.Path}}"
    return Path(runtime("inspect", "--format", place, number).strip()).read_text()


def test_it_builds_what_is_pulled_without_rights(runtime: Docker | Podman, tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "lamella.toml").write_text('name = "app"\nfiles = ["lamella.toml"]\n')
    (tmp_path / "server.toml").write_text(SETTINGS)
    mounts = [f"--volume={tmp_path / 'server.toml'}:/etc/lamella/server.toml:ro"]
    mounts += [f"--volume={tmp_path}:/etc/lamella/images:ro"]
    tmp_path.chmod(0o755)
    with container(runtime, *mounts) as number:
        server = address(runtime, number)
        skopeo_copy(f"docker://{server}/images/app:latest", f"dir:{tmp_path / 'pulled'}", "--src-tls-verify=false")
        assert (tmp_path / "pulled" / "manifest.json").is_file()
        skopeo_copy(f"dir:{tmp_path / 'pulled'}", f"docker://{server}/pushed:latest", "--dest-tls-verify=false")
        status = Path("/proc", runtime("inspect", "--format", "{{.State.Pid}}", number).strip(), "status").read_text()
        told = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        assert told["Uid"].split() == ["1000"] * 4
        assert told["Gid"].split() == ["1000"] * 4
        assert int(told["CapEff"], 16) == 0
        assert told["NoNewPrivs"] == "1"
        runtime("stop", number)
        assert runtime("inspect", "--format", "{{.State.ExitCode}}", number).strip() == "0"


def test_the_settings_in_it_let_nobody_push() -> None:
    settings = parse_settings((HERE / "root" / "etc" / "lamella" / "server.toml").read_text(), "server.toml")
    assert not settings.writable
    assert settings.access.anonymous == ("pull",)
    assert settings.bucket.startswith("/var/lib/lamella/")


def test_it_has_all_that_lamella_needs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = [*project["dependencies"], *(one for extra in EXTRAS for one in project["optional-dependencies"][extra])]
    listed = [line for line in (HERE / "requirements.txt").read_text().splitlines() if not line.startswith("#")]
    assert {str(Requirement(one)) for one in listed} == {str(Requirement(one)) for one in needed}


def test_its_lock_is_of_what_it_asks_for(tmp_path: Path) -> None:
    shutil.copytree(HERE, tmp_path / "image", ignore=shutil.ignore_patterns("made", "image.json"))
    (tmp_path / "image" / "made" / "wheel").mkdir(parents=True)
    (tmp_path / "image" / "made" / "state").mkdir()
    run("lamella", "lock", "--check", tmp_path / "image", PATH=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
