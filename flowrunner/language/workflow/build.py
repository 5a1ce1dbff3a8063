"""Building a workflow from a document, all templates compiled once.

What the schema refused is passed over in silence here, so that each cause has one error; what the
parts mean together is left to `checks`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from flowrunner.diagnostics import Finding
from flowrunner.events import JSON
from flowrunner.language.beside import Beside, Shelf, UnusableFile
from flowrunner.language.document import Document
from flowrunner.language.forms import leaves, text_of
from flowrunner.language.not_yet import take_out
from flowrunner.language.request import Prompt
from flowrunner.language.shapes import ANY, read_shape
from flowrunner.language.workflow.called import Called, Open
from flowrunner.language.workflow.lifting import lift, step_mentions
from flowrunner.language.workflow.modifiers import read_money
from flowrunner.language.workflow.parts import Branch, Input, Limits, Step, Steps, Workflow, walk
from flowrunner.language.workflow.prompts import read_parameters, read_provider
from flowrunner.language.workflow.reader import Reader, mapping, texts, whole
from flowrunner.language.workflow.steps import StepBuilder
from flowrunner.language.workflow.tools import build_tools

_SOURCES = {
    "web_search": "web_search_call.action.sources",
    "web_search_2025_08_26": "web_search_call.action.sources",
    "file_search": "file_search_call.results",
}


def build(
    document: Document,
    folder: Path,
    beside: Beside | None = None,
    open_workflow: Open | None = None,
) -> tuple[Workflow | None, list[Finding]]:
    """The workflow of a document, and what is wrong with its single parts.

    None only where the document is no mapping with a list of steps. A part that is wrong is left
    out or stands for a value of which nothing is known. `open_workflow` loads the workflows that
    this one calls; without it they are not built.
    """
    built = take_out(document.value)
    value = mapping(built.value)
    if not isinstance(value.get("steps"), list):
        return None, []
    beside = beside or Beside(Shelf(folder), folder, document.shown)
    reader = Reader(beside)
    defaults = mapping(value.get("defaults"))
    opened = open_workflow or _open_nothing
    reader.tools = build_tools(reader, value.get("tools"), opened)
    parameters = read_parameters(reader, defaults, ("defaults",))
    builder = StepBuilder(reader, defaults, parameters, opened)
    steps = lift(builder.build(value["steps"], ("steps",)))
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
        budget=read_money(value.get("budget")),
        env=texts(value.get("env")),
        tools=reader.tools,
        texts=reader.texts,
        files=dict(beside.shelf.read),
        refusals=built.refusals,
        hidden=frozenset(_ids(document.value["steps"])) - {step.id for step in walk(steps)},
        elsewhere=tuple(reader.elsewhere),
        provider=read_provider(defaults),
    )
    return _with_sources(workflow), reader.findings


def _open_nothing(path: str) -> Called:
    raise UnusableFile("missing-file", f"the workflow `{path}` cannot be read here")


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


def _ids(steps: JSON) -> Iterator[str]:
    """All ids that are written in a list of steps, at any depth, whether they can be built."""
    for step in steps if isinstance(steps, list) else []:
        fields = mapping(step)
        if isinstance(fields.get("id"), str):
            yield fields["id"]
        for below in (fields.get("steps"), fields.get("otherwise")):
            yield from _ids(below)
        for below in mapping(fields.get("cases")).values():
            yield from _ids(below)


def _with_sources(workflow: Workflow) -> Workflow:
    """Ask for the sources of the steps whose `.sources` are read anywhere in the file."""
    found = [leaf for step in workflow.all_steps() for leaf in step.leaves]
    found += leaves(workflow.result)
    paths = [mention.path for leaf in found for mention in step_mentions(leaf)]
    # Inside a loop over results the mention stops at them: `{% for r in steps.a.results %}`.
    reading = ("sources", "results") if any(".sources" in leaf.source for leaf in found) else ()
    read = {str(path[1]) for path in paths if path[2:3] and path[2] in reading}
    if not read:
        return workflow
    holders = [step for step in workflow.all_steps() if step.id in read]
    read |= {inner.id for step in holders for inner in step.inside()}
    return dataclasses.replace(workflow, steps=_asking(workflow.steps, read))


def _asking(steps: tuple[Step, ...], read: set[str]) -> tuple[Step, ...]:
    return tuple(_ask_for_sources(step, read) for step in steps)


def _ask_for_sources(step: Step, read: set[str]) -> Step:
    verb = step.verb
    if isinstance(verb, Steps):
        return dataclasses.replace(step, verb=Steps(_asking(verb.steps, read)))
    if isinstance(verb, Branch):
        cases = tuple((case, _asking(below, read)) for case, below in verb.cases)
        rest = None if verb.otherwise is None else _asking(verb.otherwise, read)
        return dataclasses.replace(step, verb=Branch(verb.on, cases, rest))
    if not isinstance(verb, Prompt) or step.id not in read:
        return step
    tools = verb.parameters.get("tools")
    kinds = [mapping(tool).get("type") for tool in tools] if isinstance(tools, list) else []
    wanted = tuple(dict.fromkeys(key for kind, key in _SOURCES.items() if kind in kinds))
    return dataclasses.replace(step, verb=dataclasses.replace(verb, include_also=wanted))
