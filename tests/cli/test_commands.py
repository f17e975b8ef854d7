"""The commands as a user calls them: what they print, and the one line they print when something is wrong."""

import json
import os
import pwd
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.command import LAMELLA, good, run

from lamella.cli.common import cache_folder
from lamella.transport.home import home


def test_build_says_what_was_made_and_reused(hello: Path) -> None:
    assert "4 made" in good(hello, "build")
    assert "0 made (0 B read), 4 reused" in good(hello, "build")
    with (hello / "app" / "hello.sh").open("a") as file:
        file.write("# more\n")
    assert good(hello, "plan").count("reuse") == 3
    told = json.loads(good(hello, "build", "--json"))
    assert [layer["name"] for layer in told["layers"] if layer["made"]] == ["app"]


def test_a_build_of_folders_loads_nothing_for_networks_or_archives(hello: Path) -> None:
    """They would be a sixth of the time of a build where nothing changed."""
    ran = run(hello, "build", PYTHONPROFILEIMPORTTIME="1")
    loaded = {line.rpartition("|")[2].strip() for line in ran.stderr.splitlines()}
    assert "lamella.pipeline" in loaded
    assert not {"ssl", "http.client", "tarfile", "rich"} & loaded


def test_plan_and_build_say_why(hello: Path) -> None:
    assert "no previous image" in good(hello, "plan")
    good(hello, "build")
    assert good(hello, "plan").count("unchanged") == 4
    (hello / "app" / "hello.sh").write_text("echo other\n")
    layers = json.loads(good(hello, "plan", "--json"))["layers"]
    assert [(layer["name"], layer["changed"]) for layer in layers if not layer["known"]] == [("app", ["app -> /app"])]
    assert "made    app -> /app changed" in good(hello, "build")


def test_the_image_beside_the_spec_is_the_one_before_where_the_cache_is_new(hello: Path) -> None:
    good(hello, "build")
    shutil.rmtree(hello.parent / "cache")
    (hello / "app" / "hello.sh").write_text("echo other\n")
    assert "app -> /app changed" in good(hello, "plan")
    document = (hello / "image.json").read_bytes()
    others = [
        document.replace(b'"name": "hello"', b'"name": "other"'),
        document.replace(b'"arch": "', b'"arch": "not-'),
    ]
    for unfit in (document[:99], b"[1]", *others):
        assert unfit != document
        (hello / "image.json").write_bytes(unfit)
        assert "no previous image" in good(hello, "plan")


def test_a_layer_alone_and_the_image_up_to_it_hold_the_same_bytes_as_the_whole(hello: Path) -> None:
    good(hello, "build")
    whole = json.loads(good(hello, "build", "--json"))["layers"]
    alone = json.loads(good(hello, "build", "layer", "data", "--json"))
    assert (alone["name"], alone["layers"]) == ("hello-data", [whole[1]])
    below = json.loads(good(hello, "build", "layer", "data", ".", "--below", "-o", "two.json", "--json"))
    assert below["layers"] == whole[:2]
    assert "1 layer, 0 problems" in good(hello, "validate", "data.json")
    assert "2 layers, 0 problems" in good(hello, "validate", "two.json")
    assert "4 layers, 0 problems" in good(hello, "validate", "image.json")


def test_a_build_goes_to_a_layout_under_the_name_that_is_asked_for(hello: Path) -> None:
    good(hello, "build", "--to", "oci:out", "--to", "oci:out:v2")
    names = json.loads((hello / "out" / "index.json").read_bytes())["manifests"]
    assert [entry["annotations"]["org.opencontainers.image.ref.name"] for entry in names] == ["latest", "v2"]


def test_a_document_leads_to_its_files_from_any_folder(hello: Path) -> None:
    good(hello, "build")
    assert "4 layers, 0 problems" in good(hello.parent, "validate", "hello/image.json")


def test_verbose_says_what_is_done_and_quiet_only_the_result(hello: Path) -> None:
    ran = run(hello, "build", "-v", "-q")
    lines = [line.partition(":")[0] for line in ran.stderr.splitlines()]
    assert lines[0] == "looking up packages"
    assert sorted(lines[1:]) == ["app", "config", "data", "libs"]
    assert ran.stdout == "image.json\n"
    assert run(hello, "build", "-v").stderr == "looking up packages\n"
    assert "app: 295 B" in run(hello, "copy", "-v", "image.json", "oci:out").stderr


