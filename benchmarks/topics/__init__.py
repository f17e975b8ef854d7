"""What is measured, a file for each topic, in the order of the page. Each has a `TITLE` and `measure(shop, size)`."""

from collections.abc import Callable
from importlib import import_module

from benchmarks.measure import Size, Task
from benchmarks.shop import Shop

TOPICS = ("build", "python", "push", "load", "layers", "memory", "growth", "serving", "pull", "nix", "layering")

Measure = Callable[[Shop, Size], tuple[str, list[Task]]]
"""Gives facts about what was measured, for the page, and what was found."""


def title_of(topic: str) -> str:
    return str(import_module(f"benchmarks.topics.{topic}").TITLE)


def measure_of(topic: str) -> Measure:
    measure: Measure = import_module(f"benchmarks.topics.{topic}").measure
    return measure
