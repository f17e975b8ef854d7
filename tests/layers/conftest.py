from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.layers.go import Program, go
from tests.real.programs import absent


def _started(name: str, folder: Path) -> Iterator[Program]:
    if not go():
        absent("Go is not installed")
    program = Program(name, folder)
    yield program
    program.stop()


@pytest.fixture(scope="session")
def go_headers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    yield from _started("headers", tmp_path_factory.mktemp("go"))


@pytest.fixture(scope="session")
def go_replace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    yield from _started("replace", tmp_path_factory.mktemp("go"))
