"""`save_to`: a step's result as a file inside the project, whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path

from flowrunner.csv_text import csv_text, inert
from flowrunner.events import JSON, StepResult
from flowrunner.language.paths import path_fault
from flowrunner.language.workflow import Workflow, own_files
from flowrunner.platform import write_atomically


def target_of(written: str, workflow: Workflow, project: Path) -> Path | str:
    """The file that `save_to` names, relative to the workflow's folder; a sentence where that is
    not allowed. It stays inside the project, and what is allowed is judged with links followed."""
    kept = own_files(workflow)
    fault = path_fault(workflow.folder, written, kept)
    if fault is not None:
        return fault
    top = project.resolve()
    target = (workflow.folder / written).resolve()
    if not target.is_relative_to(top):
        return f"`{written}` leads out of the project through a link"
    behind = path_fault(top, str(target.relative_to(top)), [path.resolve() for path in kept])
    return target if behind is None else f"`{written}` is a link: {behind}"


def save(result: StepResult, target: Path) -> str | None:
    """Write a result: `.json` saves the output, `.csv` a list, everything else text. A sentence
    where that could not be."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        content = _content(result, target.suffix.lower()).encode("utf-8", "replace")
        write_atomically(target, content, private=False)
    except OSError as error:
        return f"`{target.name}` was not saved: {error.strerror or 'it could not be written'}"
    return None


def _content(result: StepResult, suffix: str) -> str:
    value = result.output if result.has_output else result.text
    if suffix == ".json":
        return json.dumps(value, ensure_ascii=False, indent=2) + "\n"
    if suffix == ".csv" and isinstance(value, list):
        return table(value)
    if result.text is not None:
        return result.text
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"


def table(rows: list[JSON]) -> str:
    """A list as CSV: objects by their fields, other values in one column.

    A text that a spreadsheet would take for a formula gets an apostrophe in front.
    """
    objects = [row if isinstance(row, dict) else {"value": row} for row in rows]
    names = list(dict.fromkeys(name for row in objects for name in row))
    head = [_cell(name) for name in names]
    return csv_text([head, *([_cell(row.get(name)) for name in names] for row in objects)])


def _cell(value: JSON) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return inert(value)
    return json.dumps(value, ensure_ascii=False)
