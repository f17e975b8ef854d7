"""Options that do the same have the same names, values and help in all commands, and no letter means two things."""

from collections import defaultdict
from collections.abc import Iterator

import click
import pytest

from lamella.cli.main import COMMANDS, cli

OF_THEIR_OWN = {
    "--format": "the manifest's form, or that of a list",
    "--output": "what is written differs",
    "--check": "what is checked differs",
    "--dry-run": "what is not done differs",
    "--into": "daemons, one of them, or a folder",
    "--to": "a place for images, or a cache for packages",
}


def commands(command: click.Command, context: click.Context) -> Iterator[tuple[str, click.Command]]:
    if not isinstance(command, click.Group):
        yield context.command_path, command
        return
    for name in command.list_commands(context):
        inner = command.get_command(context, name)
        assert inner
        if not inner.hidden:
            yield from commands(inner, click.Context(inner, parent=context, info_name=name))


ALL = dict(commands(cli, click.Context(cli, info_name="lamella")))


def options() -> Iterator[tuple[str, click.Option]]:
    for name, command in ALL.items():
        yield from ((name, param) for param in command.params if isinstance(param, click.Option))


def test_the_same_option_is_the_same_everywhere() -> None:
    seen = defaultdict(set)
    for name, option in options():
        long = next(word for word in option.opts if word.startswith("--"))
        shown = option.get_help_record(click.Context(ALL[name]))
        assert shown, (name, long)
        if long not in OF_THEIR_OWN:
            seen[long].add((*shown, option.is_flag, option.multiple))
    assert {long: told for long, told in seen.items() if len(told) > 1} == {}


def test_a_letter_means_one_option() -> None:
    letters = defaultdict(set)
    for _, option in options():
        for word in option.opts:
            if len(word) == 2:
                letters[word].add(option.opts[-1])
    assert letters == {"-q": {"--quiet"}, "-v": {"--verbose"}, "-o": {"--output"}, "-p": {"--packages"}}


def test_every_option_says_what_it_does_and_what_it_takes() -> None:
    for name, option in options():
        assert option.help, (name, option.opts)
        assert option.is_flag or option.make_metavar(click.Context(ALL[name])) not in ("TEXT", "PATH", "INTEGER")


@pytest.mark.parametrize("name", sorted(ALL))
def test_results_are_told_to_programs_too(name: str) -> None:
    known = {word for param in ALL[name].params for word in param.opts}
    no_result = {"lamella run", "lamella shell", "lamella serve", "lamella completion"}
    always_json = {"lamella sbom", "lamella schema", "lamella report"}
    assert ("--json" in known) != (name in no_result | always_json)


def test_all_that_reach_registries_take_the_same_options() -> None:
    reach = {"--creds", "--insecure", "--ca"}
    for name, command in ALL.items():
        known = {word for param in command.params for word in param.opts} & reach
        assert known in (set(), reach, reach - {"--creds"}), name


def test_every_command_has_a_line() -> None:
    assert all(said.endswith(".") and len(said) < 100 for said in COMMANDS.values())
