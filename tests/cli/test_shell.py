"""`lamella shell` opens an image as a user calls it, and ends when the program in it does."""

import json
import os
import select
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from tests.command import LAMELLA, good, run
from tests.real.programs import absent
from tests.terminal import MAIN, Terminal


@pytest.fixture
def busybox(tmp_path: Path) -> Path:
    """A folder with programs that run in an image of it alone."""
    work = tmp_path / "work"
    program = shutil.which("busybox")
    if not program or subprocess.run(["unshare", "--mount", "true"], check=False).returncode:
        absent("needs busybox-static, and a kernel that lets users mount overlays")
    (work / "usr" / "bin").mkdir(parents=True)
    shutil.copy(program, work / "usr" / "bin" / "busybox")
    for name in ("sh", "env", "cat", "sleep"):
        (work / "usr" / "bin" / name).symlink_to("busybox")
    (work / "lamella.toml").write_text(
        'name = "s"\nfiles = [{ from = "usr/", to = "/usr" }]\n[config]\nenv = { HELLO = "you", PATH = "/usr/bin" }\n'
        '[[layer]]\nname = "low"\nfiles = [{ from = "usr/", to = "/usr" }]\n'
        '[[layer]]\nname = "high"\nfiles = [{ from = "lamella.toml", to = "/etc/" }]\n'
    )
    return work


def test_a_shell_in_the_image(busybox: Path) -> None:
    ran = run(busybox, "shell", ".", "--", "sh", "-c", "echo $HELLO; echo x >/new; cat /new; exit 7")
    assert (ran.stdout, ran.returncode) == ("you\nx\n", 7)
    ran = run(busybox, "shell", ".", "--", "cat", "/new")
    assert (ran.stdout, ran.returncode) == ("", 1)
    assert "name" in run(busybox, "shell", ".", "--", "cat", "/etc/lamella.toml").stdout
    assert run(busybox, "shell", ".", "--layer", "low", "--", "cat", "/etc/lamella.toml").returncode == 1


def test_a_shell_in_an_image_of_many_layers(busybox: Path) -> None:
    layers = "".join(
        f'[[layer]]\nname = "{number}"\nfiles = [{{ from = "lamella.toml", to = "/etc/{number}" }}]\n'
        for number in range(90)
    )
    (busybox / "lamella.toml").write_text((busybox / "lamella.toml").read_text() + layers)
    ran = run(busybox, "shell", ".", "--", "sh", "-c", "test -f /etc/0 && test -f /etc/89 && echo all")
    assert (ran.stdout, ran.returncode) == ("all\n", 0), ran.stderr


def test_layers_that_were_unpacked_are_unpacked_once(busybox: Path) -> None:
    run(busybox, "shell", ".", "--", "cat", "/dev/null")
    roots = busybox.parent / "cache" / "roots"
    before = {path: path.stat().st_ctime_ns for path in roots.iterdir() if path.is_dir()}
    (busybox / "lamella.toml").write_text((busybox / "lamella.toml").read_text() + "# more\n")
    run(busybox, "shell", ".", "--", "cat", "/dev/null")
    after = {path: path.stat().st_ctime_ns for path in roots.iterdir() if path.is_dir()}
    assert before.items() < after.items()
    listed = good(busybox, "cache", "list")
    assert all(f"roots/{path.name}" in listed for path in after)
    items = len(listed.splitlines())
    assert json.loads(good(busybox, "cache", "size", "--json"))["items"] == items
    assert json.loads(good(busybox, "cache", "prune", "--days", "0", "--json"))["items"] == items
    assert not [path for path in roots.iterdir() if path.is_dir()]


def test_a_shell_where_the_kernel_allows_none(busybox: Path) -> None:
    """Then the image is loaded into Docker or podman, and run there."""
    programs = busybox.parent / "programs"
    programs.mkdir()
    for name, body in {"unshare": "exit 1", "docker": 'echo "$0" "$@"'}.items():
        (programs / name).write_text(f"#!/bin/sh\n{body}\n")
        (programs / name).chmod(0o755)
    command = [*LAMELLA, "shell", ".", "--", "cat", "/x"]
    told = {"LAMELLA_CACHE": str(busybox.parent / "cache"), "PATH": str(programs), "DOCKER_HOST": "unix:///nowhere"}
    ran = subprocess.run(command, cwd=busybox, env=told, capture_output=True, text=True, check=False)
    assert ran.returncode != 0
    assert "/nowhere" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_links_of_an_image_lead_nowhere_out_of_it(busybox: Path) -> None:
    """A shell sets up files in the image; if /etc is a link to another place, nothing there is touched."""
    outside = busybox.parent / "outside"
    outside.mkdir()
    for name in ("resolv.conf", "hosts"):
        (outside / name).write_text("ours")
    (busybox / "etc").symlink_to(outside)
    (busybox / "lamella.toml").write_text(
        'name = "s"\nfiles = [{ from = "usr/", to = "/usr" }, "etc"]\n[config]\nenv = { PATH = "/usr/bin" }\n'
    )
    ran = run(busybox, "shell", ".", "--", "sh", "-c", "echo in")
    assert (ran.stdout, ran.returncode) == ("in\n", 0), ran.stderr
    assert {file.name: file.read_text() for file in outside.iterdir()} == {"resolv.conf": "ours", "hosts": "ours"}


def test_control_c_is_for_the_program(busybox: Path) -> None:
    """As in a shell: one that handles it goes on, and lamella waits for it; one that does not ends, and lamella too."""
    handles = "trap 'echo caught; exit 3' INT; echo ready; while :; do sleep 1; done"
    for script, code in ((handles, 3), ("echo ready; exec sleep 60", 128 + signal.SIGINT)):
        terminal = Terminal(80, busybox, MAIN, "shell", "-q", ".", "--", "sh", "-c", script)
        terminal.wait_for("ready")
        terminal.press(b"\x03")
        assert terminal.ended() == code
        assert "lamella: stopped" not in terminal.shown
        assert ("caught" in terminal.shown) is (code == 3)


def test_a_shell_that_is_told_to_end_takes_its_program_with_it(busybox: Path) -> None:
    command = [*LAMELLA, "shell", "-q", ".", "--", "sh", "-c", "echo $$; exec sleep 3600"]
    env = {**os.environ, "LAMELLA_CACHE": str(busybox.parent / "cache")}
    with subprocess.Popen(command, cwd=busybox, env=env, stdout=subprocess.PIPE) as ran:
        assert ran.stdout is not None
        program = int(ran.stdout.readline())
        ran.terminate()
        assert ran.wait(30) == 128 + signal.SIGTERM
        has_ended, _, _ = select.select([ran.stdout], [], [], 30)  # the program had the other end of the pipe
        if not has_ended:
            os.kill(program, signal.SIGKILL)
        assert has_ended


def test_a_program_that_a_signal_ends_gives_the_exit_code_that_shells_give(busybox: Path) -> None:
    assert run(busybox, "shell", ".", "--", "sh", "-c", "kill -TERM $$").returncode == 128 + signal.SIGTERM
