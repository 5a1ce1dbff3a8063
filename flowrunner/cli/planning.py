"""`plan`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from flowrunner.cli.options import Planned, inputs, option, parts
from flowrunner.cli.screen import Screen
from flowrunner.commands.planning import PlanOptions, show_plan
from flowrunner.project.inputs import Given


@click.command(cls=Planned)
@click.argument("workflow", type=click.Path(path_type=Path))
@inputs
@option("--simulate", is_flag=True, help="Plan a run on the local simulator.")
@option("--model", help="The model of every step, whatever the file says.")
@option("--provider", metavar="NAME", help="The provider of every step, whatever the file says.")
@option("--exact", is_flag=True, help="Have the server count tokens, which is free; needs a key.")
@parts
@option("--json", "as_json", is_flag=True, help="Print the plan as JSON.")
@click.pass_obj
def plan(
    screen: Screen,
    /,
    workflow: Path,
    pairs: tuple[str, ...],
    inputs_file: str | None,
    **options: Any,
) -> int:
    """Say what a run would do, why, and what it may cost. Needs no key and sends nothing.

    About is a guess; between are bounds. What depends on an answer is bounded by the longest answer
    that the step may get. With --exact what is known beforehand is sent to be counted, and to
    nothing else: it costs nothing, and no model answers.
    """
    given = Given(pairs, inputs_file, stdin=sys.stdin.buffer, ask=screen.asker())
    return show_plan(workflow, given, PlanOptions(**options), screen)
