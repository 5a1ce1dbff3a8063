"""`run` and `resume`."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from flowrunner.cli.options import Planned, decisions, inputs, option, parts
from flowrunner.cli.screen import Screen
from flowrunner.commands.approving import approve as approve_step
from flowrunner.commands.cancelling import cancel as cancel_run
from flowrunner.commands.rerunning import watch as watch_files
from flowrunner.commands.resuming import resume as resume_run
from flowrunner.commands.running import RunOptions, start
from flowrunner.commands.unattended import unattended
from flowrunner.project.inputs import Given


@click.command(cls=Planned)
@click.argument("workflow", type=click.Path(path_type=Path))
@inputs
@option("--simulate", is_flag=True, help="Ask a local simulator: no key, no network, no cost.")
@option("--record", is_flag=True, help="Keep the replies in `recordings/` beside the workflow.")
@option("--replay", is_flag=True, help="Take the replies from there: no key, no network, no cost.")
@option("--recording", metavar="NAME", help="Under this name.  [default: that of the file]")
@option("--model", help="The model of every step, whatever the file says.")
@option("--provider", metavar="NAME", help="The provider of every step, whatever the file says.")
@option("--yes", is_flag=True, help="Ask no question about the cost.")
@click.option(
    "--watch", is_flag=True, help="Run again what changed whenever a file is saved; Ctrl-C ends."
)
@click.option(
    "--may-act",
    is_flag=True,
    help="With `--watch`: let steps change things outside with every save.",
)
@option(
    "--cron",
    is_flag=True,
    help="Print nothing where all goes well, else the whole story; ask nobody anything.",
)
@option(
    "--on-overlap",
    type=click.Choice(["fail", "skip", "wait"]),
    help="With `--cron`: what follows where the workflow is at work already.  [default: fail]",
)
@parts
@decisions
@click.pass_obj
def run(screen: Screen, /, workflow: Path, watch: bool, cron: bool, **options: Any) -> int:
    """Run a workflow: check it, run its steps, write a report.

    The declared result goes to stdout as JSON, everything else to stderr.
    """
    pairs, inputs_file = options.pop("pairs"), options.pop("inputs_file")
    on_overlap = options.pop("on_overlap")
    given = Given(pairs, inputs_file, stdin=sys.stdin.buffer, ask=screen.asker())
    chosen = RunOptions(**options)
    if chosen.may_act and not watch:
        raise click.UsageError("`--may-act` belongs to `--watch`: a single run may act anyway")
    if not cron:
        if on_overlap is not None:
            raise click.UsageError("`--on-overlap` belongs to `--cron`")
        go = watch_files if watch else start
        return go(workflow, given, chosen, screen, screen.questioner())
    if watch or chosen.as_json:
        other = "--watch" if watch else "--json"
        raise click.UsageError(f"`--cron` and `{other}` exclude each other: nobody is there")
    alone = replace(given, ask=None)
    return unattended(
        workflow,
        lambda viewer: start(workflow, alone, chosen, viewer),
        on_overlap or "fail",
        screen,
    )


@click.command()
@click.argument("run", default="latest")
@click.option("-i", "--input", "pairs", multiple=True, metavar="NAME=VALUE", help="A secret input.")
@option(
    "--accept-changes", is_flag=True, help="Go on with files that were edited since the run began."
)
@option(
    "--failed-only",
    is_flag=True,
    help="Do again what failed and what depends on it; leave what never began, waits or is held.",
)
@decisions
@click.pass_context
def resume(ctx: click.Context, /, run: str, pairs: tuple[str, ...], **options: Any) -> int:
    """Go on with a run where it ended; finished steps are not paid for again.

    RUN is an id or the beginning of one, `latest`, `latest-failed`, or `@2` for the one before the
    last.
    """
    # To pay a second time for what may have been paid for is said on the command line, each time.
    said = ctx.get_parameter_source("on_unknown") is click.core.ParameterSource.COMMANDLINE
    asks_held = said and options["on_unknown"] == "retry_once"
    chosen = RunOptions(asks_held=asks_held, **options)
    given = Given(pairs, stdin=sys.stdin.buffer, ask=ctx.obj.asker())
    return resume_run(run, given, chosen, ctx.obj, ctx.obj.questioner())


@click.command()
@click.argument("run")
@click.argument("step")
@click.option("--deny", is_flag=True, help="Do not agree.")
@click.option("--reason", help="Why, for the record.")
@click.pass_obj
def approve(screen: Screen, /, run: str, step: str, deny: bool, reason: str | None) -> int:
    """Agree to a STEP of a RUN that asks, or not; while it runs or after it ended with status 9."""
    return approve_step(run, step, deny=deny, reason=reason, viewer=screen)


@click.command()
@click.argument("run")
@click.option("--reason", help="Why, for the record.")
@click.pass_obj
def cancel(screen: Screen, /, run: str, reason: str | None) -> int:
    """End a RUN for good: one that another process works on, or one that waits or was interrupted.

    Requests under way have a moment left to be answered. Nothing that was paid for is lost: `run
    --reuse RUN` takes it.
    """
    return cancel_run(run, reason, screen)
