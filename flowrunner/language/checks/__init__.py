"""What a schema cannot say: whether the parts of a workflow make sense together.

Each check is a generator of findings over the built workflow; none of them knows lines, renders a
message or stops at the first mistake.
"""

from __future__ import annotations

import datetime

from flowrunner.diagnostics import Finding
from flowrunner.language.checks.abilities import check_abilities
from flowrunner.language.checks.attaching import check_attaching
from flowrunner.language.checks.braces import check_braces
from flowrunner.language.checks.branches import check_branches, complete_branches
from flowrunner.language.checks.calls import check_calls
from flowrunner.language.checks.conflicts import (
    check_conflicts,
    check_request,
    refusals_without_conflict,
)
from flowrunner.language.checks.continues import check_continues
from flowrunner.language.checks.conversations import check_conversations
from flowrunner.language.checks.declared import check_declared
from flowrunner.language.checks.delivery import check_delivery
from flowrunner.language.checks.files import check_files
from flowrunner.language.checks.inputs import check_inputs
from flowrunner.language.checks.items import check_items
from flowrunner.language.checks.keys import check_keys
from flowrunner.language.checks.literal_keys import check_literal_keys
from flowrunner.language.checks.models import (
    check_includes,
    check_model_names,
    check_models,
    check_reasoning,
)
from flowrunner.language.checks.order import Places, check_ids, check_mentions, check_needs
from flowrunner.language.checks.providers import check_providers, check_talks
from flowrunner.language.checks.reach import check_reach, may_be_empty
from flowrunner.language.checks.risks import check_risks
from flowrunner.language.checks.sights import Sights
from flowrunner.language.checks.templates import check_templates
from flowrunner.language.checks.tools import check_tools
from flowrunner.language.providers import Providers
from flowrunner.language.shapes import Shape
from flowrunner.language.workflow import Workflow

__all__ = ["check_meaning", "result_shape"]

_OF_THE_FILE = (
    check_request,
    check_delivery,
    check_declared,
    check_tools,
    check_risks,
    check_includes,
    check_inputs,
    check_items,
    check_braces,
    check_literal_keys,
    check_model_names,
)
_OF_PLACES = (
    check_ids,
    check_needs,
    check_mentions,
    check_reach,
    check_keys,
    check_continues,
    check_conversations,
)
_OF_SIGHTS = (check_branches, check_calls)


def check_meaning(
    workflow: Workflow, *, today: datetime.date, providers: Providers | None = None
) -> list[Finding]:
    """All that is wrong or doubtful in a built workflow, each cause once.

    `today` decides which models have stopped; what is asked of providers is checked where they are
    known.
    """
    places, sights = Places(workflow), Sights(workflow)
    conflicts = list(check_conflicts(workflow))
    findings = [*conflicts, *refusals_without_conflict(workflow, conflicts)]
    for check in _OF_THE_FILE:
        findings += check(workflow)
    for check_places in _OF_PLACES:
        findings += check_places(places)
    for check_sights in _OF_SIGHTS:
        findings += check_sights(workflow, sights)
    empty = may_be_empty(places, complete_branches(workflow, sights))
    findings += check_templates(workflow, sights, sights.ending(empty))
    findings += check_files(places, sights)
    findings += check_attaching(places, sights)
    findings += check_models(workflow, today, providers)
    findings += check_reasoning(workflow, providers)
    if providers is not None:
        findings += check_providers(workflow, providers)
        findings += check_abilities(workflow, providers)
        findings += check_talks(workflow, providers)
    # A template in `defaults` is met once for every step that takes it over.
    return list(dict.fromkeys(findings))


def result_shape(workflow: Workflow) -> Shape | None:
    """The shape of what a workflow gives, None where it declares no result."""
    if workflow.result is None:
        return None
    sights = Sights(workflow)
    empty = may_be_empty(Places(workflow), complete_branches(workflow, sights))
    return sights.ending(empty).shape_of(workflow.result)
