"""From words on a command line to an exit status: the group of commands and its last resort.

Every way a command can end is turned into a sentence and a status here and nowhere else.
"""

from __future__ import annotations

import difflib
import errno
import importlib
import keyword
import traceback
from collections.abc import Sequence

import click

from flowrunner.cli.screen import Screen
from flowrunner.errors import ExitStatus, FlowrunnerError, InvalidWorkflow

SECTIONS = {
    "Start": {
        "init": ("beginning", "Make a project from a template; writes over nothing."),
        "demo": ("starting", "Make a small project, run it on the simulator, show what came out."),
        "doctor": ("doctoring", "Say whether runs can work here; sends nothing."),
    },
    "Author": {
        "validate": ("authoring", "Find every mistake in workflow files; sends nothing."),
        "fmt": ("formatting", "Put workflow files into the usual look."),
        "explain": ("explaining", "Say what a key, a rule, a status or a workflow means."),
        "graph": ("explaining", "Draw the steps of a workflow; runs nothing."),
        "schema": ("beginning", "Print a JSON Schema, or give it to your editor."),
        "plan": ("planning", "Say what a run would do and may cost; sends nothing."),
        "try": ("trying", "Try one step alone, with what an earlier run gave to it."),
    },
    "Run": {
        "run": ("running", "Run a workflow."),
        "resume": ("running", "Go on with a run where it ended."),
        "approve": ("running", "Agree to a step that asks, or not."),
        "cancel": ("running", "End a run for good, wherever it is at work."),
    },
    "Test": {
        "test": ("testing", "Run the cases of files of tests, without a key."),
    },
    "Look": {
        "runs": ("looking", "List the runs of this project."),
        "show": ("looking", "Show a run, or one step of it."),
        "report": ("looking", "Write a run's report again, or open it."),
        "diff": ("looking", "Hold two runs against each other."),
        "cost": ("looking", "Add up what the runs of this project cost."),
    },
    "Automate": {
        "simulator": ("starting", "Serve a local Responses API that costs nothing."),
    },
    "Tidy": {
        "completion": ("completing", "Print what your shell needs to complete commands."),
    },
}
_EXITS = """\
Exit statuses: 0 done, 1 a step failed, 2 wrong command line or inputs, 3 workflow invalid (nothing
sent), 4 environment (key, quota, disk, network), 5 stopped by budget or policy, 6 done with failed
items, 7 already running, 8 held (a call's outcome is unknown), 9 waiting for a person or a response
in the background, 10 journal unusable, 70 a bug of ours, 130/143 interrupted (can be resumed)."""


_SHORTAGES = {errno.EMFILE, errno.ENFILE, errno.ENOSPC, errno.ENOMEM, errno.EROFS, errno.EIO}


class Commands(click.Group):
    """The commands by section; each one's module is imported when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return [name for section in SECTIONS.values() for name in section]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        for section in SECTIONS.values():
            if cmd_name in section:
                module = importlib.import_module(f"flowrunner.cli.{section[cmd_name][0]}")
                # A command may be called by a word of Python's own.
                own = f"{cmd_name}_" if keyword.iskeyword(cmd_name) else cmd_name
                command: click.Command = getattr(module, own)
                return command
        return None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if not name.startswith("-") and name not in self.list_commands(ctx):
            # Names of commands are short: two letters in each other's place are a third of one.
            near = difflib.get_close_matches(name, self.list_commands(ctx), n=1, cutoff=0.6)
            hint = f"; did you mean `{near[0]}`?" if near else ""
            raise click.UsageError(f"there is no command `{name}`{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        for title, section in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name, text) for name, (_, text) in section.items()])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        formatter.write("\n" + _EXITS + "\n")


@click.group(
    cls=Commands,
    help="Run declarative workflows against the OpenAI Responses API.",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    invoke_without_command=True,
)
@click.option("--version", "-V", is_flag=True, help="Show the version.")
@click.pass_context
def flowrunner(ctx: click.Context, version: bool) -> None:
    """The `flowrunner` command without a subcommand."""
    from flowrunner import __version__

    if version:
        ctx.obj.result(f"flowrunner {__version__}")
    elif ctx.invoked_subcommand is None:
        from flowrunner.commands.listing import workflows_here

        ctx.obj.result(ctx.get_help())
        ctx.obj.result(workflows_here())


def enter(words: Sequence[str]) -> int:
    """Run one command line; the exit status. Nothing is raised but SystemExit by a signal."""
    screen = Screen.of_this_terminal()
    try:
        ended = flowrunner.main(list(words), "flowrunner", standalone_mode=False, obj=screen)
    except (click.exceptions.Abort, KeyboardInterrupt):
        return ExitStatus.INTERRUPTED
    except click.exceptions.Exit as exit_:
        return exit_.exit_code
    except Exception as error:
        return _say(screen, error)
    return ended if isinstance(ended, int) else ExitStatus.DONE


def _say(screen: Screen, error: Exception) -> int:
    """Why a command failed, in a sentence; a traceback only where the mistake is ours."""
    if isinstance(error, click.ClickException):
        return _say_usage(screen, error)
    if isinstance(error, InvalidWorkflow):
        screen.progress(error.message)  # its lines say themselves what they are
        return error.exit_status
    if isinstance(error, FlowrunnerError):
        screen.error(error.message, error.help)
        return error.exit_status
    if isinstance(error, OSError) and error.errno in _SHORTAGES:
        screen.error(
            f"the system says: {error.strerror}",
            "make room for it (`ulimit -n` shows how many files may be open), then resume",
        )
        return ExitStatus.ENVIRONMENT
    screen.progress("".join(traceback.format_exception(error)))
    screen.error(
        "this is a mistake in flowrunner, not in your files",
        "please report the lines above; nothing that was paid for is lost",
    )
    return ExitStatus.BUG


def _say_usage(screen: Screen, error: click.ClickException) -> int:
    ctx = getattr(error, "ctx", None)
    where = ctx.command_path if ctx else "flowrunner"
    screen.error(error.format_message(), f"`{where} --help` shows what it takes")
    return ExitStatus.USAGE
