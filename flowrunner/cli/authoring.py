"""`validate`."""

from __future__ import annotations

import click

from flowrunner.cli.options import option
from flowrunner.cli.screen import Screen
from flowrunner.commands.checking import validate as validate_files
from flowrunner.diagnostics import Form


@click.command()
@click.argument("paths", nargs=-1, type=click.Path())
@option(
    "--format",
    "form",
    type=click.Choice(["full", "concise", "json", "github"]),
    default="full",
    show_default=True,
    help="How mistakes are printed.",
)
@option("--strict", is_flag=True, help="Count warnings as errors.")
@click.pass_obj
def validate(screen: Screen, /, paths: tuple[str, ...], form: Form, strict: bool) -> int:
    """Find every mistake in workflow files and in tests of them. Needs no key and sends nothing.

    PATHS are files or folders; without any, the current folder is searched.
    """
    checked = validate_files(paths, form, strict=strict, colour=screen.colour and form == "full")
    if checked.text:
        screen.result(checked.text)
    screen.progress(checked.tally)
    return checked.exit_status
