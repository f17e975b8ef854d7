"""What is measured can be measured: each topic runs at a size that says nothing of speed, and can be drawn and told."""

from collections.abc import Iterator
from xml.etree import ElementTree

import pytest
from benchmarks.__main__ import measured, opened
from benchmarks.measure import OURS, Size
from benchmarks.page import table
from benchmarks.plots import draw
from benchmarks.shop import Shop, missing
from benchmarks.topics import TOPICS, title_of
from tests.real.programs import needs

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with opened() as shop:
        yield shop


@pytest.mark.parametrize("topic", TOPICS)
def test_a_topic_is_measured_drawn_and_told(topic: str, shop: Shop) -> None:
    needs("docker", "dockerd", "podman", "skopeo", "umoci", "docker-registry", "nix")
    result = measured(topic, shop, Size(tiny=True))
    for task in result.tasks:
        assert any(one.values for one in task.figures if one.way.startswith(OURS) or one.way == "steady")
        absent = [one.absent for one in task.figures if not one.values]
        assert all(absent), task
    peers = [one for task in result.tasks for one in task.figures if one.values and not one.way.startswith(OURS)]
    assert peers or topic == "pull"
    drawn = "".join(ElementTree.fromstring(draw(title_of(topic), result)).itertext())
    shown = "\n".join(table(result)).replace("\\|", "|")
    for task in result.tasks:
        assert task.name in drawn
        assert task.name in shown
        assert not [one.way for one in task.figures if one.way not in shown]


def test_what_is_not_here_is_said() -> None:
    assert missing("tar", "no-such-program") == "no no-such-program here"
    assert missing("tar") == ""