def test_a_terminal_sees_bars(hello: Path) -> None:
    (hello / "app" / "large").write_bytes(os.urandom(30_000_000))
    parent, child = os.openpty()
    command = [*LAMELLA, "build", "-q"]
    env = {**os.environ, "LAMELLA_CACHE": str(hello / "cache"), "TERM": "xterm"}
    with subprocess.Popen(command, cwd=hello, env=env, stdout=subprocess.DEVNULL, stderr=child) as quiet:
        assert quiet.wait() == 0
    shutil.rmtree(hello / "cache")
    with subprocess.Popen(command[:-1], cwd=hello, env=env, stdout=subprocess.DEVNULL, stderr=child) as loud:
        assert loud.wait() == 0
    os.close(child)
    shown = os.read(parent, 1 << 20).decode()
    os.close(parent)
    assert "app" in shown
    assert "MB" in shown
    assert "\x1b[?25h" in shown  # the cursor is back


def test_diff_names_the_package_and_the_bytes(hello: Path) -> None:
    good(hello, "build", "-o", "before.json")
    (hello / "config" / "hello.conf").write_text("name = other\n")
    good(hello, "build")
    told = json.loads(good(hello, "diff", "before.json", "image.json", "--json"))
    assert told["kept"] == 3
    assert [layer["changed"] for layer in told["layers"]] == [["config/hello.conf -> /etc/hello/hello.conf"]]
    assert "~ the file itself (18 bytes, now 13)" in good(hello, "explain", "config", "--since", "before.json")
    assert good(hello, "diff", "before.json", "image.json").endswith("to download if you have before.json\n")
    (hello / "config" / "hello.conf").write_text("name = another\n")
    said = good(hello, "diff", "before.json", ".")
    assert said.endswith(": 0 B to download if you have before.json, plus 1 layer not made yet\n")


def test_copies_inspect_alike_and_are_valid(hello: Path) -> None:
    good(hello, "build")
    good(hello, "copy", "image.json", "oci:out:v1")
    good(hello, "copy", "oci:out:v1", "oci-archive:out.tar")
    good(hello, "copy", "lamella.toml", "docker-archive:docker.tar")
    shown = {good(hello, "inspect", place).partition("\n")[2] for place in ("oci:out:v1", "oci-archive:out.tar")}
    assert len(shown) == 1
    for place in ("image.json", "oci:out:v1", "oci-archive:out.tar", "docker-archive:docker.tar"):
        assert "4 layers, 0 problems" in good(hello, "validate", place)


def test_an_image_that_is_not_there_leaves_nothing_behind(hello: Path) -> None:
    for image in ("oci:nowhere", "nowhere.json", "nowhere.toml"):
        assert run(hello, "copy", image, "oci:out").returncode
    assert not (hello / "out").exists()


def test_explain_finds_paths(hello: Path) -> None:
    good(hello, "build")
    assert "layer config" in good(hello, "explain", "/etc/hello/hello.conf")
    assert "layer app" in good(hello, "explain", "app -> /app")


def test_names_that_are_no_text_are_shown_where_output_must_be_text(hello: Path) -> None:
    name = os.fsdecode(b"caf\xe9")
    (hello / "app" / name).touch()
    good(hello, "build")
    path, strict = f"/app/{name}", {"PYTHONIOENCODING": "utf-8:strict"}
    assert good(hello, "explain", path, **strict).startswith("/app/caf\\udce9 is in layer app")
    assert json.loads(good(hello, "explain", path, "--json", **strict))["path"] == path
    assert name not in good(hello, "build", "-q", "-o", f"{name}.json", **strict)


