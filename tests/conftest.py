import itertools
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest
from tests.buckets import Memory
from tests.objects import AWS, objects
from tests.real.programs import absent

from lamella.cache.bucket import SharedBucket
from lamella.cache.folder import Folder
from lamella.cache.objects import bucket_at

_numbers = itertools.count()

hypothesis.settings.register_profile("lamella", deadline=None)  # how long one takes depends on what else runs
hypothesis.settings.load_profile("lamella")


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """A bucket of an object store on this machine; yields its address."""
    with objects("ours") as how:
        yield how


@pytest.fixture(params=["folder", "memory", "s3"])
def bucket(request: pytest.FixtureRequest, tmp_path: Path) -> SharedBucket:
    """An empty bucket of each kind."""
    made: dict[str, Callable[[], SharedBucket]] = {
        "folder": lambda: Folder(tmp_path / "bucket"),
        "memory": Memory,
        "s3": lambda: bucket_at(f"s3://ours/{next(_numbers)}{request.getfixturevalue('s3')}", AWS, tmp_path),
    }
    return made[request.param]()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk that is soon full."""
    folder = tmp_path / "small"
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", folder], capture_output=True, check=False)
    if made.returncode:
        absent("needs root, to mount a small disk")
    yield folder
    subprocess.run(["umount", folder], check=True)
