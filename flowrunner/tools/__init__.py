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
    servers       servers of tools (MCP)
    shell         `shell:` tools, in a `workspace`
    patches       `apply_patch:` tools, in a `workspace`
    computer      `computer:` tools
    speaking      a program that is spoken with in lines
    python_tool   `python:` tools, whose functions run in `python_child`
"""

from flowrunner.tools.answer import ToolAnswer
from flowrunner.tools.command import run_command
from flowrunner.tools.computer import ComputerDriver
from flowrunner.tools.http_tool import call_http
from flowrunner.tools.patches import call_patch
from flowrunner.tools.program_tool import call_command
from flowrunner.tools.programs import command_environment
from flowrunner.tools.python_tool import call_python
from flowrunner.tools.request import CannotStart, CommandEnd, CommandRequest, NoSuchProgram
from flowrunner.tools.servers import Listing, McpServer
from flowrunner.tools.shell import call_shell
from flowrunner.tools.words import NotText, describe_end, text_of

__all__ = [
    "CannotStart",
    "CommandEnd",
    "CommandRequest",
    "ComputerDriver",
    "Listing",
    "McpServer",
    "NoSuchProgram",
    "NotText",
    "ToolAnswer",
    "call_command",
    "call_http",
    "call_patch",
    "call_python",
    "call_shell",
    "command_environment",
    "describe_end",
    "run_command",
    "text_of",
]
