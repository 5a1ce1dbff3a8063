"""`runs`, `show`, `report`, `diff` and `cost`."""

from __future__ import annotations

import click

from flowrunner.cli.screen import Screen
from flowrunner.commands import comparing, looking
from flowrunner.report.costs import By


@click.command()
@click.option("--failed", is_flag=True, help="Only those that did not end well.")
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
@click.pass_obj
def runs(screen: Screen, /, failed: bool, as_json: bool) -> int:
    """List the runs of this project, the newest first."""
    screen.result(looking.history(screen, only_failed=failed, as_json=as_json))
    return 0


@click.command()
@click.argument("run", default="latest")
@click.argument("step", required=False)
@click.option("--result", "only_result", is_flag=True, help="Only the run's result, as JSON.")
@click.pass_obj
def show(screen: Screen, /, run: str, step: str | None, only_result: bool) -> int:
    """Show a run, or what one STEP of it asked and was answered."""
    screen.result(looking.show(run, step, only_result=only_result, viewer=screen))
    return 0


@click.command()
@click.argument("run", default="latest")
@click.option("--open", "open_it", is_flag=True, help="Open it in the browser.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["html", "json"]),
    default="html",
    show_default=True,
    help="Which report.",
)
@click.pass_obj
def report(screen: Screen, /, run: str, open_it: bool, form: str) -> int:
    """Write the report of a run again, from its journal alone; its path goes to stdout."""
    path = looking.write_report(run, form)
    screen.result(str(path))
    if open_it:
        click.launch(path.resolve().as_uri())
    return 0


@click.command()
@click.argument("run_a")
@click.argument("run_b")
@click.argument("step", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@click.pass_obj
def diff(screen: Screen, /, run_a: str, run_b: str, step: str | None, as_json: bool) -> int:
    """Hold two runs against each other, or what one STEP of them asked and was answered."""
    screen.result(comparing.diff((run_a, run_b), step, screen, as_json=as_json))
    return 0


@click.command()
@click.option(
    "--by",
    type=click.Choice(["step", "model", "day"]),
    default="model",
    show_default=True,
    help="What to add up by.",
)
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@click.pass_obj
def cost(screen: Screen, /, by: By, as_json: bool) -> int:
    """Add up what the runs of this project cost; simulated ones are left out."""
    screen.result(comparing.cost(by, screen, as_json=as_json))
    return 0
