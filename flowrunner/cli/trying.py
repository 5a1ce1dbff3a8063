"""`try`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from flowrunner.cli.options import Duration, inputs, option
from flowrunner.cli.screen import Screen
from flowrunner.commands.running import RunOptions
from flowrunner.commands.trying import Wish, try_step
from flowrunner.commands.trying.request import Shown
from flowrunner.project.inputs import Given


@click.command("try")
@click.argument("workflow", type=click.Path(path_type=Path))
@click.argument("step")
@click.option(
    "--from",
    "source",
    metavar="RUN",
    help="The run whose results the step is tried with.  [default: the newest that has them]",
)
@inputs
@click.option(
    "--request",
    "shows",
    flag_value="request",
    help="Print the request as JSON and send nothing.",
)
@click.option(
    "--curl", "shows", flag_value="curl", help="Print it as a command of curl and send nothing."
)
@option("--simulate", is_flag=True, help="Ask a local simulator: no key, no network, no cost.")
@option("--replay", is_flag=True, help="Take the answer from the recording beside the workflow.")
@option("--recording", metavar="NAME", help="Under this name.  [default: that of the file]")
@option("--model", help="The model, whatever the file says.")
@option("--provider", metavar="NAME", help="The provider, whatever the file says.")
@option(
    "--max-cost",
    "max_cost_usd",
    type=click.FloatRange(min=0, min_open=True),
    metavar="USD",
    help="Send nothing that may cost more.",
)
@option("--timeout", "timeout_s", type=Duration(), help="End the try after this long (30m).")
@click.option("--may-act", is_flag=True, help="Try a step too that may change things outside.")
@option("--json", "as_json", is_flag=True, help="Print all that came of it as JSON.")
@click.pass_obj
def try_(
    screen: Screen,
    /,
    workflow: Path,
    step: str,
    source: str | None,
    shows: Shown | None,
    **options: Any,
) -> int:
    """Try one STEP of a workflow alone, with what an earlier run gave to it.

    Shows what is asked, what it costs, and how both differ from the last time; the answer alone
    goes to stdout. STEP is an id, an item (`extract[3]`), or a step inside one
    (`extract[3]/reply`). Nothing above it is paid for again, nothing is saved.
    """
    pairs, inputs_file = options.pop("pairs"), options.pop("inputs_file")
    given = Given(pairs, inputs_file, stdin=sys.stdin.buffer, ask=screen.asker())
    wish = Wish(workflow, step, given, source, shows, RunOptions(**options))
    return try_step(wish, screen, screen.questioner())
