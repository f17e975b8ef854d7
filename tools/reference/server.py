"""The page on the settings of `lamella serve`, made from the declarations that their reader uses."""

from lamella.server.settings import Settings
from tools.reference.tables import section, tables

_OPENING = """\
# The settings of `lamella serve`

<!-- Made by `make docs`. -->

A TOML file, which `lamella serve --config FILE` reads. All settings are optional. An unknown key is an error that names
the line.

```toml
listen = "0.0.0.0:8080"
bucket = "s3://images?region=eu-central-1"
writable = true

[access]
anonymous = ["pull"]
htpasswd = "/etc/lamella/htpasswd"

[[access.user]]
name = "*"
rights = ["build", "push:team/**"]

[[source]]                      # names without a prefix, and deb/...
name = "deb"
kind = "deb"
```

Credentials of a bucket are taken from the environment (`AWS_ACCESS_KEY_ID` and the like), or from the machine.
[The guide](../serving/index.md) explains what the settings are for.
"""


def page() -> str:
    """Return the page as Markdown."""
    sections = [section(title, kind) for title, kind in tables(Settings)]
    return "\n".join([_OPENING, section("The top of the file", Settings), *sections])
