"""The page on `lamella.toml`, made from the declarations that the reader uses."""

from lamella.spec.debian import Debian
from lamella.spec.fields import Value
from lamella.spec.model import Config, Image, Layer, Perm, Rewrite
from lamella.spec.python import Python
from lamella.spec.store import Store
from lamella.spec.wants import DebWant, FilesWant, NixWant, PypiWant
from tools.reference.tables import section

TABLES: tuple[tuple[str, type[Value]], ...] = (
    ("The top of the file", Image),
    ("`[config]`", Config),
    ("`[[layer]]`", Layer),
    ("`files`", FilesWant),
    ("`nix`", NixWant),
    ("`pypi`", PypiWant),
    ("`[python]`", Python),
    ("`[store]`", Store),
    ("`deb`", DebWant),
    ("`[debian]`", Debian),
    ("`perms`", Perm),
    ("`rewrites`", Rewrite),
)

_OPENING = """\
# `lamella.toml`

<!-- Made by `make docs`. -->

What an image is made of. `lamella schema` prints the same as a JSON Schema; if you save it beside the file, the line
`#:schema lamella.schema.json` at the top makes editors complete and check keys.

```toml
name = "registry.example.com/hello"
created = "git"
files = ["app"]                 # goes to /app, in a last layer of its own

[config]
entrypoint = ["/app/hello"]
env = { LANG = "C.UTF-8" }
ports = [8080]

[[layer]]                       # lowest first
name = "tools"
nix = ["./result"]              # with all that it refers to

[[layer]]
name = "data"
files = [{ from = "data/", to = "/srv/hello", exclude = ["*.bak"] }]
perms = [{ match = "secret", mode = "0600", uid = 1000 }]
```

Paths are relative to the folder of the file. Regular expressions are written as in Python, but `$` is the very end of
the path, classes such as `[:alpha:]` are refused, and `$1` in a replacement is a group. An unknown key is an error that
names the line, and suggests what may be meant.
"""


_PYTHON = """\
## The same in Python

```python
from lamella import Config, Image, Layer, Perm, files, nix

image = Image(
    "registry.example.com/hello",
    created="git",
    take=[files("app")],
    config=Config(entrypoint=["/app/hello"], env={"LANG": "C.UTF-8"}, ports=["8080"]),
    layers=[
        Layer("tools", [nix("./result")]),
        Layer(
            "data",
            [files("data/", to="/srv/hello", exclude=["*.bak"])],
            perms=[Perm(match="secret", mode=0o600, uid=1000)],
        ),
    ],
)
```

The keys have the same names, except that `[[layer]]` is `layers`, `from` is `path`, and `nix` and `files` are together
in `take`. [Python](python.md) describes everything, and how to build an image from Python.
"""


def page() -> str:
    """Return the page as Markdown."""
    return "\n".join([_OPENING, *(section(title, kind) for title, kind in TABLES), _PYTHON])
