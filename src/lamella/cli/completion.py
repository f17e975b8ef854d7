"""`lamella completion`: what a shell needs to complete commands, options, files and names."""

import click

from lamella.cli.main import cli

_SHELLS = ("bash", "zsh", "fish")


@click.command("completion")
@click.argument("shell", type=click.Choice(_SHELLS))
def command(shell: str) -> None:
    """Print the script with which SHELL (bash, zsh or fish) completes the words of lamella.

    For bash, eval "$(lamella completion bash)" stands in ~/.bashrc. For zsh, eval "$(lamella completion zsh)" stands
    in ~/.zshrc, after compinit. For fish, lamella completion fish | source stands in ~/.config/fish/config.fish.
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(cli, {}, "lamella", "_LAMELLA_COMPLETE").source())
