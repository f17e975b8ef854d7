"""systemd understands the unit, and has little to say against it."""

import subprocess
from pathlib import Path

import click
import pytest
from tests.deploy.files import DEPLOY, stop_time
from tests.deploy.units import section
from tests.real.programs import needs

from lamella.cli.main import cli
from lamella.server.settings import Settings

UNIT = DEPLOY / "lamella.service"
MOST_EXPOSED = "20"
"""Of a hundred; a service that says nothing of it has 96."""


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit, of a program that is here."""
    needs("systemd-analyze")
    command = f"ExecStart={section(UNIT, 'Service')['ExecStart'][0]}"
    text = UNIT.read_text()
    assert command in text
    (tmp_path / UNIT.name).write_text(text.replace(command, "ExecStart=/bin/true"))
    return tmp_path / UNIT.name


def analyzed(*words: str | Path) -> None:
    ran = subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert not [line for line in ran.stderr.splitlines() if UNIT.name in line]


def test_systemd_understands_it(unit: Path) -> None:
    analyzed("verify", "--man=no", unit)


def test_it_may_do_little(unit: Path) -> None:
    analyzed("security", "--no-pager", "--offline=true", f"--threshold={MOST_EXPOSED}", unit)


def test_what_it_starts_is_a_command_of_ours() -> None:
    _, *words = section(UNIT, "Service")["ExecStart"]
    command, *options = words
    found = cli.get_command(click.Context(cli), command)
    assert found
    assert found.make_context(command, options).params["config"] == Path("/etc/lamella/server.toml")


def test_there_is_time_to_stop() -> None:
    service = section(UNIT, "Service")
    assert float(service["TimeoutStopSec"][0]) > stop_time(Settings())
    assert service["KillMode"] == ["mixed"], "builders would be told to stop, too"
