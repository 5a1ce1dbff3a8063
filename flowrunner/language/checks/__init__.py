"""What a schema cannot say: whether the parts of a workflow make sense together.

Each check is a generator of findings over the built workflow; none of them knows lines, renders a
message or stops at the first mistake.
"""

from __future__ import annotations

import datetime

from flowrunner.diagnostics import Finding
from flowrunner.language.checks.conflicts import (
    check_conflicts,
    check_request,
    refusals_without_conflict,
)
from flowrunner.language.checks.files import check_files
from flowrunner.language.checks.models import check_includes, check_models
from flowrunner.language.checks.order import check_ids, check_mentions, check_needs, check_reach
from flowrunner.language.checks.templates import check_templates
from flowrunner.language.checks.tools import check_tools
from flowrunner.language.shapes import ANY, Shape
from flowrunner.language.workflow import Workflow

__all__ = ["check_meaning", "result_shape"]

_CHECKS = (
    check_request,
    check_ids,
    check_needs,
    check_mentions,
    check_reach,
    check_templates,
    check_tools,
    check_includes,
    check_files,
)


def check_meaning(workflow: Workflow, *, today: datetime.date) -> list[Finding]:
    """All that is wrong or doubtful in a built workflow, each cause once.

    `today` decides which models have stopped.
    """
    conflicts = list(check_conflicts(workflow))
    findings = [*conflicts, *refusals_without_conflict(workflow, conflicts)]
    for check in _CHECKS:
        findings += check(workflow)
    findings += check_models(workflow, today)
    # A template in `defaults` is met once for every step that takes it over.
    return list(dict.fromkeys(findings))


def result_shape(workflow: Workflow) -> Shape | None:
    """The shape of what a workflow gives, None where it declares no result."""
    return None if workflow.result is None else ANY
