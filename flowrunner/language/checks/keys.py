"""Keys of single steps that make no sense where they stand: loops, gates, commands, reuse, budgets.

What they hold is left to the workflow schema.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flowrunner.diagnostics import Finding, Route, did_you_mean
from flowrunner.language.checks.order import Places
from flowrunner.language.forms import Leaf
from flowrunner.language.request import Prompt
from flowrunner.language.shapes import alternatives
from flowrunner.language.workflow import Command, Money, Step, Stop
from flowrunner.language.workflow.lifting import Place
from flowrunner.language.workflow.reader import mapping

_OF_FOR_EACH = ("as", "at_once")
_NEVER_REUSED: Mapping[str, str] = {
    "run": "a command is run each time",
    "approve": "a person is asked each time",
    "stop": "it has no result",
    "fail": "it has no result",
}
_CHANGING_TOOLS = ("web_search", "file_search", "mcp")


def check_keys(places: Places) -> Iterator[Finding]:
    """What is wrong with the keys of single steps, and with the budget of the file."""
    workflow = places.workflow
    budget = mapping(workflow.document.value).get("budget")
    yield from _check_budget(workflow.budget, budget, ("budget",))
    for place in places.all:
        step = place.step
        fields = workflow.written(step)
        yield from _check_loop(step, fields)
        yield from _check_gate(place)
        yield from _check_reuse(step)
        yield from _check_budget(step.budget, fields.get("budget"), (*step.route, "budget"))
        if isinstance(step.verb, Command):
            yield from _check_program(step, step.verb)
            yield from _check_env(step, step.verb, workflow.env)


def _check_loop(step: Step, fields: Mapping[str, Any]) -> Iterator[Finding]:
    for key in _OF_FOR_EACH:
        if key in fields and "for_each" not in fields:
            message = f"`{key}` belongs to `for_each`, which `{step.id}` does not have"
            fix = f"add `for_each:`, or take `{key}` out"
            yield Finding("unknown-key", message, (*step.route, key), fix, aim="key")


def _check_gate(place: Place) -> Iterator[Finding]:
    loops = [each.step.id for each in place.chain() if each.step.for_each is not None]
    if isinstance(place.step.verb, Stop) and loops:
        yield Finding(
            "gate",
            f"`stop` ends the whole file, so it cannot stand inside the `for_each` of `{loops[0]}`",
            (*place.step.route, "stop"),
            "to end one entry write `fail:`; to leave entries out give the step an `if`",
            aim="key",
        )


def _check_reuse(step: Step) -> Iterator[Finding]:
    route = (*step.route, "reuse")
    if not step.reuse:
        return
    why = _NEVER_REUSED.get(step.verb_name)
    if why is not None:
        message = f"`reuse` has no meaning for `{step.verb_name}`: {why}"
        yield Finding("reuse", message, route, "take `reuse` out", aim="key")
    elif step.reuse is True and isinstance(step.verb, Prompt):
        found = [kind for kind in _tools(step.verb) if kind in _CHANGING_TOOLS]
        if found:
            message = f"what `{found[0]}` finds changes, so an answer may be reused for a time only"
            yield Finding("reuse", message, route, "write how old it may be, such as `reuse: 7d`")


def _tools(prompt: Prompt) -> list[str]:
    tools = prompt.parameters.get("tools")
    kinds = [mapping(tool).get("type") for tool in tools] if isinstance(tools, list) else []
    return [kind for kind in kinds if isinstance(kind, str)]


def _check_budget(money: Money | None, written: Any, route: Route) -> Iterator[Finding]:
    if money is None or money.stop_at_usd is None or money.warn_at_usd is None:
        return
    if money.warn_at_usd >= money.stop_at_usd:
        asked = mapping(written)
        message = (
            f"`warn_at` is {asked.get('warn_at')}, which is not below `stop_at`, "
            f"{asked.get('stop_at')}"
        )
        fix = "warn below the amount at which the run stops"
        yield Finding("budget", message, (*route, "warn_at"), fix)


def _check_program(step: Step, verb: Command) -> Iterator[Finding]:
    if isinstance(verb.argv[0], Leaf):
        yield Finding(
            "program",
            f"the program that `{step.id}` runs must be written out, found a template",
            (*step.route, "run", 0),
            "values may fill its arguments, never say which program runs; for a choice use "
            "`branch`",
        )


def _check_env(step: Step, verb: Command, known: tuple[str, ...]) -> Iterator[Finding]:
    for position, name in enumerate(verb.env):
        if name in known:
            continue
        near = did_you_mean(name, known)
        meant = f": did you mean `{near}`?" if near else ""
        names = f"it names {alternatives(known, 'and')}" if known else "it has none"
        yield Finding(
            "env",
            f"`{name}` is not among the variables of the file's `env`{meant}",
            (*step.route, "env", position),
            f"{names}; write `env: [{', '.join([*known, name])}]` at the top of the file",
        )
