"""`doctor`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import click

from flowrunner.cli.options import option
from flowrunner.cli.screen import Screen
from flowrunner.commands.doctoring import doctor as look
from flowrunner.project.settings import MODEL, PROVIDER


@click.command()
@click.argument("path", required=False, type=click.Path(path_type=Path))
@option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@click.pass_context
def doctor(ctx: click.Context, /, path: Path | None, as_json: bool) -> int:
    """Say whether runs can work here, and where each setting comes from; sends nothing.

    PATH is a workflow file or a folder, the current folder if none is named. Exits with 4 where
    something is in the way.
    """
    screen: Screen = ctx.obj
    twins = {MODEL, PROVIDER, *_twins(ctx)}
    return look(path or Path.cwd(), os.environ, twins, screen, as_json=as_json)


def _twins(ctx: click.Context) -> Iterator[str]:
    """The variables that the options of all commands are read from."""
    group = ctx.find_root().command
    if not isinstance(group, click.Group):
        return
    for name in group.list_commands(ctx):
        command = group.get_command(ctx, name)
        for parameter in command.params if command else ():
            named = parameter.envvar or ()
            yield from (named,) if isinstance(named, str) else named
