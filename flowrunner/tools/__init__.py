"""Local tools: what a workflow starts on this machine, started safely and ended whole.

What a result means for a step, its retries and its place in the journal is left to `engine`.

    request    what is to be started, how it ended, why it could not start
    programs   which file a program's name means, and which environment it gets
    child      one started program with all that it started, until nothing of it is left
    command    `run_command`: the one way to start a program
    words      an end in a sentence, bytes as text

    answer        `ToolAnswer`: what came of a call; a failure is an answer, never an exception
    program_tool  `run:` tools
    http_tool     `http:` tools
    reach         where tools may go over the network
    python_tool   `python:` tools, whose functions run in `python_child`
"""

from flowrunner.tools.answer import ToolAnswer
from flowrunner.tools.command import run_command
from flowrunner.tools.http_tool import call_http
from flowrunner.tools.program_tool import call_command
from flowrunner.tools.programs import command_environment
from flowrunner.tools.python_tool import call_python
from flowrunner.tools.request import CannotStart, CommandEnd, CommandRequest, NoSuchProgram
from flowrunner.tools.words import NotText, describe_end, text_of

__all__ = [
    "CannotStart",
    "CommandEnd",
    "CommandRequest",
    "NoSuchProgram",
    "NotText",
    "ToolAnswer",
    "call_command",
    "call_http",
    "call_python",
    "command_environment",
    "describe_end",
    "run_command",
    "text_of",
]
