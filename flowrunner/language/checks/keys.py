"""Keys of single steps that make no sense where they stand: loops, gates, commands, reuse, budgets.

What they hold is left to the workflow schema.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flowrunner.diagnostics import Finding, Route
from flowrunner.language.checks.declared import not_in_env
from flowrunner.language.checks.order import Places
from flowrunner.language.forms import Leaf
from flowrunner.language.request import Prompt
from flowrunner.language.tools import CallTool, HttpTool, McpTool, Tool
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
        return
    tools = _own_tools(step)
    changing = next((tool.name for tool in tools if tool.changes_things), None)
    if changing is not None:
        message = f"`reuse` has no meaning here: `{changing}` may change something each time"
        fix = f"take `reuse` out, or write `changes_things: false` where `{changing}` is declared"
        yield Finding("reuse", message, route, fix, aim="key")
    elif step.reuse is True:
        found = [kind for kind in _hosted(step) if kind in _CHANGING_TOOLS]
        found += [tool.name for tool in tools if isinstance(tool.kind, HttpTool | McpTool)]
        if found:
            message = f"what `{found[0]}` finds changes, so an answer may be reused for a time only"
            yield Finding("reuse", message, route, "write how old it may be, such as `reuse: 7d`")


def _own_tools(step: Step) -> list[Tool]:
    """The declared tools that a step may use."""
    if isinstance(step.verb, CallTool):
        return [step.verb.tool]
    return list(step.verb.tools.values()) if isinstance(step.verb, Prompt) else []


def _hosted(step: Step) -> list[str]:
    tools = step.verb.parameters.get("tools") if isinstance(step.verb, Prompt) else None
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
        if name not in known:
            yield not_in_env(name, known, (*step.route, "env", position))
