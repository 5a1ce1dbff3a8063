"""Several runs together: two side by side, or what all of them cost; sends nothing."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path

from flowrunner.commands.viewing import Viewer, style_of
from flowrunner.diagnostics import did_you_mean
from flowrunner.errors import FlowrunnerError, UsageError
from flowrunner.journal.journal import Journal
from flowrunner.journal.runs import find_run, list_runs, list_tries
from flowrunner.project.folders import find_project
from flowrunner.report.comparing import (
    Side,
    compare,
    comparison_lines,
    difference_lines,
    step_difference,
)
from flowrunner.report.costs import By, Costs, cost_lines


def diff(specs: tuple[str, str], step: str | None, viewer: Viewer, *, as_json: bool) -> str:
    """Two runs, or one step of them, side by side. Raises UsageError for what does not exist."""
    project = find_project(Path.cwd())
    with ExitStack() as opened:
        journals = [opened.enter_context(Journal.open(find_run(project, spec))) for spec in specs]
        one, other = (Side(journal.replay(), journal) for journal in journals)
        if step is None:
            found = compare(one, other)
            lines = comparison_lines(found, style_of(viewer))
        else:
            _check_step(step, one, other)
            found = step_difference(step, one, other)
            lines = difference_lines(found, style_of(viewer))
    return json.dumps(found, ensure_ascii=False, indent=2) if as_json else "\n".join(lines)


def _check_step(step: str, one: Side, other: Side) -> None:
    known = [*one.state.steps, *other.state.steps]
    if step not in known:
        near = did_you_mean(step, known)
        raise UsageError(
            f"neither run has a step `{step}`",
            help=f"did you mean `{near}`?" if near else "`flowrunner show RUN` lists the steps",
        )


def cost(by: By, viewer: Viewer, *, as_json: bool) -> str:
    """What the runs of the project around the current folder cost, and the tries of single steps.

    Runs whose journals cannot be read are named on stderr and left out.
    """
    costs = Costs(by)
    project = find_project(Path.cwd())
    for folder in (*list_runs(project), *list_tries(project)):
        try:
            with Journal.open(folder) as journal:
                costs.add(journal.replay())
        except FlowrunnerError as error:
            viewer.progress(f"warning: {folder.name}: {error.message}")
    if as_json:
        return json.dumps(costs.as_json(), ensure_ascii=False, indent=2)
    return "\n".join(cost_lines(costs, style_of(viewer)))
