"""The page on the Python interface: all names of `lamella`, from their own declarations."""

import inspect
import re
import textwrap
import types
import typing
from collections.abc import Iterator

import msgspec

import lamella
from lamella.spec.fields import TAKE, Said, Value
from tools.reference.tables import cell, default

_OPENING = """\
# Python

<!-- Made by `make docs`. -->

What `import lamella` provides: the values of a [spec](spec.md), written in Python. They are checked when they are
created, like those in a `lamella.toml`, and a wrong one raises `SpecError`, a `LamellaError` that says what to do. They
are frozen, and compare by value.

```python
# greeting.py
from pathlib import Path

from lamella import Config, Image, Layer, Perm, files, pipeline
from lamella.destinations.layout import Layout
from lamella.pipeline.draft import Target
from lamella.pipeline.workplace import workplace
from lamella.spec.model import Spec

image = Image(
    "greeting",
    layers=[Layer("data", [files("data/", to="/srv/data")], perms=[Perm(match="words$", mode=0o600)])],
    take=[files("hello.sh")],
    config=Config(entrypoint=["/bin/sh", "/hello.sh"], env={"LANG": "C.UTF-8"}),
)

place = workplace(Path("cache"))  # what is remembered lies here
draft = pipeline.plan(Spec(image, Path()), place)  # steps 1 to 4; paths start from Path()
print([layer.plan.name for layer in draft.layers if layer.record is None], "to make")
built = pipeline.build(draft, place, [Target(Layout(Path("out")), "v1")])
for own in built.layers:
    print(own.plan.name, own.layer.record.diff_id)
```

```console
$ mkdir data
$ echo hello >data/words
$ echo 'cat /srv/data/words' >hello.sh
$ python greeting.py
['data', 'app'] to make
data sha256:...
app sha256:...
$ python greeting.py
[] to make
data sha256:...
app sha256:...
$ lamella validate oci:out:v1
2 layers, 0 problems
```

The values below are the stable interface: they change only when the file format does. `lamella.pipeline` is what the
commands call. It may change from one version to the next.

The keys have the same names as in a file, except that `[[layer]]` is `layers`, `from` is `path`, and `nix`, `files`,
`pypi` and `deb` are together in `take`.
"""

_WIDTH = 100
_LONGEST = 40
_TAKEN = (
    "What it contains, besides what that refers to: `files(...)`, `nix(...)`, `pypi(...)` and `deb(...)`, in any order."
)


def page() -> str:
    """Return the page as Markdown."""
    return "\n".join([_OPENING, *(_section(name, getattr(lamella, name)) for name in _ordered())])


def _ordered() -> list[str]:
    """Return the names: values first, in the order in which they are needed, then functions."""
    first = ["Image", "Layer", "Config", "files", "nix", "pypi", "deb"]
    rest = [name for name in lamella.__all__ if name not in first]
    return [*first, *sorted(rest, key=lambda name: name.strip("_").lower())]


def _section(name: str, thing: object) -> str:
    if isinstance(thing, str):
        return f"## `{name}`\n\nThe version, as `lamella --version` prints it.\n"
    said = inspect.getdoc(thing) or ""
    if isinstance(thing, type) and issubclass(thing, Value):
        return "\n".join([f"## `{name}`\n\n{_call(thing)}\n\n{said}\n", *_fields(thing), ""])
    if isinstance(thing, type):
        return f"## `{name}`\n\n{said}\n\n`exit_code` is the command's exit code; [all kinds](errors.md#from-python).\n"
    assert inspect.isfunction(thing)
    return f"## `{name}`\n\n    {name}{_plain(str(inspect.signature(thing)))}\n\n{said}\n"


def _call(kind: type[Value]) -> str:
    """Return how a value is created: positional arguments, then the rest."""
    first = kind.__match_args__
    fields = {field.name: field for field in msgspec.structs.fields(kind)}
    words = [name if fields[name].required else f"{name}=..." for name in first]
    rest = [name if fields[name].required else f"{name}=..." for name in fields if name not in first]
    call = f"{kind.__name__}({', '.join([*words, *(['*', *rest] if rest else [])])})"
    return "\n".join(textwrap.wrap(call, _WIDTH, initial_indent="    ", subsequent_indent="        "))


def _fields(kind: type[Value]) -> Iterator[str]:
    hints = typing.get_type_hints(kind, include_extras=True)
    yield "| argument | type | meaning | if not given |"
    yield "| --- | --- | --- | --- |"
    for field in msgspec.structs.fields(kind):
        meaning, hint = _TAKEN, "Sequence"
        if field.name != TAKE:
            said: Said = hints[field.name].__metadata__[0]
            meaning, hint = said.description, _shown(hints[field.name].__origin__)
        value = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
        yield f"| `{field.name}` | {cell(f'`{hint}`')} | {cell(meaning)} | {default(value)} |"


def _shown(hint: object) -> str:
    """Return a type as one writes it; long ones shortened."""
    parts = (
        typing.get_args(hint) if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union else ()
    )
    if parts:
        return " | ".join(map(_shown, parts))
    text = _plain(hint.__name__ if isinstance(hint, type) and not typing.get_args(hint) else str(hint))
    return ("str" if text.startswith("Literal") else text.partition("[")[0]) if len(text) > _LONGEST else text


def _plain(text: str) -> str:
    """Return `text` without the modules of classes."""
    return re.sub(r"\b[a-z_.]+\.(?=[A-Z])", "", text).replace("NoneType", "None")
