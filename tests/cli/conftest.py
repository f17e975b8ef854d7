import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.registry.fake import Fake, serving

HELLO = Path(__file__).parents[2] / "examples" / "hello"


@pytest.fixture
def fake() -> Iterator[Fake]:
    """A registry that tells what it was asked."""
    with serving(Fake()) as fake:
        yield fake


@pytest.fixture
def hello(tmp_path: Path) -> Path:
    """A copy of the example."""
    shutil.copytree(HELLO, tmp_path / "hello")
    return tmp_path / "hello"


@pytest.fixture
def both(hello: Path) -> Path:
    """The example, for two platforms."""
    spec = (hello / "lamella.toml").read_text()
    (hello / "lamella.toml").write_text(spec.replace('["linux/amd64"]', '["linux/amd64", "linux/arm64"]'))
    return hello


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """The folder that nix2container's own paths are relative to."""
    (tmp_path / "data" / "tar-directory").mkdir(parents=True)
    (tmp_path / "data" / "layer1").mkdir()
    (tmp_path / "data" / "tar-directory" / "file1").write_text("content file1")
    (tmp_path / "data" / "tar-directory" / "symlink").symlink_to("file1")
    (tmp_path / "data" / "layer1" / "file1").touch()
    for path in (tmp_path / "data").rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else 0o644)
    (tmp_path / "work").mkdir()
    return tmp_path / "work"
