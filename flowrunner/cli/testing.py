"""`test`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from flowrunner.cli.options import option
from flowrunner.cli.screen import Screen
from flowrunner.commands.checking import tests_like
from flowrunner.commands.testing.command import AT_ONCE, Options
from flowrunner.commands.testing.command import test as test_files


def _complete(_: click.Context, __: click.Parameter, start: str) -> list[CompletionItem]:
    """The files of tests here, and any path where none begins so."""
    found = [CompletionItem(path) for path in tests_like(start)]
    return found or [CompletionItem(start, type="file")]


@click.command()
@click.argument("paths", nargs=-1, shell_complete=_complete)
@option("--record", is_flag=True, help="Ask the API where a case names a recording; keep replies.")
@option("--update", is_flag=True, help="Write expected `result` and `is` as they came out.")
@option("--live", is_flag=True, help="Ask the API, and let a model say whether `judge` holds.")
@option("--only", metavar="TEXT", help="Only the cases whose names contain this.")
@option("--junit", type=click.Path(path_type=Path), metavar="FILE", help="Write JUnit XML.")
@option(
    "--at-once",
    type=click.IntRange(1),
    default=AT_ONCE,
    show_default=True,
    help="Cases under way at the same time.",
)
@click.pass_obj
def test(screen: Screen, /, paths: tuple[str, ...], **options: Any) -> int:
    """Run the cases of files of tests (`NAME.test.yaml`). Without a key: recordings, scripted
    replies and the simulator answer.

    PATHS are files or folders; without any, the current folder is searched.
    """
    return test_files(paths, Options(**options), screen)
