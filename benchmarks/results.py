"""What was found, as it is kept in `results/*.json`, and what follows from it."""

import json
import os
import platform
import re
import statistics
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.measure import OURS, RATES, Figures, Task

PROGRAMS: Mapping[str, Sequence[str]] = {
    "docker": ("dockerd", "--version"),
    "podman": ("podman", "--version"),
    "skopeo": ("skopeo", "--version"),
    "umoci": ("umoci", "--version"),
    "docker-registry": ("docker-registry", "--version"),
    "nginx": ("nginx", "-v"),
    "nix": ("nix", "--version"),
    "uv": ("uv", "--version"),
    "tar": ("tar", "--version"),
    "gzip": ("gzip", "--version"),
    "pigz": ("pigz", "--version"),
    "igzip": ("igzip", "--version"),
    "zstd": ("zstd", "--version"),
}


@dataclass(frozen=True)
class Result:
    """All that one topic found, where and when. `facts` are sizes and the like, as the page tells them."""

    topic: str
    facts: str
    tasks: list[Task]
    machine: str = ""
    date: str = ""
    programs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Factor:
    """How many times better lamella does than another: the median of the rounds' ratios, and their range."""

    middle: float
    low: float
    high: float


def machine() -> str:
    """The class of this machine: what somebody needs to find a like one."""
    memory = round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9)
    system = platform.freedesktop_os_release()
    processor = re.search(r"^model name\s*:\s*(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    kind = f", {processor[1]}" if processor else ""
    return f"{os.cpu_count()} cores, {memory} GB, {system['NAME'].split()[0]} {system.get('VERSION_ID', '')}{kind}"


def versions() -> dict[str, str]:
    """Of the programs that are here."""
    found = {"python": platform.python_version()}
    for name, command in PROGRAMS.items():
        try:
            said = subprocess.run(command, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            continue
        number = re.search(r"\d+(\.\d+)+", said.stdout + said.stderr)
        if number:
            found[name] = number[0]
    return found


def here_and_now(topic: str, facts: str, tasks: list[Task]) -> Result:
    return Result(topic, facts, tasks, machine(), time.strftime("%Y-%m-%d"), versions())


def write(result: Result, folder: Path) -> None:
    (folder / f"{result.topic}.json").write_text(json.dumps(asdict(result), indent=1) + "\n")


def read(file: Path) -> Result:
    told = json.loads(file.read_text())
    tasks = [Task(**{**task, "figures": [Figures(**one) for one in task["figures"]]}) for task in told["tasks"]]
    return Result(**{**told, "tasks": tasks})


def middle(figures: Figures) -> float:
    return statistics.median(figures.values)


def factor(task: Task, figures: Figures) -> Factor | None:
    """Beside lamella's own figures of the same rounds; below 1, the other does better."""
    own = next((one.values for one in task.figures if one.way == OURS), [])
    if not figures.values or len(own) != len(figures.values) or figures.values is own:
        return None
    pairs = [
        (mine, other) if task.unit in RATES else (other, mine) for mine, other in zip(own, figures.values, strict=True)
    ]
    ratios = [better / worse for better, worse in pairs if worse]
    return Factor(statistics.median(ratios), min(ratios), max(ratios)) if ratios else None
