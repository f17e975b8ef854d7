"""The Python face: the same values, the same checks."""

import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tools.reference import spec

import lamella
from lamella import Config, Image, Layer, Perm, Rewrite, files, nix
from lamella.spec.fields import Value, facts
from lamella.spec.problems import SpecError
from lamella.spec.reader import parse, read
from lamella.spec.wants import SOURCES

HERE = Path(__file__).parent


def test_a_file_and_python_end_in_the_same_value() -> None:
    assert read(HERE / "good/everything.toml").image == Image(
        "registry.example.com:5000/team/hello",
        tag="v1.2_3",
        platforms=["linux/amd64", "linux/arm64", "linux/arm/v7"],
        base="oci:../base:stable",
        created="2026-01-31T12:00:00+02:00",
        take=[
            nix("./result"),
            nix("/nix/store/x-hello", graph="closure.json"),
            files("app"),
            files("conf/", to="/etc/hello", exclude=["*.bak", "tmp/**", "[ab]?"]),
        ],
        compression="zstd",
        layering="steady",
        max_layers=127,
        max_bytes=1_500_000_000,
        annotations={"org.example.note": 'x = "y"'},
        config=Config(
            entrypoint=["/bin/hello"],
            cmd=[],
            env={"LANG": "C.UTF-8", "WORKERS": "4", "A.B": ""},
            user="1000",
            workdir="/srv",
            ports=["8080", "53/udp"],
            volumes=["/data"],
            labels={"org.opencontainers.image.title": "hello"},
            stop_signal="15",
        ),
        layers=[
            Layer(
                "tools",
                [nix("/nix/store/abc-tools")],
                layering=[{"split": "python"}, {"limit": 3}],
                max_layers=3,
                max_bytes=1_000_000,
                history="two lines, joined",
                perms=[Perm(match=r"^/etc/.*\.key$", mode=0o600, uid=7), Perm(match="bin", mode=0o4755)],
            ),
            Layer(
                "data",
                [files("data")],
                rewrites=[Rewrite(match="^/data", to="/srv/data"), Rewrite(match="junk", to="")],
                ignore=r"\.pyc$",
                reproducible=False,
            ),
        ],
    )


def test_values_are_in_normal_form() -> None:
    image = Image("hello", [files("a")], created="2026-01-31T01:00:00+02:00", config=Config(ports=["80", "80/tcp"]))
    assert image.created == "2026-01-30T23:00:00Z"
    assert image.config.ports == ("80/tcp",)
    assert isinstance(image.take, tuple)


def test_the_order_of_keys_says_nothing() -> None:
    one = parse('name = "a"\nfiles = ["x", "y"]\nnix = ["b", "a"]')
    other = parse('nix = ["b", "a"]\nfiles = ["x", "y"]\nname = "a"')
    python = Image("a", [files("x"), nix("b"), files("y"), nix("a")])
    assert one == other == python
    assert python.take == (nix("b"), nix("a"), files("x"), files("y"))


def test_wrong_values_are_refused_when_they_are_made() -> None:
    with pytest.raises(SpecError, match=r'^Image: tag: "a b" is not a tag'):
        Image("hello", [files("app")], tag="a b")
    with pytest.raises(SpecError, match=r"^Layer: the layer is empty; give it nix, files, pypi, deb$"):
        Layer("empty")
    with pytest.raises(SpecError, match=r"^Image: layer\[1\]\.name: .* choose another name$"):
        Image("hello", layers=[Layer("a", [files("a")]), Layer("a", [files("b")])])
    with pytest.raises(SpecError, match=r'must be a whole path, because "\.\./\.\." has no name'):
        files("../..")
    with pytest.raises(
        SpecError,
        match=r"^Layer: take\[0\]: 'app' must be written as nix\(\.\.\.\) or files\(\.\.\.\) or .* or deb\(\.\.\.\)$",
    ):
        Layer("a", ["app"])  # type: ignore[list-item]  # what a hurried user writes


def test_several_wrong_values_are_told_together() -> None:
    with pytest.raises(SpecError) as caught:
        Config(workdir="a", env={"a=b": "c"}, volumes=["x", "/y", "z"])
    assert [problem.path for problem in caught.value.problems] == [
        ("env", "a=b"),
        ("workdir",),
        ("volumes", 0),
        ("volumes", 2),
    ]


