"""Every template against what it may read: names, fields, choices, types, empties.

The rules themselves are left to `templates.analyse`; here they get their sight and their place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from flowrunner.diagnostics import Finding
from flowrunner.language.checks.sights import Sight, Sights
from flowrunner.language.forms import Leaf, finding_of, has_template, leaves
from flowrunner.language.request import Prompt
from flowrunner.language.shapes import ANY
from flowrunner.language.templates import (
    FUNCTIONS,
    Expression,
    Mention,
    Purpose,
    TemplateFault,
    analyse,
    names_in,
)
from flowrunner.language.workflow import Step, Workflow
from flowrunner.language.workflow.prompts import ROLES

_PATH = re.compile(r"(\w+)(?:\.\w+)*")
_MESSAGES = frozenset({"prompt", "prompt_file", "input", "content", *ROLES})


def check_templates(workflow: Workflow, sights: Sights, ending: Sight) -> Iterator[Finding]:
    """What is wrong with the templates of all steps, and of the result, which sees `ending`."""
    for step, around in _with_decisions(workflow.steps):
        for leaf in step.leaves:
            sight = sights.of(step).of(step, leaf)
            yield from _check_leaf(step, leaf, sight, _asked_before(step, leaf, around))
            yield from _check_emptiness(step, leaf)
    for leaf in leaves(workflow.result):
        yield from _check_leaf(None, leaf, ending)


def _with_decisions(
    steps: Iterable[Step], around: tuple[Expression, ...] = ()
) -> Iterator[tuple[Step, tuple[Expression, ...]]]:
    """All steps in the order of the file, each with the `if`s of the steps around it."""
    for step in steps:
        yield step, around
        own = (step.condition,) if isinstance(step.condition, Expression) else ()
        for _, inner in step.lists:
            yield from _with_decisions(inner, (*around, *own))


def _asked_before(step: Step, leaf: Leaf, around: tuple[Expression, ...]) -> tuple[Expression, ...]:
    """The decisions that are asked before a template is filled in: the `if` of its own step too,
    but for the list of a `for_each`, whose entries that asks about, and the `if` itself."""
    is_before = leaf.used_as == "list" or leaf.route == (*step.route, "if")
    if is_before or not isinstance(step.condition, Expression):
        return around
    return (*around, step.condition)


def _check_leaf(
    step: Step | None, leaf: Leaf, sight: Sight, under: Iterable[Expression] = ()
) -> Iterator[Finding]:
    rounds = [each for each in leaf.parsed.mentions if each.path[0] == "previous"]
    if rounds and "previous" not in sight.names:
        yield from (_no_round(step, leaf, mention) for mention in rounds)
        sight = sight.naming({"previous": ANY})
    elif leaf.used_as != "condition":
        yield from (_first_round(leaf, each) for each in rounds if not each.guarded)
    used_as = _purpose(step, leaf)
    for fault in analyse(leaf.parsed, sight.roots(leaf), used_as, under):
        finding = _with_fix(leaf, finding_of(fault, leaf.route), sight)
        yield _about_list(leaf, fault, finding, sight) if leaf.used_as == "list" else finding


def _with_fix(leaf: Leaf, finding: Finding, sight: Sight) -> Finding:
    """For a name that stands for nothing what was most likely meant by it."""
    if finding.code != "undefined" or finding.start is None:
        return finding
    path = _PATH.match(leaf.source, finding.start)
    name = path[1] if path else ""
    if path is not None and finding.message.startswith("there is nothing called"):
        if name == "env":
            fix = "templates never see the environment: declare an input, and give it with `-i`"
        elif name in sight.steps or name in sight.elsewhere:
            fix = f"write `steps.{path[0]}`"
        elif sight.inputs.field(name) is not None:
            fix = f"write `inputs.{path[0]}`"
        else:
            return finding
        message = f"there is nothing called `{name}` here"
        return replace(finding, message=message, help=fix)
    if finding.message.startswith("there is no input") and not sight.inputs.fields:
        fix = f"declare it at the top of the file: `inputs: {{ {name}: text }}`"
        return replace(finding, help=fix)
    return finding


def _purpose(step: Step | None, leaf: Leaf) -> Purpose:
    """What a template is for. A file may decide something, be attached, and be given to another
    workflow."""
    key = leaf.route[len(step.route) :][:1] if step is not None else ()
    takes_files = key == ("with",) or (key == ("attach",) and leaf.route[-1] != "detail")
    if leaf.used_as == "branch" or takes_files:
        return "condition"
    return leaf.used_as


def _check_emptiness(step: Step, leaf: Leaf) -> Iterator[Finding]:
    """A message to the model that is empty in every run, whatever its templates look at."""
    is_message = isinstance(step.verb, Prompt) and leaf.route[-1] in _MESSAGES
    if not is_message or not has_template(leaf.source) or names_in(leaf.parsed) - {*FUNCTIONS}:
        return
    try:
        said = leaf.fill({})
    except TemplateFault:
        return
    if isinstance(said, str) and not said.strip():
        message = "this message is empty in every run"
        yield Finding("empty-prompt", message, leaf.route, "write what the model is asked")


def _no_round(step: Step | None, leaf: Leaf, mention: Mention) -> Finding:
    message = "there is no `previous` here: only steps with `repeat`, and those inside, have rounds"
    if step is not None and step.repeat is not None:
        message = "there is no `previous` here: `if` and `for_each` are looked at before the rounds"
    return _at(leaf, mention, "undefined", message, "mention a step above by `steps.`")


def _first_round(leaf: Leaf, mention: Mention) -> Finding:
    path = ".".join(str(part) for part in mention.path)
    message = f"`{path}` is empty in the first round, which has none before it"
    return _at(leaf, mention, "maybe-empty", message, f"write `default({path}, '…')`")


def _at(leaf: Leaf, mention: Mention, code: str, message: str, fix: str) -> Finding:
    return Finding(code, message, leaf.route, fix, start=mention.start, length=mention.length)


def _about_list(leaf: Leaf, fault: TemplateFault, finding: Finding, sight: Sight) -> Finding:
    """For `for_each: steps.a` the list that the step offers."""
    paths = [mention.path for mention in leaf.parsed.mentions if mention.path[0] == "steps"]
    if fault.code != "wrong-type" or len(paths) != 1 or len(paths[0]) != 2:
        return finding
    name = str(paths[0][1])
    offered = dict(sight.steps[name].fields) if name in sight.steps else {}
    lists = [field for field in ("outputs", "texts", "results", "output") if field in offered]
    if not lists:
        return finding
    return replace(finding, help=f"write `steps.{name}.{lists[0]}`")
