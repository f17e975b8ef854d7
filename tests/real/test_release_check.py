"""What would be published is whole, the same each time, and runs where nothing else is."""

import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from tests.real.programs import absent, needs
from tools.release import installed, packages
from tools.release.checks import ROOT, WrongError
from tools.release.packages import Packages

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Packages:
    """The packages of the newest commit."""
    needs("git")
    if subprocess.run(["git", "-C", ROOT, "rev-parse", "HEAD"], capture_output=True, check=False).returncode:
        absent("this is no checkout of git")
    return packages.build(tmp_path_factory.mktemp("packages"))


def test_the_packages_are_whole(made: Packages) -> None:
    packages.told(made)
    packages.whole_sdist(made)
    packages.whole_wheel(made)


def test_it_runs_where_nothing_else_is(made: Packages, tmp_path: Path) -> None:
    place = installed.environment(tmp_path, sys.executable)
    installed.by_itself(place, made)
    installed.with_all(place, made)


def changed(made: Packages, wheel: Path, change: dict[str, bytes | None]) -> Packages:
    """With another wheel, in which files are others, or are not."""
    with zipfile.ZipFile(made.wheel) as old, zipfile.ZipFile(wheel, "w") as new:
        for name in old.namelist():
            if (data := change.get(name, old.read(name))) is not None:
                new.writestr(name, data)
        for name in change.keys() - set(old.namelist()):
            new.writestr(name, change[name] or b"")
    return replace(made, wheel=wheel)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"lamella/server/page/assets/page.css": None}, "missing from the wheel: lamella/server/page/assets/page.css"),
        ({"lamella/py.typed": None}, "missing from the wheel: lamella/py.typed"),
        ({"tests/conftest.py": b""}, "the wheel should not have tests/conftest.py"),
        ({"lamella/errors.py": b""}, "different bytes in the wheel: lamella/errors.py"),
    ],
)
def test_a_wheel_that_is_not_whole(made: Packages, tmp_path: Path, change: dict[str, bytes | None], said: str) -> None:
    with pytest.raises(WrongError, match=said):
        packages.whole_wheel(changed(made, tmp_path / "wheel.zip", change))


def test_a_version_of_which_nobody_was_told(made: Packages) -> None:
    with pytest.raises(WrongError, match=r"no heading `## 9\.9\.9"):
        packages.told(replace(made, version="9.9.9"))
