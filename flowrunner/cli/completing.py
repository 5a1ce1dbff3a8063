"""`completion`."""

from __future__ import annotations

import click
from click.shell_completion import ShellComplete, get_completion_class

from flowrunner.cli.screen import Screen

_VARIABLE = "_FLOWRUNNER_COMPLETE"


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, /, shell: str) -> int:
    """Print what a SHELL needs to complete commands, options and paths.

    \b
    bash: eval "$(flowrunner completion bash)"
    zsh:  eval "$(flowrunner completion zsh)"
    fish: flowrunner completion fish | source
    """
    screen: Screen = ctx.obj
    kind = get_completion_class(shell)
    assert kind is not None
    complete = kind(ctx.find_root().command, {}, "flowrunner", _VARIABLE)
    # That of bash would start bash, to see which one it is.
    screen.result(ShellComplete.source(complete))
    return 0
