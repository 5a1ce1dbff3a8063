"""`run` and `resume`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from flowrunner.cli.options import decisions, option
from flowrunner.cli.screen import Screen
from flowrunner.commands.running import RunOptions, start
from flowrunner.commands.running import resume as resume_run
from flowrunner.project.inputs import Given


@click.command()
@click.argument("workflow", type=click.Path(path_type=Path))
@click.option("-i", "--input", "pairs", multiple=True, metavar="NAME=VALUE|NAME=@FILE")
@option("--inputs", "inputs_file", metavar="FILE|-", help="All inputs as YAML or JSON.")
@option("--simulate", is_flag=True, help="Ask a local simulator: no key, no network, no cost.")
@option("--model", help="The model of every step, whatever the file says.")
@decisions
@click.pass_obj
def run(
    screen: Screen,
    /,
    workflow: Path,
    pairs: tuple[str, ...],
    inputs_file: str | None,
    **options: Any,
) -> int:
    """Run a workflow: check it, run its steps, write a report.

    The declared result goes to stdout as JSON, everything else to stderr.
    """
    given = Given(pairs, inputs_file, stdin=sys.stdin.buffer, ask=screen.asker())
    return start(workflow, given, RunOptions(**options), screen)


@click.command()
@click.argument("run", default="latest")
@decisions
@click.pass_obj
def resume(screen: Screen, /, run: str, **options: Any) -> int:
    """Go on with a run where it ended; finished steps are not paid for again.

    RUN is an id or the beginning of one, `latest`, `latest-failed`, or `@2` for the one before the
    last.
    """
    return resume_run(run, RunOptions(**options), screen)
