"""Building a workflow from a document, all templates compiled once.

What the schema refused is passed over in silence here, so that each cause has one error; what the
parts mean together is left to `checks`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias

from flowrunner.diagnostics import Finding, Route
from flowrunner.events import JSON
from flowrunner.language.document import Document
from flowrunner.language.forms import Form, Leaf, leaves, text_of
from flowrunner.language.not_yet import take_out
from flowrunner.language.request import Prompt
from flowrunner.language.shapes import ANY, read_shape
from flowrunner.language.templates import Expression, Template
from flowrunner.language.workflow.parts import (
    DEFAULT_RETRY_ON,
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
from flowrunner.language.workflow.prompts import (
    build_prompt,
    is_prompt,
    prompt_leaves,
    read_parameters,
)
from flowrunner.language.workflow.reader import Reader, mapping, texts, whole

OnUnknown: TypeAlias = Literal["hold", "retry_once"]

_SOURCES = {
    "web_search": "web_search_call.action.sources",
    "file_search": "file_search_call.results",
}


def build(document: Document, folder: Path) -> tuple[Workflow | None, list[Finding]]:
    """The workflow of a document, and what is wrong with its single parts.

    None only where the document is no mapping with a list of steps. A part that is wrong is left
    out or stands for a value of which nothing is known.
    """
    built = take_out(document.value)
    value = mapping(built.value)
    if not isinstance(value.get("steps"), list):
        return None, []
    reader = Reader()
    defaults = mapping(value.get("defaults"))
    parameters = read_parameters(reader, defaults, ("defaults",))
    steps = _Steps(reader, defaults, parameters).build(value["steps"])
    workflow = Workflow(
        document=document,
        folder=folder,
        name=text_of(value.get("name")) or "",
        description=text_of(value.get("description")),
        inputs=_build_inputs(reader, mapping(value.get("inputs"))),
        defaults=parameters,
        limits=_build_limits(reader, mapping(value.get("limits"))),
        steps=steps,
        result=reader.form(value.get("result"), ("result",), "value"),
        refusals=built.refusals,
        hidden=built.hidden,
        names=built.names,
    )
    return _with_sources(workflow), reader.findings


def _build_inputs(reader: Reader, declared: Mapping[str, Any]) -> tuple[Input, ...]:
    inputs = []
    for name, written in declared.items():
        if written is None:
            inputs.append(Input(name, ANY))
            continue
        shape, faults = read_shape(written, ("inputs", name), for_input=True)
        reader.findings += faults
        inputs.append(Input(name, ANY if shape is None or faults else shape))
    return tuple(inputs)


def _build_limits(reader: Reader, limits: Mapping[str, Any]) -> Limits:
    return Limits(whole(limits.get("at_once")), reader.duration(limits, "timeout", ("limits",)))


class _Steps:
    """Builds the steps of one list under the defaults of their file."""

    def __init__(
        self, reader: Reader, defaults: Mapping[str, Any], parameters: Mapping[str, Form]
    ) -> None:
        self.reader = reader
        self.defaults = defaults
        self.parameters = parameters
        self.timeout_s = reader.duration(defaults, "timeout", ("defaults",))

    def build(self, steps: list[JSON]) -> tuple[Step, ...]:
        return tuple(
            self.build_step(mapping(fields), ("steps", at)) for at, fields in enumerate(steps)
        )

    def build_step(self, fields: Mapping[str, Any], route: Route) -> Step:
        verb, found = self.build_verb(fields, route)
        condition = self.build_condition(fields, route, found)
        saved = self.reader.leaf(fields.get("save_to"), (*route, "save_to"))
        found += [saved] if saved else []
        needs = texts(fields.get("needs"))
        name = fields.get("id")
        asks = self.defaults if isinstance(verb, Prompt) else {}
        timeout_s = self.reader.duration(fields, "timeout", route)
        return Step(
            id=name if isinstance(name, str) else "",
            route=route,
            verb=verb,
            describe=text_of(fields.get("describe")),
            condition=condition,
            needs=needs,
            timeout_s=self.timeout_s if timeout_s is None and asks else timeout_s,
            retry=_read_retry(fields.get("retry", asks.get("retry"))),
            on_error="continue" if fields.get("on_error") == "continue" else "stop",
            on_unknown=_read_on_unknown(fields.get("on_unknown", asks.get("on_unknown")), verb),
            save_to=saved.parsed if saved and isinstance(saved.parsed, Template) else None,
            leaves=tuple(found),
            waits_for=_waits_for(found, needs),
            unguarded=_unguarded(found),
        )

    def build_verb(self, fields: Mapping[str, Any], route: Route) -> tuple[Verb, list[Leaf]]:
        if is_prompt(fields):
            prompt = build_prompt(self.reader, fields, route, self.parameters)
            return prompt, prompt_leaves(prompt)
        if "write" in fields:
            written = self.reader.leaf(fields["write"], (*route, "write"))
            if written and isinstance(written.parsed, Template):
                return Write(written.parsed), [written]
        if isinstance(fields.get("set"), Mapping):
            values = mapping(self.reader.form(fields["set"], (*route, "set"), "value"))
            return SetValues(values), list(leaves(values))
        return Unbuilt(), []

    def build_condition(
        self, fields: Mapping[str, Any], route: Route, found: list[Leaf]
    ) -> Expression | bool | None:
        written = fields.get("if")
        if isinstance(written, bool) or not isinstance(written, str):
            return written if isinstance(written, bool) else None
        leaf = self.reader.leaf(written, (*route, "if"), "condition")
        if leaf is None or not isinstance(leaf.parsed, Expression):
            return None
        found.append(leaf)
        return leaf.parsed


def _read_retry(written: JSON) -> Retry:
    if isinstance(written, Mapping):
        named = frozenset(texts(written.get("on")))
        return Retry(whole(written.get("attempts")) or 1, named or DEFAULT_RETRY_ON)
    return Retry(whole(written) or 1)


def _read_on_unknown(written: JSON, verb: Verb) -> OnUnknown:
    """What the file says; else hold where a second try could change something a second time."""
    if written == "hold":
        return "hold"
    if written == "retry_once":
        return "retry_once"
    return "hold" if isinstance(verb, Prompt) and verb.may_change_things else "retry_once"


def _waits_for(found: list[Leaf], needs: tuple[str, ...]) -> tuple[str, ...]:
    mentioned = [str(path[1]) for leaf in found for path in _step_paths(leaf)]
    return tuple(dict.fromkeys([*mentioned, *needs]))


def _step_paths(leaf: Leaf) -> list[tuple[str | int, ...]]:
    paths = [mention.path for mention in leaf.parsed.mentions]
    return [path for path in paths if len(path) > 1 and path[0] == "steps"]


def _unguarded(found: list[Leaf]) -> frozenset[str]:
    return frozenset(
        str(mention.path[1])
        for leaf in found
        if leaf.used_as != "condition"
        for mention in leaf.parsed.mentions
        if len(mention.path) > 1 and mention.path[0] == "steps" and not mention.guarded
    )


def _with_sources(workflow: Workflow) -> Workflow:
    """Ask for the sources of the steps whose `.sources` are read anywhere in the file."""
    found = [leaf for step in workflow.steps for leaf in step.leaves]
    found += leaves(workflow.result)
    read = {path[1] for leaf in found for path in _step_paths(leaf) if path[2:3] == ("sources",)}
    steps = (_ask_for_sources(step) if step.id in read else step for step in workflow.steps)
    return dataclasses.replace(workflow, steps=tuple(steps))


def _ask_for_sources(step: Step) -> Step:
    if not isinstance(step.verb, Prompt):
        return step
    tools = step.verb.parameters.get("tools")
    kinds = [mapping(tool).get("type") for tool in tools] if isinstance(tools, list) else []
    wanted = tuple(key for kind, key in _SOURCES.items() if kind in kinds)
    return dataclasses.replace(step, verb=dataclasses.replace(step.verb, include_also=wanted))
