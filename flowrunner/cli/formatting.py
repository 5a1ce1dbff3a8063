"""`fmt`."""

from __future__ import annotations

import sys

import click

from flowrunner.cli.screen import Screen
from flowrunner.commands.formatting import format_files, format_stdin


@click.command()
@click.argument("paths", nargs=-1, type=click.Path())
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 if a file would change.")
@click.option("--diff", is_flag=True, help="Write nothing; print what would change.")
@click.pass_obj
def fmt(screen: Screen, /, paths: tuple[str, ...], check: bool, diff: bool) -> int:
    """Put workflow files and their tests into the usual look: quotes, order of keys, indentation.

    PATHS are files or folders; without any, the current folder is searched; `-` is stdin, for
    editors. Comments, blank lines and blocks of text stay, and a file never means something else
    afterwards.
    """
    if paths == ("-",):
        return format_stdin(sys.stdin.buffer.read(), screen)
    return format_files(paths, screen, check=check, diff=diff)
