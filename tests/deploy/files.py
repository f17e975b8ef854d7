"""The files of `deploy/`, read."""

from pathlib import Path
from typing import Any

import yaml

from lamella.cli.serve import _TIDY
from lamella.server.settings import Settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"


def documents(file: Path) -> list[dict[str, Any]]:
    """What stands in a file of YAML."""
    return list(yaml.safe_load_all(file.read_text()))


def stop_time(settings: Settings) -> float:
    """How long a server takes to stop, at most."""
    return settings.stop_seconds + _TIDY