def test_users_without_a_home_have_it_at_the_root_as_in_containers(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(_: int) -> None:
        raise KeyError

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    for name in ("HOME", "XDG_CACHE_HOME", "LAMELLA_CACHE"):
        monkeypatch.delenv(name, raising=False)
    assert cache_folder() == Path("/.cache/lamella")
    assert home({}) == Path("/")
    monkeypatch.setenv("LAMELLA_CACHE", "~/here")
    assert cache_folder() == Path("/here")
    monkeypatch.setenv("HOME", "/home/me")
    assert cache_folder() == Path("/home/me/here")


def test_explain_says_why_a_layer_is_new_down_to_the_file(hello: Path) -> None:
    good(hello, "build", "-o", "before.json")
    (hello / "app" / "more.sh").write_text("echo more\n")
    with (hello / "app" / "hello.sh").open("a") as file:
        file.write("# more\n")
    good(hello, "build")
    said = good(hello, "explain", "app", "--since", "before.json")
    assert "~ app -> /app changed" in said
    assert "+ more.sh" in said
    assert "~ hello.sh" in said
    assert "libs" not in said
    assert "same in both" in good(hello, "explain", "libs", "--since", "before.json")


def test_what_is_told_to_people_is_told_to_programs(hello: Path) -> None:
    good(hello, "build", "-o", "before.json")
    (hello / "app" / "more.sh").write_text("echo more\n")
    good(hello, "build")
    path = json.loads(good(hello, "explain", "/etc/hello/hello.conf", "--json"))
    assert path["layer"] == "config"
    package = json.loads(good(hello, "explain", "app -> /app", "--json"))
    assert package == {"package": "app -> /app", "layer": "app", "chain": ["app -> /app"]}
    layer = json.loads(good(hello, "explain", "app", "--since", "before.json", "--json"))
    assert layer["changed"] == [{"package": "app -> /app", "files": ["+ more.sh"]}]
    copied = json.loads(good(hello, "copy", "image.json", "oci:out", "--json"))
    shown = json.loads(good(hello, "inspect", "oci:out", "--json"))
    assert [layer["digest"] for layer in copied["layers"]] == [layer["digest"] for layer in shown["layers"]]
    assert json.loads(good(hello, "cache", "prune", "--json")) == {"items": 0, "bytes": 0}


def test_what_is_loaded_is_called_so_by_people_and_programs(hello: Path) -> None:
    ctr = hello / "ctr"
    ctr.write_text('#!/bin/sh\n[ "$1" = content ] || cat >/dev/null\n')
    ctr.chmod(0o755)
    load = ("load", "--into", "containerd", "--name", "hello")
    path = f"{hello}:{os.environ['PATH']}"
    assert good(hello, *load, PATH=path).count(" loaded\n") == 4
    told = json.loads(good(hello, *load, "--json", PATH=path))
    assert [layer["state"] for layer in told["layers"]] == ["loaded"] * 4


def test_cache_can_be_listed_and_pruned(hello: Path) -> None:
    good(hello, "build")
    assert "builds/" in good(hello, "cache", "list")
    assert "items" in good(hello, "cache", "size")
    good(hello, "cache", "prune", "--days", "0")
    assert json.loads(good(hello, "cache", "size", "--json"))["items"] == 0


def test_schema_is_json(hello: Path) -> None:
    assert json.loads(good(hello, "schema"))["title"]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["bild"], "did you mean 'build'"),
        (["build", "nowhere.toml"], "nowhere.toml"),
        (["inspect", "nowhere.json"], "nowhere.json"),
        (["inspect", "oci:nowhere"], "nowhere"),
        (["copy", "image.json", "oki:x"], "did you mean oci:x"),
        (["explain", "/no/such/path", "lamella.toml"], "/no/such/path"),
        (["build", "layer", "dat"], "libs, data, config, app"),
        (["build", "one", "two"], "more than one spec"),
        (["build", "--below"], "layer NAME"),
        (["explain", "libs", "lamella.toml"], "pass --since"),
        (["copy", "lamella.toml", "docker-archive:-", "--json"], "both go to stdout"),
    ],
)
def test_mistakes_get_one_line(hello: Path, args: list[str], said: str) -> None:
    ran = run(hello, *args)
    assert ran.returncode not in (0, 1) or "explain" in args
    assert ran.stdout == ""
    assert said in ran.stderr
    assert len(ran.stderr.splitlines()) == 1
