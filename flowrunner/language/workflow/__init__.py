"""A workflow file as frozen values in the words of the language, and the builder that makes them.

Whether it makes sense is left to `checks`, running it to the engine.
"""

from flowrunner.language.workflow.build import build
from flowrunner.language.workflow.durations import read_duration
from flowrunner.language.workflow.parts import (
    DEFAULT_RETRY_ON,
    RETRY_KINDS,
    Input,
    Limits,
    Retry,
    SetValues,
    Step,
    Unbuilt,
    Verb,
    Workflow,
    Write,
)

__all__ = [
    "DEFAULT_RETRY_ON",
    "RETRY_KINDS",
    "Input",
    "Limits",
    "Retry",
    "SetValues",
    "Step",
    "Unbuilt",
    "Verb",
    "Workflow",
    "Write",
    "build",
    "read_duration",
]
