"""`demo` and `simulator`."""

from __future__ import annotations

from pathlib import Path

import click

from flowrunner.cli.options import option
from flowrunner.cli.screen import Screen
from flowrunner.commands.demo import demo as make_demo
from flowrunner.commands.serving import serve


@click.command()
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.pass_obj
def demo(screen: Screen, /, folder: Path | None) -> int:
    """Make a small project in FOLDER (or a temporary one), run it, show what came out."""
    return make_demo(folder, screen)


@click.command()
@option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8765,
    show_default=True,
    help="Where it listens on this machine; 0 takes a free port.",
)
@option("--faults", type=click.Path(path_type=Path), help="A file of faults to order.")
@option(
    "--requests-a-minute",
    type=click.IntRange(min=1),
    help="Refuse more than so many with 429, as a real limit does.",
)
@click.pass_obj
def simulator(
    screen: Screen, /, port: int, faults: Path | None, requests_a_minute: int | None
) -> int:
    """Serve a local Responses API until Ctrl-C. Anything that speaks the API may talk to it."""
    return serve(port, faults, requests_a_minute, screen)
