"""The pages of docs/reference, made from the code: `make docs` writes them, and a test checks that they are current."""

from collections.abc import Callable

from tools.reference import commands, errors, python, server, spec

PAGES: dict[str, Callable[[], str]] = {
    "commands.md": commands.page,
    "errors.md": errors.page,
    "python.md": python.page,
    "server.md": server.page,
    "spec.md": spec.page,
}
