"""What is shown during the work: in terminals of any width, in those that can only print, and in pipes."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.terminal import MAIN, Terminal

WORK = """
import sys, time
from pathlib import Path
from lamella.cli.progress import Told
def take(seconds, step):
    if "stepwise" not in sys.argv:
        time.sleep(seconds)
    while "stepwise" in sys.argv and not Path(step).exists():
        time.sleep(0.01)
with Told(verbose="-v" in sys.argv) as told:
    told.doing("looking up packages and registries")
    take(0.6, "looked")
    for done in range(0, 101, 20):
        told.progress("a layer with quite a long name, and with a name", done * 10**6, 100 * 10**6)
        told.progress("another", done * 10**7, 10**9)
        told.progress("never done", done * 10**6, 10**9)
        take(0.12, str(done))
"""
STEPS = """
import time
from pathlib import Path
from lamella.cli.progress import Told
from lamella.oci.image import Steps
with Told(verbose=True) as told:
    told.progress(Steps("asking"), 2, 3)
    while not Path("go").exists():
        time.sleep(0.01)
    told.progress(Steps("asking"), 3, 3)
"""
STUBBORN = """
import sys, time
from lamella.cli import main
def run(**_):
    try:
        sys.stdout.write("ready\\n"); sys.stdout.flush()
        time.sleep(60)
    finally:
        sys.stdout.write("tidying\\n"); sys.stdout.flush()
        time.sleep(60)
main.cli.main = run
main.main()
"""
CONTROLS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "large").write_bytes(os.urandom(1000))
    (tmp_path / "lamella.toml").write_text('name = "hello"\nfiles = ["app"]\n')
    return tmp_path


@contextmanager
def large(folder: Path) -> Iterator[None]:
    """A layer that takes a while; its file is sparse and takes no space."""
    with (folder / "app" / "large").open("wb") as file:
        file.truncate(1 << 30)
    yield
    (folder / "app" / "large").unlink()


def lines(shown: str) -> list[str]:
    return [line for part in CONTROLS.sub("", shown).split("\r\n") for line in part.split("\r")]


def go_on(terminal: Terminal, folder: Path, **steps: str) -> None:
    """Let the work go on after each of these steps, once its words are seen."""
    for step, words in steps.items():
        terminal.wait_for(words)
        (folder / step.lstrip("_")).touch()


@pytest.mark.parametrize("width", [20, 40, 100])
def test_no_line_is_wider_than_the_terminal(folder: Path, width: int) -> None:
    terminal = Terminal(width, folder, WORK, "stepwise")
    twenty = "200 MB of 1.0 GB" if width == 100 else "20 %"
    go_on(terminal, folder, looked="looking", _0="another", _20=twenty, _40="", _60="", _80="", _100="")
    assert terminal.ended() == 0
    assert max(map(len, lines(terminal.shown))) <= width - len("^C") - 1
    assert terminal.screen(width).strip() == ""
    assert terminal.shown.rindex("\x1b[?25h") > terminal.shown.rindex("\x1b[?25l")


def test_a_terminal_that_becomes_narrower_is_followed(folder: Path) -> None:
    terminal = Terminal(100, folder, WORK, "stepwise")
    go_on(terminal, folder, looked="looking", _0="another", _20="200 MB")
    terminal.resize(30)
    go_on(terminal, folder, _40=" 40 %", _60=" 60 %", _80=" 80 %", _100="")
    assert terminal.ended() == 0
    last = CONTROLS.sub("", terminal.shown.rpartition("another")[2])
    assert " 80 %" in last
    assert len(last.partition("\r")[0]) <= 30 - len("another")


def test_steps_are_not_shown_as_bytes(folder: Path) -> None:
    terminal = Terminal(100, folder, STEPS)
    terminal.wait_for("2 of 3")
    (folder / "go").touch()
    assert terminal.ended() == 0
    assert "asking: 3 in " in terminal.shown
    assert " B" not in terminal.shown


def test_a_pipe_gets_lines_only_if_they_are_asked_for(folder: Path) -> None:
    for args, expected in (([], 0), (["-v"], 3)):
        ran = subprocess.run([sys.executable, "-c", WORK, *args], capture_output=True, text=True, check=True)
        assert len(ran.stderr.splitlines()) == expected
        assert "\x1b" not in ran.stderr
        assert "\r" not in ran.stderr


@pytest.mark.parametrize("more", [{"TERM": "dumb"}, {"NO_COLOR": "1", "TERM": "xterm"}])
def test_no_colours_where_nobody_wants_or_sees_them(folder: Path, more: dict[str, str]) -> None:
    for command in (("build",), ("inspect",), ("build", "nowhere.toml")):
        terminal = Terminal(80, folder, MAIN, *command, **more)
        assert terminal.ended() in (0, 2)
        assert "\x1b[3" not in terminal.shown
        assert "\x1b[1m" not in terminal.shown
    coloured = Terminal(80, folder, MAIN, "build", "nowhere.toml")
    assert coloured.ended() == 2
    assert "\x1b[31m" in coloured.shown


def test_a_dumb_terminal_gets_no_control_characters(folder: Path) -> None:
    terminal = Terminal(80, folder, WORK, TERM="dumb")
    assert terminal.ended() == 0
    assert "\x1b" not in terminal.shown


def test_control_c_ends_it_with_one_line_and_nothing_half_written(folder: Path) -> None:
    with large(folder):
        terminal = Terminal(60, folder, MAIN, "build", "--to", "oci:out")
        terminal.wait_for("looking up")
        terminal.press(b"\x03")
        assert terminal.ended() == 130
    assert [line for line in lines(terminal.shown.partition("^C")[2]) if line.strip()][-1] == "lamella: stopped"
    assert terminal.shown.count("stopped") == 1
    assert terminal.shown.rindex("\x1b[?25h") > terminal.shown.rindex("\x1b[?25l")
    assert not (folder / "image.json").exists()
    assert [path for path in folder.rglob("*") if "staging" in path.parts and path.is_file()] == []


def test_a_second_control_c_does_not_wait(folder: Path) -> None:
    terminal = Terminal(60, folder, STUBBORN)
    terminal.wait_for("ready")
    terminal.press(b"\x03")
    terminal.wait_for("tidying")
    started = time.monotonic()
    terminal.press(b"\x03")
    assert terminal.ended() == 128 + signal.SIGINT
    assert time.monotonic() - started < 20
    assert terminal.shown.rstrip().endswith("\x1b[?25h")
