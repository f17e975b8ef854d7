"""Files that are right, and files that are wrong: each wrong line says in a comment what must be told of it.

`#!` marks what the reader and the schema both refuse, `#?` what only the reader can know.
"""

import re
import tomllib
from datetime import date, time
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # it has no types
import pytest

from lamella.spec.places import lines
from lamella.spec.problems import SpecError
from lamella.spec.reader import parse, read
from lamella.spec.schema import schema

HERE = Path(__file__).parent
GOOD = [*sorted((HERE / "good").glob("*.toml")), HERE.parents[1] / "examples/hello/lamella.toml"]
BAD = sorted((HERE / "bad").glob("*.toml"))

Told = list[tuple[int, str]]


def expected(text: str, marks: str) -> Told:
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        parts = re.split(r"\s+#([!?]) ", line)[1:]
        found += [(number, told) for mark, told in zip(parts[::2], parts[1::2], strict=True) if mark in marks]
    return sorted(found)


def told(error: SpecError) -> Told:
    assert all(line.startswith(f"{error.file}:") for line in str(error).splitlines())
    told = [problem.told(error.file) for problem in error.problems]
    found = [line.removeprefix(f"{error.file}:").split(": ", 1) for line in told]
    return [(int(number), message) for number, message in found]


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_a_right_file_is_read(path: Path) -> None:
    spec = read(path)
    assert (spec.folder, spec.file) == (path.parent, path)


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_every_wrong_line_is_told(path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        read(path)
    assert told(caught.value) == expected(path.read_text(), "!?")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('name = "a"\n[config]\ncmd = [ "a" "b" ]\n', 3),
        ('name = "a"\nname = "b"\n', 2),
        ("# a\n[config\n", 2),
        ("a = 1\n\nb = [\n\n", 3),
        ("a = 2026-02-30", 1),
    ],
)
def test_a_fault_in_the_syntax_is_told_with_its_line(text: str, line: int) -> None:
    with pytest.raises(SpecError) as caught:
        parse(text, "x.toml")
    assert str(caught.value).startswith(f"x.toml:{line}: not valid TOML: ")


@pytest.mark.parametrize("value", ["[" * 5000, "9" * 5000])
def test_values_that_python_cannot_read_are_faults_too(value: str) -> None:
    with pytest.raises(SpecError, match=r"^x.toml: not valid TOML: "):
        parse(f"a = {value}", "x.toml")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"nowhere.toml: no such file; write a spec"):
        read(tmp_path / "nowhere.toml")
    (tmp_path / "lamella.toml").write_bytes(b"name = 'a'\n# \xff\n")
    with pytest.raises(SpecError, match=r"lamella.toml:2: the file is not UTF-8"):
        read(tmp_path)


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_the_schema_accepts_what_the_reader_reads(path: Path) -> None:
    assert refused_lines(path.read_text()) == set()


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_the_schema_refuses_the_lines_that_the_reader_refuses(path: Path) -> None:
    text = path.read_text()
    assert refused_lines(text) == {line for line, _ in expected(text, "!")} - same_twice(text)


def same_twice(text: str) -> set[int]:
    """Lines whose only fault is to give a key in two spellings, which a schema could say but not point at."""
    return {line for line, message in expected(text, "!") if "means the same as" in message}


def refused_lines(text: str) -> set[int]:
    """The lines at which the schema's validator complains."""
    validator = jsonschema.Draft7Validator(schema())
    paths = [path for error in validator.iter_errors(as_json(tomllib.loads(text))) for path in fault_paths(error)]
    return set(lines(text, paths))


def fault_paths(error: jsonschema.ValidationError) -> list[tuple[Any, ...]]:
    path = tuple(error.absolute_path)
    if error.validator == "additionalProperties" and error.validator_value is False:
        return [(*path, key) for key in set(error.instance) - set(error.schema["properties"])]
    inner = [cause for cause in error.context or () if len(cause.absolute_path) > len(path)]
    inner += [cause for cause in error.context or () if cause.validator in ("additionalProperties", "required")]
    return [found for cause in inner for found in fault_paths(cause)] or [path]


def as_json(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: as_json(part) for key, part in value.items()}
    if isinstance(value, list):
        return [as_json(part) for part in value]
    return value.isoformat() if isinstance(value, date | time) else value


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft7Validator.check_schema(schema())


def test_of_very_many_problems_the_first_are_told_in_order() -> None:
    wants = ", ".join("{ path = 'x' }" for _ in range(300))
    with pytest.raises(SpecError) as raised:
        parse(f'name = "x"\nfiles = [{wants}]\n')
    told = str(raised.value).splitlines()
    assert [re.findall(r"files\[(\d+)\]", line) for line in told[:6]] == [["0"], ["0"], ["1"], ["1"], ["2"], ["2"]]
    assert told[-1] == "lamella.toml: 580 more like these"
    assert len(raised.value.problems) == 600
