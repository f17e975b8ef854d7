"""Imports between folders: steps exchange nouns, and never import each other."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import lamella

SOURCE = Path(__file__).parent.parent / "src" / "lamella"

NOUNS = {"errors", "oci", "package", "closure", "plan", "staging"}
STEPS = {"spec", "sources", "layering", "layers", "images", "cache", "registry", "destinations"}
ARROWS = {
    "errors": set[str](),
    "words": set[str](),
    "checks": set[str](),
    "oci": {"errors"},
    "staging": {"errors", "oci"},
    "package": {"oci"},
    "closure": {"errors", "package"},
    "plan": {"oci", "package"},
    "spec": {"errors", "oci", "package"},
    "sources": NOUNS - {"plan"},
    "layering": {"errors", "package", "closure"},
    "layers": {"errors", "oci", "package", "plan"},
    "images": NOUNS - {"closure"},
    "transport": {"errors", "oci", "staging"},
    "cache": {"errors", "oci", "staging", "transport"},
    "registry": {"oci", "transport", "words"},
    "destinations": {"errors", "oci", "staging", "transport", "registry"},
    "sbom": {"oci", "package"},
    "pipeline": NOUNS | STEPS | {"transport", "checks", "sbom"},
    "report": {"errors", "oci", "package", "closure", "layers", "pipeline"},
    "hashes": {"errors", "sources", "transport"},
    "derivations": NOUNS | {"sources", "layering", "layers", "images", "pipeline"},
    "server": NOUNS - {"closure"} | STEPS - {"layering"} | {"pipeline", "report", "transport", "words"},
    "cli": NOUNS - {"package", "plan"}
    | STEPS - {"sources", "layering"}
    | {"pipeline", "report", "sbom", "hashes", "derivations", "server", "transport", "words"},
    "__init__": {"errors", "spec"},
}
"""Which folder or file imports which. The steps know the nouns, and the `destinations` also the `registry`."""
FILES = sorted(SOURCE.rglob("*.py"))


def place_of(file: Path) -> str:
    first = file.relative_to(SOURCE).parts[0]
    return first.removesuffix(".py")


def imported(file: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "lamella":
            parts = (node.module or "").split(".")
            found |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("lamella.")}
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(SOURCE).as_posix())
def test_arrows(file: Path) -> None:
    place = place_of(file)
    assert imported(file) - {place} <= ARROWS[place]


@pytest.mark.parametrize("place", ARROWS)
def test_all_arrows_are_there(place: str) -> None:
    """An import that is allowed but not used could come back without anyone thinking about it."""
    found = [imported(file) for file in FILES if place_of(file) == place]
    assert set().union(*found) - {place} == ARROWS[place]


def test_steps_import_nouns_and_not_each_other() -> None:
    found = {(step, place) for step in STEPS for place in ARROWS[step] & STEPS}
    assert found == {("destinations", "registry")}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(SOURCE).as_posix())
def test_only_the_command_line_reads_the_environment_and_exits(file: Path) -> None:
    if place_of(file) == "cli":
        return
    words = {ast.unparse(node) for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Attribute)}
    assert not words & {"os.environ", "sys.exit", "os.getenv"}


def test_no_folder_is_called_as_a_function_of_the_python_face_is() -> None:
    """Importing the folder would replace the function."""
    assert not set(lamella.__all__) & {place_of(file) for file in FILES}


def test_nothing_is_built_by_what_is_told_of_images() -> None:
    pipeline = SOURCE / "pipeline"
    builders = [file for file in FILES if file.is_relative_to(pipeline) and file.parent.name != "explain"]
    assert len(builders) > 20
    assert not [file for file in builders if "lamella.pipeline.explain" in file.read_text()]


def test_help_imports_nothing_heavy() -> None:
    script = "import sys, lamella.cli.main; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert "lamella.cli.main" in loaded
    assert not {"msgspec", "isal", "backports.zstd", "rich", "lamella.pipeline", "hypothesis"} & set(loaded)
