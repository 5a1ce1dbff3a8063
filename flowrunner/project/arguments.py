"""Inputs whose values another workflow gives, and those that nobody may see.

Inputs of a person are left to `inputs`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from flowrunner.errors import UsageError
from flowrunner.events import JSON
from flowrunner.language.shapes import Shape, check_value
from flowrunner.language.workflow.parts import Input
from flowrunner.project.inputs import Given, read_inputs, secret_fault, unknown_input
from flowrunner.project.loading import UnusableFiles, is_loaded, written_rows


def check_arguments(declared: Sequence[Input], values: Mapping[str, JSON]) -> list[str]:
    """What is wrong with the arguments of a call, in sentences; nothing is read from disk.

    A `file` may be a path or what an input of that type offers, `files` a pattern or a list of
    either, a `table` a path or a list of rows.
    """
    known = {each.name: each for each in declared}
    faults = [unknown_input(name, known) for name in values if name not in known]
    for name, each in known.items():
        if name in values:
            faults += _faults(each.shape, values[name], name)
            faults += filter(None, [secret_fault(name, values[name]) if each.secret else None])
        elif each.required:
            faults.append(f"the input `{name}` is missing")
    return faults


def _faults(shape: Shape, value: JSON, name: str) -> list[str]:
    if value is not None and is_loaded(shape, value):
        return []
    if shape.kind == "files" and isinstance(value, list):
        return check_value(Shape("list", item=Shape("file")), value, name)
    if shape.kind == "table" and isinstance(value, list):
        return _row_faults(shape, value, name)
    is_path = shape.kind == "table" and isinstance(value, str)
    return [] if is_path else check_value(shape, value, name)


def _row_faults(shape: Shape, rows: list[JSON], name: str) -> list[str]:
    try:
        written_rows(rows, shape)
    except UnusableFiles as fault:
        return [f"`{name}`: {sentence}" for sentence in fault.sentences]
    return []


def read_arguments(
    declared: Sequence[Input],
    values: Mapping[str, JSON],
    *,
    folder: Path,
    workflow_folder: Path,
) -> tuple[dict[str, JSON], list[str]]:
    """The value of every declared input of a called workflow, and what is wrong in sentences.

    Defaults and nulls are filled in, and paths are read: those of the call start at `folder`, that
    of the calling file, those of defaults at `workflow_folder`.
    """
    given = Given(values=values, folder=folder, workflow_folder=workflow_folder)
    try:
        return read_inputs(declared, given), []
    except UsageError as fault:
        return {}, fault.message.splitlines()


def secret_values(declared: Sequence[Input], values: Mapping[str, JSON]) -> tuple[str, ...]:
    """The values of secret inputs, for a `Scrubber`."""
    named = (values.get(each.name) for each in declared if each.secret)
    return tuple(value for value in named if isinstance(value, str) and value)
