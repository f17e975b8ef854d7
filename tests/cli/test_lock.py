"""Locking as a user does it, with an index of the tests: what is written, kept and refused."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.command import LAMELLA
from tests.index import Index, serving
from tests.sdists import make_sdist
from tests.wheels import make_wheel

from lamella.sources.python.uv import uv_command

SPEC = """
name = "demo"
platforms = ["linux/amd64", "linux/arm64"]
pypi = ["top[more]"]

[python]
version = "3.12"

[[layer]]
name = "low"
pypi = [{ file = "low.txt" }]
"""


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    folder = tmp_path / "index"
    folder.mkdir()
    make_wheel(folder, "low", "1.0", {"low/__init__.py": b"low = 1\n", "low/data.bin": os.urandom(400_000)})
    make_wheel(folder, "low", "2.0", {"low/__init__.py": b"low = 2\n", "low/data.bin": os.urandom(400_000)})
    make_wheel(folder, "top", "1.0", requires=["mid", "extra; extra == 'more'", "never; sys_platform == 'win32'"])
    make_wheel(folder, "mid", "1.5", requires=["low"], scripts="[console_scripts]\nmid = mid:run\n")
    make_wheel(folder, "extra", "0.1")
    for machine in ("x86_64", "aarch64"):
        made = make_wheel(folder, "native", "1.0", {f"native/{machine}.so": machine.encode()})
        made.rename(folder / f"native-1.0-cp312-cp312-manylinux_2_17_{machine}.whl")
    with serving(Index(folder)) as found:
        yield found


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "lamella.toml").write_text(SPEC)
    (folder / "low.txt").write_text("# what lies below\nlow<2  # not yet\n")
    return folder


def lamella(folder: Path, index: Index, *args: str, **more: str) -> subprocess.CompletedProcess[str]:
    command = [*LAMELLA, *args]
    told = {"LAMELLA_CACHE": str(folder.parent / "cache"), "UV_CACHE_DIR": str(folder.parent / "uv")}
    env = {**os.environ, **told, "UV_DEFAULT_INDEX": index.url, "HOME": str(folder.parent), **more}
    env.pop("UV_FIND_LINKS", None)
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)


def good(folder: Path, index: Index, *args: str, **more: str) -> str:
    ran = lamella(folder, index, *args, **more)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def bad(folder: Path, index: Index, *args: str, code: int = 3, **more: str) -> str:
    ran = lamella(folder, index, *args, **more)
    assert (ran.returncode, ran.stderr.count("\n"), "Traceback" in ran.stderr) == (code, 1, False), ran.stderr
    return ran.stderr


def locked(folder: Path, platform: str = "linux/amd64") -> Mapping[str, Any]:
    lock = json.loads((folder / "lamella.lock").read_text())
    return {wheel["name"]: wheel for wheel in lock["platforms"][platform]["python"]["wheels"]}


def forget(folder: Path) -> None:
    shutil.rmtree(folder.parent / "cache", ignore_errors=True)
    shutil.rmtree(folder.parent / "uv", ignore_errors=True)


def test_a_build_of_locked_wheels_that_are_known_loads_nothing_that_reads_them(work: Path, index: Index) -> None:
    good(work, index, "lock")
    good(work, index, "build")
    ran = lamella(work, index, "build", PYTHONPROFILEIMPORTTIME="1")
    loaded = {line.rpartition("|")[2].strip() for line in ran.stderr.splitlines()}
    assert "lamella.sources.python.recipe" in loaded
    assert not {"ssl", "zipfile", "email.parser", "lamella.sources.python.wheel"} & loaded


def test_the_lock_says_all_and_names_no_host(work: Path, index: Index) -> None:
    told = good(work, index, "lock")
    assert "4 packages for linux/amd64" in told
    wheels = locked(work)
    assert set(wheels) == {"extra", "low", "mid", "top"}
    assert wheels["top"]["references"] == ["extra", "mid"]
    assert wheels["mid"]["references"] == ["low"]
    assert wheels["low"]["size"] == (index.folder / wheels["low"]["file"]).stat().st_size
    assert wheels["low"]["unpacked"] > 400_000
    assert "127.0.0.1" not in (work / "lamella.lock").read_text()


def test_only_what_is_needed_of_a_wheel_is_read_to_lock_it(work: Path, index: Index) -> None:
    big = index.folder / "low-1.0-py3-none-any.whl"
    data = {"low/__init__.py": b"", **{f"low/{i}": os.urandom(1_000_000) for i in range(3)}}
    make_wheel(index.folder, "low", "1.0", data)
    good(work, index, "lock")
    assert big.stat().st_size > 3_000_000
    assert not list((work.parent / "cache").rglob("files/*"))


def test_an_index_that_gives_whole_files_only(work: Path, index: Index) -> None:
    index.ranges = False
    good(work, index, "lock")
    with_ranges = (work / "lamella.lock").read_bytes()
    forget(work)
    index.ranges = True
    (work / "lamella.lock").unlink()
    good(work, index, "lock")
    assert (work / "lamella.lock").read_bytes() == with_ranges


def test_layers_hold_what_they_ask_for_minus_what_is_below(work: Path, index: Index) -> None:
    good(work, index, "lock")
    layers = json.loads(good(work, index, "build", "--json"))["layers"]
    assert [layer["name"] for layer in layers] == ["low", "app"]
    told = json.loads(good(work, index, "inspect", "--json", "image.json"))["layers"]
    assert [sorted(package["id"] for package in layer["packages"]) for layer in told] == [
        ["low-1.0"],
        ["extra-0.1", "mid-1.5", "top-1.0"],
    ]


def test_the_same_lock_gives_the_same_bytes_anywhere(work: Path, index: Index) -> None:
    good(work, index, "lock")
    here = json.loads(good(work, index, "build", "--json"))
    forget(work)
    index.asked.clear()
    there = json.loads(good(work, index, "build", "--json"))
    assert [layer["digest"] for layer in here["layers"]] == [layer["digest"] for layer in there["layers"]]
    assert index.files_asked()


def test_what_is_known_needs_no_files(work: Path, index: Index) -> None:
    good(work, index, "lock")
    good(work, index, "build")
    shutil.rmtree(work.parent / "cache" / "files")
    index.asked.clear()
    assert "0 made" in good(work, index, "build")
    assert not index.asked


def test_platforms_get_their_own_wheels(work: Path, index: Index) -> None:
    (work / "low.txt").write_text("native\n")
    good(work, index, "lock")
    files = [locked(work, f"linux/{name}")["native"]["file"] for name in ("amd64", "arm64")]
    assert [file.rpartition("_2_17_")[2] for file in files] == ["x86_64.whl", "aarch64.whl"]
    one = json.loads(good(work, index, "build", "--platform", "linux/arm64", "--json"))
    other = json.loads(good(work, index, "build", "--platform", "linux/amd64", "--json"))
    assert one["layers"][0]["digest"] != other["layers"][0]["digest"]


def test_a_platform_without_a_wheel(work: Path, index: Index) -> None:
    (work / "low.txt").write_text("native\n")
    (index.folder / "native-1.0-cp312-cp312-manylinux_2_17_aarch64.whl").unlink()
    assert "native" in bad(work, index, "lock")
    assert not (work / "lamella.lock").exists()


def test_what_is_locked_stays_until_it_is_upgraded(work: Path, index: Index) -> None:
    good(work, index, "lock")
    (work / "low.txt").write_text("low\n")
    assert "+ low, - low<2" in bad(work, index, "build")
    assert "wrote lamella.lock" in good(work, index, "lock")
    assert locked(work)["low"]["version"] == "1.0"
    assert "~ low 1.0 -> 2.0" in good(work, index, "lock", "--upgrade", "low", "--diff")
    assert locked(work)["low"]["version"] == "1.0"
    assert "~ low" not in good(work, index, "lock", "--upgrade", "mid")
    assert "~ low 1.0 -> 2.0" in good(work, index, "lock", "--upgrade")
    assert locked(work)["low"]["version"] == "2.0"
    assert "lamella.lock is unchanged" in good(work, index, "lock")


def test_check_asks_nobody(work: Path, index: Index) -> None:
    assert "there is no lamella.lock" in bad(work, index, "lock", "--check")
    good(work, index, "lock")
    index.asked.clear()
    assert " matches " in good(work, index, "lock", "--check")
    told = json.loads(good(work, index, "lock", "--check", "--json"))
    assert (told["written"], told["changes"]) == (False, [])
    (work / "lamella.toml").write_text(SPEC.replace("3.12", "3.11"))
    assert "+ Python 3.11" in bad(work, index, "lock", "--check")
    (work / "lamella.toml").write_text(SPEC.replace('"linux/arm64"', '"linux/riscv64"'))
    assert "is incomplete for linux/riscv64" in bad(work, index, "lock", "--check")
    assert not index.asked


def test_without_a_lock_nothing_is_built(work: Path, index: Index) -> None:
    assert "run lamella lock" in bad(work, index, "build")


@pytest.mark.parametrize("damage", ["{", "[]", '{"version": 2}', '{"version": 1, "platforms": 3}', "\x00"])
def test_locks_that_cannot_be_read(work: Path, index: Index, damage: str) -> None:
    (work / "lamella.lock").write_text(damage)
    ran = lamella(work, index, "build")
    assert ran.returncode in (3, 4)
    assert ran.stderr.count("\n") == 1
    assert "lamella.lock" in ran.stderr


def test_a_package_whose_bytes_are_others_now(work: Path, index: Index) -> None:
    good(work, index, "lock")
    make_wheel(index.folder.parent, "low", "1.0", {"low/__init__.py": b"evil\n"})
    index.forged["low-1.0-py3-none-any.whl"] = (work.parent / "low-1.0-py3-none-any.whl").read_bytes()
    assert "the downloaded low-1.0-py3-none-any.whl (" in bad(work, index, "build", code=4)
    assert not (work.parent / "cache" / "files" / locked(work)["low"]["sha256"]).exists()
    assert not (work / "image.json").exists()


def test_a_package_that_is_larger_than_it_should_be(work: Path, index: Index) -> None:
    good(work, index, "lock")
    index.forged["low-1.0-py3-none-any.whl"] = bytes(5_000_000)
    assert "is larger than the" in bad(work, index, "build", code=4)


def test_a_package_that_is_gone(work: Path, index: Index) -> None:
    good(work, index, "lock")
    (index.folder / "low-1.0-py3-none-any.whl").unlink()
    forget(work)
    assert "low" in bad(work, index, "build")


def test_lost_connections_are_taken_up(work: Path, index: Index) -> None:
    good(work, index, "lock")
    index.cut, index.busy = 150_000, 2
    index.asked.clear()
    good(work, index, "build")
    assert index.files_asked().count("low-1.0-py3-none-any.whl") >= 2


def test_what_a_killed_run_has_fetched_is_not_fetched_again(work: Path, index: Index) -> None:
    good(work, index, "lock")
    low = locked(work)["low"]
    data = (index.folder / low["file"]).read_bytes()
    partial = work.parent / "cache" / "partial" / low["sha256"]
    for start in (data[:100_000], b"wrong" * 1000, data):
        partial.parent.mkdir(exist_ok=True)
        partial.write_bytes(start)
        shutil.rmtree(work.parent / "cache" / "files", ignore_errors=True)
        shutil.rmtree(work.parent / "cache" / "builds", ignore_errors=True)
        good(work, index, "build")
        assert (work.parent / "cache" / "files" / low["sha256"]).read_bytes() == data
        assert not partial.exists()


def test_private_indexes(work: Path, index: Index) -> None:
    index.login = "me:s3cret"
    good(work, index, "lock")
    told = good(work, index, "build")
    forget(work)
    told += good(work, index, "build", NETRC=str(netrc(work)))
    assert "s3cret" not in told + (work / "lamella.lock").read_text() + (work / "image.json").read_text()


def test_who_we_are_is_known_to_uv_or_by_an_indexs_name(work: Path, index: Index) -> None:
    index.login = "me:s3cret"
    good(work, index, "lock")
    bare = {"UV_DEFAULT_INDEX": f"own=http://127.0.0.1:{index.port}/simple"}
    forget(work)
    assert "lack of valid authentication" in bad(work, index, "build", code=3, **bare)
    good(work, index, "build", UV_INDEX_OWN_USERNAME="me", UV_INDEX_OWN_PASSWORD="s3cret", **bare)
    forget(work)
    kept = {"UV_CREDENTIALS_DIR": str(work.parent / "credentials"), **bare}
    log_in = [*uv_command(), "auth", "login", bare["UV_DEFAULT_INDEX"][4:], "--token", "s3cret"]
    subprocess.run(log_in, env={**os.environ, **kept}, check=True, capture_output=True)
    index.login = "__token__:s3cret"
    good(work, index, "build", **kept)


def netrc(work: Path) -> Path:
    file = work.parent / "netrc"
    file.write_text("machine 127.0.0.1 login me password s3cret\n")
    return file


def test_packages_that_claim_one_place(work: Path, index: Index) -> None:
    make_wheel(index.folder, "extra", "0.1", {"extra/__init__.py": b"", "tests/__init__.py": b"extra"})
    make_wheel(index.folder, "top", "1.0", {"tests/__init__.py": b"top", "same.py": b""}, ["extra"])
    (work / "lamella.toml").write_text(SPEC.replace("[more]", ""))
    assert "extra and top have different files tests/__init__.py" in bad(work, index, "lock")
    text = SPEC.replace("[more]", "").replace('"3.12"', '"3.12"\nshared = ["tests/*"]')
    (work / "lamella.toml").write_text(text)
    good(work, index, "lock")
    assert locked(work)["extra"]["without"] == ["tests/__init__.py"]
    good(work, index, "build")


def test_files_of_requirements(work: Path, index: Index) -> None:
    (work / "more.txt").write_text("extra \\\n  ==0.1 --hash=sha256:abc\n")
    (work / "limits.txt").write_text("low<2\n")
    (work / "low.txt").write_text(
        "-r more.txt\n-c limits.txt\nlow ; python_version >= '3.8'\nmid ; python_version < '3'\n"
    )
    good(work, index, "lock")
    assert locked(work)["low"]["version"] == "1.0"
    (work / "limits.txt").write_text("low<1.5\n")
    assert "+ constraint low<1.5" in bad(work, index, "lock", "--check")


def test_constraints_may_include_others(work: Path, index: Index) -> None:
    (work / "lamella.toml").write_text(SPEC.replace('"3.12"', '"3.12"\nconstraints = ["limits.txt"]'))
    (work / "limits.txt").write_text("-c more.txt\n")
    (work / "more.txt").write_text("low<2\n")
    good(work, index, "lock")
    assert locked(work)["low"]["version"] == "1.0"
    good(work, index, "lock", "--check")
    (work / "more.txt").write_text("low<1.5\n")
    assert "+ constraint low<1.5" in bad(work, index, "lock", "--check")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("not a requirement!", "low.txt:1: 'not a requirement!' is not a requirement"),
        ("--editable .", "low.txt:1: --editable is not supported"),
        ("-r low.txt", "include each other endlessly"),
        ("-r nowhere.txt", "cannot read the requirements in nowhere.txt: No such file or directory\n"),
        ("nowhere", "nowhere was not found"),
        ("low>5", "uv finds no compatible packages"),
        ("--extra-index-url nonsense://nowhere\nnowhere", "uv cannot choose packages: Failed to fetch"),
    ],
)
def test_requirements_that_cannot_be(work: Path, index: Index, text: str, said: str) -> None:
    (work / "low.txt").write_text(text)
    ran = lamella(work, index, "lock")
    assert ran.returncode in (2, 3)
    assert ran.stderr.count("\n") == 1
    assert said in ran.stderr


def test_locks_of_projects(work: Path, index: Index) -> None:
    project = work / "project"
    project.mkdir()
    told = 'name = "p"\nversion = "1"\ndependencies = ["mid"]\nrequires-python = ">=3.8"\n'
    (project / "pyproject.toml").write_text(f'[project]\n{told}[dependency-groups]\ndev = ["native"]\n')
    env = {**os.environ, "UV_DEFAULT_INDEX": index.url, "UV_CACHE_DIR": str(work.parent / "uv")}
    command = [sys.executable, "-m", "uv", "lock", "-q", "--no-python-downloads", "--python", sys.executable]
    subprocess.run(command, cwd=project, env=env, check=True)
    text = '\n[[layer]]\nname = "project"\npypi = [{ lock = "project/uv.lock" }]\n'
    (work / "lamella.toml").write_text(SPEC.partition("[[layer]]")[0] + text)
    good(work, index, "lock")
    assert locked(work)["low"]["version"] == "2.0"
    assert "native" in (project / "uv.lock").read_text(), "what is for development"
    assert "native" not in locked(work)
    (work / "pylock.toml").write_text('lock-version = "1.0"\n[[packages]]\nname = "low"\nversion = "1.0"\n')
    (work / "lamella.toml").write_text((work / "lamella.toml").read_text().replace("project/uv.lock", "pylock.toml"))
    good(work, index, "lock")
    assert locked(work)["low"]["version"] == "1.0"


def project(folder: Path, name: str) -> Path:
    """Source code that builds without anything from an index."""
    folder.mkdir(parents=True)
    (folder / "backend.py").write_text(BACKEND)
    told = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    (folder / "pyproject.toml").write_text(f'{told}[project]\nname = "{name}"\nversion = "3.0"\n')
    return folder


BACKEND = """
import base64, hashlib, zipfile

