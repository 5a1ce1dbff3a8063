"""`explain` and `graph`: what something means, what a workflow is made of."""

from __future__ import annotations

from pathlib import Path

import click

from flowrunner.cli.screen import Screen
from flowrunner.commands.drawing import GraphForm, draw
from flowrunner.commands.explaining import explain as explain_topic


@click.command()
@click.argument("topic", metavar="TOPIC|FILE")
@click.pass_obj
def explain(screen: Screen, /, topic: str) -> int:
    """Say in plain English what something means, or what a workflow or its tests do.

    TOPIC is a key (`retry`, `step.retry`, `inputs.type`, `case.expect.asked`), a file
    (`flowrunner.yaml`, `test.yaml`), the code of a rule (`unknown-key`) or an exit status (`8`).
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
