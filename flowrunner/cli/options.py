"""Options that several commands share, each with its twin in the environment."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

import click

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


class Duration(click.ParamType):  # type: ignore[type-arg]  # generic in newer versions only
    """`30s`, `5m`, `2h`, `1d`, as in a workflow file; seconds for the program."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        from flowrunner.language.workflow.durations import read_duration

        seconds = read_duration(str(value))
        if seconds is None:
            self.fail(f"{value!r} is no duration; write a number and a unit, as in 5m", param, ctx)
        return seconds


def option(name: str, *more: Any, **settings: Any) -> Callable[[Decorated], Decorated]:
    """An option that `FLOWRUNNER_…` in the environment sets too."""
    first = name.partition("/")[0]
    twin = "FLOWRUNNER_" + first.removeprefix("--").replace("-", "_").upper()
    return click.option(name, *more, envvar=twin, show_envvar=True, **settings)


def inputs(command: Decorated) -> Decorated:
    """How `run`, `plan` and `try` let the command line give inputs."""
    for add in (
        option("--inputs", "inputs_file", metavar="FILE|-", help="All inputs as YAML or JSON."),
        click.option(
            "-i",
            "--input",
            "pairs",
            multiple=True,
            metavar="NAME=VALUE|NAME=@FILE",
            help="One input: its value, or a file that holds it; as often as needed.",
        ),
    ):
        command = add(command)
    return command


_RUN_SPEC = re.compile(r"latest(-failed)?|@\d+|\d[\d-]*(-[0-9a-f]*)?")
_SWITCH = {"1": "any", "true": "any", "yes": "any", "on": "any"}
_SWITCHED_OFF = ("", "0", "false", "no", "off")


class Planned(click.Command):
    """A command with `--reuse`, whose value may be left out before a file: `--reuse flow.yaml`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        following = [*args[1:], "--"]
        words = [
            "--reuse=any" if word == "--reuse" and not _RUN_SPEC.fullmatch(after) else word
            for word, after in zip(args, following, strict=False)
        ]
        return super().parse_args(ctx, words)


def _reused(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    """`--reuse` as a switch in the environment, too."""
    if value is None or value.casefold() in _SWITCHED_OFF:
        return None
    return _SWITCH.get(value.casefold(), value)


def parts(command: Decorated) -> Decorated:
    """What `run` and `plan` let the command line say about earlier results and parts of a file."""
    for add in (
        option(
            "--until",
            metavar="STEP",
            help="Only this step and what it needs; `resume` does the rest.",
        ),
        option(
            "--force",
            multiple=True,
            metavar="STEP|all",
            help="Ask for this step anew, whatever could be reused.",
        ),
        option(
            "--reuse",
            is_flag=False,
            flag_value="any",
            metavar="[RUN|latest]",
            callback=_reused,
            help="Take answers of earlier runs, or of this one, to the very same requests.",
        ),
    ):
        command = add(command)
    return command


def decisions(command: Decorated) -> Decorated:
    """What `run` and `resume` let the command line decide."""
    for add in (
        option("--json", "as_json", is_flag=True, help="Print the whole report as JSON."),
        option(
            "--on-unknown",
            type=click.Choice(["hold", "retry_once"]),
            help="What follows a lost answer, whatever the file says.",
        ),
        option(
            "--max-cost",
            "max_cost_usd",
            type=click.FloatRange(min=0, min_open=True),
            metavar="USD",
            help="Stop before the run costs more.",
        ),
        option(
            "--timeout", "timeout_s", type=Duration(), help="End the run after this long (30m)."
        ),
        option(
            "--wait/--no-wait",
            default=None,
            help="Wait for responses in the background. Default: where a person is at the "
            "terminal; elsewhere the run ends with status 9 and `resume` collects them.",
        ),
        option(
            "--cancel-background",
            is_flag=True,
            help="Let Ctrl-C or a signal cancel responses in the background too.",
        ),
        option("--at-once", type=click.IntRange(1), help="Requests under way at the same time."),
    ):
        command = add(command)
    return command
