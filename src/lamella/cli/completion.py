"""`lamella completion`: what a shell needs to complete commands, options, files and names."""

import click

from lamella.cli.main import cli

_SHELLS = ("bash", "zsh", "fish")


@click.command("completion")
@click.argument("shell", type=click.Choice(_SHELLS))
def command(shell: str) -> None:
    """Print the completion script for SHELL (bash, zsh or fish).

    For bash, put eval "$(lamella completion bash)" into ~/.bashrc. For zsh, put eval "$(lamella completion zsh)" into
    ~/.zshrc, after compinit. For fish, put lamella completion fish | source into ~/.config/fish/config.fish.
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(cli, {}, "lamella", "_LAMELLA_COMPLETE").source())
