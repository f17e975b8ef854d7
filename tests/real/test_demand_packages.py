"""Images of Debian's and of Python packages by their names, from the archives and indexes of this machine, and run."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.real.programs import Podman, absent
from tests.server.demand.conftest import open_workshop
from tests.server.demand.images import opened

from lamella.destinations.layout import Layout
from lamella.oci.platforms import here, spelled
from lamella.server.demand.build import build
from lamella.server.demand.names import parse
from lamella.server.demand.pins import pin_of
from lamella.server.demand.settings import BuildLimits, ServedPython, Source
from lamella.server.demand.workshop import Workshop
from lamella.sources.debian.suites import apt_suites

pytestmark = pytest.mark.real

SOURCES = [
    Source(
        name="py3.11",
        kind="pypi",
        python=ServedPython(version="3.11", libc="manylinux_2_36"),
        platforms=[spelled(here())],
    ),
    Source(name="deb", kind="deb", platforms=[spelled(here())]),
]


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    if not apt_suites():
        absent("apt names no archives here")
    with open_workshop(tmp_path_factory.mktemp("demand")) as found:
        yield found


@pytest.mark.parametrize(
    ("name", "command", "said"),
    [
        ("py3.11/numpy", ["python", "-c", "import numpy; print(numpy.arange(4).sum())"], "6"),
        ("deb/shell/curl/jq", ["bash", "-c", "echo '{\"x\": 1}' | jq .x; curl --version | head -c4"], "1\ncurl"),
    ],
)
def test_it_runs(name: str, command: list[str], said: str, workshop: Workshop, tmp_path: Path, podman: Podman) -> None:
    request = parse(name, "latest", SOURCES, BuildLimits())
    root = build(request, pin_of(request, workshop.place), workshop, Layout(tmp_path / "out"))
    image = opened(tmp_path / "out", root)
    assert len(image.layers) <= request.layers
    pulled = podman("pull", "--quiet", f"oci:{tmp_path}/out:built").strip()
    assert podman("run", "--rm", pulled, *command).strip() == said
