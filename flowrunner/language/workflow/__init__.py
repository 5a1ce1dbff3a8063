"""A workflow file as frozen values in the words of the language, and the builder that makes them.

Whether it makes sense is left to `checks`, running it to the engine.
"""

from flowrunner.language.workflow.build import build
from flowrunner.language.workflow.called import Called
from flowrunner.language.workflow.durations import read_duration
from flowrunner.language.workflow.kept import own_files
from flowrunner.language.workflow.parts import (
    DEFAULT_RETRY_ON,
    RETRY_KINDS,
    Approve,
    Branch,
    CallWorkflow,
    Command,
    Fail,
    ForEach,
    Input,
    Limits,
    Money,
    Repeat,
    Retry,
    SetValues,
    Step,
    Steps,
    Stop,
    Unbuilt,
    Verb,
    Workflow,
    Write,
)

__all__ = [
    "DEFAULT_RETRY_ON",
    "RETRY_KINDS",
    "Approve",
    "Branch",
    "CallWorkflow",
    "Called",
    "Command",
    "Fail",
    "ForEach",
    "Input",
    "Limits",
    "Money",
    "Repeat",
    "Retry",
    "SetValues",
    "Step",
    "Steps",
    "Stop",
    "Unbuilt",
    "Verb",
    "Workflow",
    "Write",
    "build",
    "own_files",
    "read_duration",
]
