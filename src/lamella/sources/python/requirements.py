"""How users name Python packages: requirements, requirements files, and locks of projects."""

import hashlib
import re
import subprocess
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from lamella.sources.python.uv import uv_command
from lamella.sources.tree import SourceError

_COMMENT = re.compile(r"(^|\s)#.*$")
_HASH = re.compile(r"\s--hash[= ]\S+")
_DEEPEST = 10
_PASSED_ON = ("--index-url", "-i", "--extra-index-url", "--find-links", "-f", "--no-index", "--pre")
"""Options for indexes in a file; they are passed to uv, and to nothing else."""


class RequirementError(SourceError):
    """A requirement or a requirements file is not valid."""

    exit_code = 2


@dataclass(frozen=True)
class Asked:
    """Requirements in their written order, with the options for indexes and the constraints of their files."""

    requirements: tuple[Requirement, ...] = ()
    options: tuple[str, ...] = ()
    constraints: tuple[Path, ...] = ()

    def __add__(self, other: "Asked") -> "Asked":
        return Asked(
            (*self.requirements, *other.requirements),
            (*self.options, *other.options),
            (*self.constraints, *other.constraints),
        )

    @property
    def texts(self) -> list[str]:
        """The requirements as text, sorted, each once."""
        return sorted({spelled(requirement) for requirement in self.requirements})


def spelled(requirement: Requirement) -> str:
    """A requirement in normal form. An address is replaced by a hash, which shows only whether it is the same."""
    bare = Requirement(str(requirement))
    bare.name = canonicalize_name(bare.name)
    if bare.url:
        bare.url = hashlib.sha256(bare.url.encode()).hexdigest()[:12]
    return str(bare)


def parse(text: str, where: str) -> Requirement:
    """`text` as a requirement."""
    try:
        return Requirement(text)
    except InvalidRequirement as error:
        said = str(error).splitlines()[0]
        raise RequirementError(f"{where}: {text!r} is not a requirement such as numpy>=2: {said}") from error


def read_file(file: Path, depth: int = 0) -> Asked:
    """A requirements file, with the files that it includes."""
    try:
        text = file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise RequirementError(f"cannot read the requirements in {file}: {reason}") from error
    if depth > _DEEPEST:
        raise RequirementError(f"{file}: requirements files include each other endlessly")
    found = Asked()
    for number, line in _lines(text):
        word, _, rest = line.replace("=", " ", 1).partition(" ") if line.startswith("--") else line.partition(" ")
        if word in ("-r", "--requirement"):
            found += read_file(file.parent / rest.strip(), depth + 1)
        elif word in ("-c", "--constraint"):
            found += Asked(constraints=with_nested(file.parent / rest.strip(), depth + 1))
        elif word in _PASSED_ON:
            found += Asked(options=(line,))
        elif word.startswith("-"):
            raise RequirementError(f"{file}:{number}: {word} is not supported; write requirements, one per line")
        else:
            found += Asked((parse(line, f"{file}:{number}"),))
    return found


def with_nested(constraints: Path, depth: int = 0) -> tuple[Path, ...]:
    """A constraints file, and all those that it includes."""
    return (constraints, *read_file(constraints, depth).constraints)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines with their numbers, without comments; a backslash at the end continues a line."""
    whole = ""
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        if line.endswith("\\") and number < len(lines):
            whole += line[:-1] + " "
            continue
        said = _HASH.sub("", _COMMENT.sub("", whole + line.removesuffix("\\"))).strip()
        whole = ""
        if said:
            yield number, said


def read_lock(file: Path) -> Asked:
    """What a project needs to run by its `uv.lock`, without the project itself; or everything in a `pylock.toml`."""
    if file.name == "uv.lock":
        command = ("export", "--frozen", "--no-emit-project", "--no-default-groups", "--no-hashes", "--no-header")
        told = _run_uv([*command, "--no-annotate", "--quiet", "--project", str(file.parent)], file)
        return Asked(tuple(parse(line, str(file)) for line in told))
    try:
        packages = tomllib.loads(file.read_text())["packages"]
        found = [(str(one["name"]), str(one["version"]), one.get("marker")) for one in packages]
    except (OSError, UnicodeDecodeError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RequirementError(f"cannot read the lock {file}: {error}") from error
    texts = (f"{name}=={version}" + (f" ; {marker}" if marker else "") for name, version, marker in found)
    return Asked(tuple(parse(text, str(file)) for text in texts))


def _run_uv(arguments: Sequence[str], file: Path) -> list[str]:
    ran = subprocess.run([*uv_command(), *arguments], capture_output=True, text=True, check=False)
    if ran.returncode:
        raise RequirementError(
            f"uv cannot read {file}: {(ran.stderr.strip().splitlines() or ['no error was printed'])[-1]}"
        )
    return [line for _, line in _lines(ran.stdout)]
