"""`lamella completion`: the script that lets a shell complete commands, options, files and names."""

import click

from lamella.cli.main import cli

_SHELLS = ("bash", "zsh", "fish")


@click.command("completion")
@click.argument("shell", type=click.Choice(_SHELLS), metavar="SHELL")
def command(shell: str) -> None:
    """Print the completion script for SHELL (bash, zsh or fish).

    For bash, add eval "$(lamella completion bash)" to ~/.bashrc. For zsh, add eval "$(lamella completion zsh)" to
    ~/.zshrc, after compinit. For fish, add lamella completion fish | source to ~/.config/fish/config.fish.
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(cli, {}, "lamella", "_LAMELLA_COMPLETE").source())