def build_wheel(folder, config_settings=None, metadata_directory=None):
    name = "fromsource"
    files = {f"{name}.py": b"made = True\\n"}
    info = f"{name}-3.0.dist-info"
    files[f"{info}/METADATA"] = f"Metadata-Version: 2.1\\nName: {name}\\nVersion: 3.0\\nRequires-Dist: low\\n".encode()
    files[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\\nGenerator: t\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
    files[f"{info}/RECORD"] = b""
    with zipfile.ZipFile(f"{folder}/{name}-3.0-py3-none-any.whl", "w") as archive:
        for path, data in files.items():
            archive.writestr(zipfile.ZipInfo(path), data)
    return f"{name}-3.0-py3-none-any.whl"
"""


def test_packages_that_are_source_only(work: Path, index: Index) -> None:
    project(work / "src" / "fromsource-3.0", "fromsource")
    sdist = index.folder / "fromsource-3.0.tar.gz"
    subprocess.run(["tar", "-czf", sdist, "-C", work / "src", "fromsource-3.0"], check=True)
    (work / "low.txt").write_text("fromsource\nlow<2\n")
    good(work, index, "lock")
    told = locked(work)["fromsource"]
    assert (told["file"], told["references"]) == ("fromsource-3.0.tar.gz", ["low"])
    here = json.loads(good(work, index, "build", "--json"))["layers"]
    forget(work)
    there = json.loads(good(work, index, "build", "--json"))["layers"]
    assert [layer["digest"] for layer in here] == [layer["digest"] for layer in there]
    (work / "src" / "fromsource-3.0" / "backend.py").write_text("raise SystemExit('no compiler here')\n")
    subprocess.run(["tar", "-czf", sdist, "-C", work / "src", "fromsource-3.0"], check=True)
    forget(work)
    assert "fromsource" in bad(work, index, "lock")


def test_wheels_alone_are_taken_where_a_spec_says_so(work: Path, index: Index) -> None:
    ran = work / "ran"
    make_sdist(index.folder, "low", "1.5", ran)
    make_sdist(index.folder, "onlysource", "1.0", ran)
    (work / "lamella.toml").write_text(SPEC.replace('"3.12"', '"3.12"\nbuild = false'))
    good(work, index, "lock")
    assert locked(work)["low"]["version"] == "1.0"
    (work / "low.txt").write_text("onlysource\n")
    assert "only wheels are allowed" in bad(work, index, "lock")
    git = project(work / "repository", "fromsource")
    for command in (
        ["init", "-q"],
        ["add", "-A"],
        ["-c", "user.name=t", "-c", "user.email=t@x", "commit", "-qm", "one"],
    ):
        subprocess.run(["git", "-C", git, *command], check=True)
    for where in (f"git+{git.as_uri()}", f"http://127.0.0.1:{index.port}/files/onlysource-1.0.tar.gz"):
        name = "fromsource" if where.startswith("git") else "onlysource"
        (work / "low.txt").write_text(f"{name} @ {where}\n")
        assert "only wheels are allowed" in bad(work, index, "lock")
    assert not ran.exists()


def test_uv_may_be_forbidden_to_build(work: Path, index: Index) -> None:
    ran = work / "ran"
    make_sdist(index.folder, "onlysource", "1.0", ran)
    (work / "low.txt").write_text("onlysource\n")
    assert "UV_NO_BUILD" in bad(work, index, "lock", UV_NO_BUILD="1")
    assert not ran.exists()
    good(work, index, "lock", UV_NO_BUILD="0")
    ran.unlink()
    forget(work)
    assert "its code" in bad(work, index, "build", UV_NO_BUILD="true")
    assert not ran.exists()


def test_nothing_is_built_of_what_an_image_tells(work: Path, index: Index) -> None:
    ran = work / "ran"
    make_sdist(index.folder, "onlysource", "1.0", ran)
    (work / "low.txt").write_text("onlysource\n")
    good(work, index, "lock")
    good(work, index, "copy", "lamella.toml", "oci:out:v1", "--platform", "linux/amd64")
    ran.unlink()
    forget(work)
    path = "/usr/local/lib/python3.12/site-packages/onlysource.py"
    assert "its code" in bad(work, index, "explain", path, "oci:out:v1")
    assert not ran.exists()


def test_packages_at_a_commit(work: Path, index: Index) -> None:
    folder = project(work / "repository", "fromsource")
    git = ["git", "-C", str(folder), "-c", "user.name=t", "-c", "user.email=t@example.org"]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "one"]):
        subprocess.run([*git, *command], check=True)
    (work / "low.txt").write_text(f"fromsource @ git+{folder.as_uri()}\n")
    good(work, index, "lock")
    commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    assert (locked(work)["fromsource"]["commit"], locked(work)["fromsource"]["version"]) == (commit, "3.0")
    assert str(folder) not in (work / "lamella.lock").read_text()
    good(work, index, "build")
    (folder / "more.txt").write_text("later")
    for command in (["add", "-A"], ["commit", "-qm", "two"]):
        subprocess.run([*git, *command], check=True)
    forget(work)
    assert "2 made" in good(work, index, "build")


def test_packages_at_an_address(work: Path, index: Index) -> None:
    url = f"http://127.0.0.1:{index.port}/files/low-1.0-py3-none-any.whl"
    (work / "low.txt").write_text(f"low @ {url}\n")
    good(work, index, "lock")
    forget(work)
    good(work, index, "build")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("sha256", "../../../../etc/passwd"),
        ("sha256", "A" * 64),
        ("sha256", ""),
        ("sha256", "0" * 64 + "\n"),
        ("file", "../low.whl"),
        ("name", "../low"),
        ("name", "mid"),
        ("version", "1/2"),
        ("size", -1),
        ("unpacked", 1 << 60),
        ("references", ["nowhere"]),
        ("references", "low"),
        ("commit", "--upload-pack=evil"),
    ],
)
def test_locks_that_nobody_would_write(work: Path, index: Index, key: str, value: object) -> None:
    good(work, index, "lock")
    lock = json.loads((work / "lamella.lock").read_text())
    for platform in lock["platforms"].values():
        low = next(wheel for wheel in platform["python"]["wheels"] if wheel["name"] == "low")
        low[key] = value
    (work / "lamella.lock").write_text(json.dumps(lock))
    index.asked.clear()
    ran = lamella(work, index, "build")
    assert ran.returncode in (3, 4)
    assert ran.stderr.count("\n") == 1
    assert "lamella.lock" in ran.stderr
    assert not index.asked
    assert not (work / "image.json").exists()


def test_files_are_fetched_again_where_only_their_bytes_are_wanted(work: Path, index: Index) -> None:
    """The layers are known, but their bytes are needed after all."""
    good(work, index, "lock")
    good(work, index, "build")
    shutil.rmtree(work.parent / "cache" / "files")
    good(work, index, "copy", ".", "oci:out")
    assert "0 problems" in good(work, index, "validate", "oci:out")
    shutil.rmtree(work.parent / "cache" / "files")
    path = "/usr/local/lib/python3.12/site-packages/low/data.bin"
    assert "is in layer low" in good(work, index, "explain", path)


def test_a_package_larger_than_a_layer_may_be(work: Path, index: Index) -> None:
    (work / "lamella.toml").write_text(SPEC.replace('name = "low"', 'name = "low"\nmax_bytes = 100000'))
    make_wheel(index.folder, "low", "1.0", {f"low/{i}": os.urandom(60_000) for i in range(6)})
    good(work, index, "lock")
    layers = json.loads(good(work, index, "build", "--json"))["layers"]
    assert [layer["tar_size"] <= 100_000 for layer in layers if layer["name"].startswith("low")] == [True] * 6


def test_an_image_json_is_good_on_another_machine(work: Path, index: Index) -> None:
    good(work, index, "lock")
    good(work, index, "build")
    assert str(work.parent / "cache") not in (work / "image.json").read_text()
    forget(work)
    (work / "lamella.toml").unlink()
    (work / "lamella.lock").unlink()
    good(work, index, "copy", "image.json", "oci:out")
    assert "0 problems" in good(work, index, "validate", "oci:out")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('\\"sha256\\":\\"', '\\"sha256\\":\\"../../../../'),
        ('\\"version\\":\\"3.12', '\\"version\\":\\"../../3.12'),
        ('\\"file\\":\\"', '\\"file\\":\\"../'),
        ('\\"size\\":', '\\"size\\":[1],\\"was\\":'),
    ],
)
def test_an_image_json_that_nobody_would_write(work: Path, index: Index, before: str, after: str) -> None:
    good(work, index, "lock")
    good(work, index, "build")
    forget(work)
    text = (work / "image.json").read_text()
    assert before in text
    (work / "image.json").write_text(text.replace(before, after))
    there = {file for file in work.parent.rglob("*") if "cache" not in file.parts and "uv" not in file.parts}
    ran = lamella(work, index, "copy", "image.json", "oci:out")
    assert ran.returncode in (3, 4)
    assert ran.stderr.count("\n") == 1
    left = {file for file in work.parent.rglob("*") if "cache" not in file.parts and "uv" not in file.parts}
    assert {file for file in left - there if work / "out" not in (file, *file.parents)} == set()


def test_bytecode_is_by_the_python_that_the_lock_names(work: Path, index: Index) -> None:
    version = ".".join(map(str, sys.version_info[:2]))
    spec = work / "lamella.toml"
    spec.write_text(SPEC.replace('"3.12"', f'"{version}"\nbytecode = true').replace('"top[more]"', '"top"'))
    good(work, index, "lock")
    lock = work / "lamella.lock"
    named = json.loads(lock.read_text())["platforms"]["linux/amd64"]["python"]["compiler"]
    assert named.startswith(f"{version}.")
    good(work, index, "build")
    ran = good(work, index, "check", "--list", "--json")
    assert "low" in ran
    lock.write_text(lock.read_text().replace(f'"{named}"', f'"{version}.99"'))
    assert f"Python {version}.99, which is not installed" in bad(work, index, "build")
    good(work, index, "lock")
    assert f'"{version}.99"' in lock.read_text(), "what was decided stays"
    good(work, index, "lock", "--upgrade", "python")
    assert f'"{named}"' in lock.read_text()