def test_a_message_stays_on_one_line() -> None:
    with pytest.raises(SpecError) as caught:
        Image("a\nb", [files("app")])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("written", "size"),
    [("1 B", 1), ("500 MB", 500_000_000), ("1.5 GB", 1_500_000_000), ("1.5GiB", 1_610_612_736), ("0.1 kB", 100)],
)
def test_sizes(written: str, size: int) -> None:
    image = parse(f'name = "a"\nfiles = ["a"]\nmax_bytes = "{written}"')
    assert image.max_bytes == size
    steps = f'[{{ split = "a" }}, {{ bytes = "{written}" }}]'
    assert parse(f'name = "a"\nfiles = ["a"]\nlayering = {steps}').layering[1] == {"bytes": size}


@pytest.mark.parametrize("name", lamella.__all__)
def test_everything_of_the_public_face_is_there(name: str) -> None:
    assert getattr(lamella, name)


def test_nothing_else_is_in_the_public_face() -> None:
    with pytest.raises(AttributeError, match="no attribute 'reader'"):
        _ = lamella.reader


def test_importing_lamella_loads_nothing_heavy() -> None:
    code = "import lamella, sys; print(sorted({'msgspec', 'tomllib', 'lamella.spec'} & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"


def test_the_two_examples_of_the_reference_page_are_one_image() -> None:
    python, toml = (re.findall(rf"```{kind}\n(.*?)```", spec.page(), re.DOTALL)[0] for kind in ("python", "toml"))
    names: dict[str, Any] = {}
    exec(python, names)
    assert names["image"] == parse(toml)


words = st.text("ab\"'\\ #=[]{}.\n\té\U0001f600", min_size=1).map(lambda text: f"x{text}")
one_line = words.map(lambda text: text.replace("\n", ""))
paths = one_line.map(lambda text: f"/{text}")
tables = st.dictionaries(words.map(lambda text: text.replace("=", "")), words, max_size=3)
wants = st.builds(nix, paths) | st.builds(
    files, one_line, paths, st.lists(st.sampled_from(["*.a", "b/**"]), max_size=2)
)
perms = st.builds(Perm, match=st.sampled_from(["a", r"\.b$"]), mode=st.none() | st.sampled_from([0, 0o755, 0o4755]))
configs = st.builds(
    Config,
    entrypoint=st.none() | st.lists(words, max_size=2),
    env=tables,
    ports=st.lists(st.integers(1, 65535).map(str), max_size=2),
    labels=tables,
)
layers = st.builds(
    Layer,
    one_line,
    st.lists(wants, min_size=1, max_size=3),
    perms=st.lists(perms, max_size=2),
    max_bytes=st.just(0) | st.integers(1, 10**12),
    reproducible=st.booleans(),
)
images = st.builds(
    Image,
    st.sampled_from(["a", "b.example/c"]),
    layers=st.lists(layers, min_size=1, max_size=3, unique_by=lambda layer: layer.name),
    config=configs,
    created=st.sampled_from(["epoch", "git"])
    | st.integers(0, 10**9).map(lambda s: (datetime(2000, 1, 1, tzinfo=UTC) + timedelta(seconds=s)).isoformat()),
    annotations=tables,
)


@given(images)
def test_an_image_written_as_toml_reads_as_itself(image: Image) -> None:
    text = "\n".join(f"{key} = {value}" for key, value in written(image).items())
    assert parse(text) == image


def written(value: Value) -> dict[str, str]:
    """The keys of `value` that say something, with what they say in TOML."""
    keys: dict[str, str] = {}
    for fact in facts(type(value)):
        held = getattr(value, fact.attribute)
        if fact.attribute == "take":
            held = [want for want in held if isinstance(want, SOURCES[fact.key])]
        if held is not None and held != fact.default:
            keys[fact.key] = toml(held)
    return keys


def toml(value: Any) -> str:
    if isinstance(value, Value):
        return "{" + ", ".join(f"{key} = {said}" for key, said in written(value).items()) + "}"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml(key)} = {toml(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(toml, value)) + "]"
    return msgspec.json.encode(value).decode()
