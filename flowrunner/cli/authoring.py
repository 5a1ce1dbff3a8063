"""`validate`, `fmt`, `explain` and `graph`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from flowrunner.cli.options import option
from flowrunner.cli.screen import Screen
from flowrunner.commands.checking import validate as validate_files
from flowrunner.commands.drawing import GraphForm, draw
from flowrunner.commands.explaining import explain as explain_topic
from flowrunner.commands.formatting import format_files, format_stdin
from flowrunner.diagnostics import Form


@click.command()
@click.argument("paths", nargs=-1)
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
    """Find every mistake in workflow files. Needs no key and sends nothing.

    PATHS are files or folders; without any, the current folder is searched.
    """
    checked = validate_files(paths, form, strict=strict, colour=screen.colour and form == "full")
    if checked.text:
        screen.result(checked.text)
    screen.progress(checked.tally)
    return checked.exit_status


@click.command()
@click.argument("paths", nargs=-1)
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 if a file would change.")
@click.option("--diff", is_flag=True, help="Write nothing; print what would change.")
@click.pass_obj
def fmt(screen: Screen, /, paths: tuple[str, ...], check: bool, diff: bool) -> int:
    """Put workflow files into the usual look: quotes, order of keys, indentation.

    PATHS are files or folders; without any, the current folder is searched; `-` is stdin, for
    editors. Comments, blank lines and blocks of text stay, and a file never means something else
    afterwards.
    """
    if paths == ("-",):
        return format_stdin(sys.stdin.buffer.read(), screen)
    return format_files(paths, screen, check=check, diff=diff)


@click.command()
@click.argument("topic", metavar="TOPIC|WORKFLOW")
@click.pass_obj
def explain(screen: Screen, /, topic: str) -> int:
    """Say what something means, or what a workflow does, in plain English; sends nothing.

    TOPIC is a key (`retry`, `step.retry`, `inputs.type`, `flowrunner.yaml`), the code of a rule
    (`unknown-key`) or an exit status (`8`).
    """
    return explain_topic(topic, screen)


@click.command()
@click.argument("workflow", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "mermaid", "dot", "svg"]),
    help="How it is drawn. Default: by the ending of --output, else text.",
)
@click.option("--output", type=click.Path(path_type=Path), metavar="FILE", help="Where to.")
@click.pass_obj
def graph(screen: Screen, /, workflow: Path, form: GraphForm | None, output: Path | None) -> int:
    """Draw the steps of a workflow and what waits for what. Runs and sends nothing."""
    return draw(workflow, form, output, screen)
