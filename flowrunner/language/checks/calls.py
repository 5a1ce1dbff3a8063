"""The arguments of called workflows and tools against what those declare."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from flowrunner.catalog import hosted_tools
from flowrunner.diagnostics import Finding, Route, did_you_mean
from flowrunner.language.checks.sights import Sight, Sights
from flowrunner.language.forms import Form, Leaf, leaves, text_of
from flowrunner.language.shapes import MISSING, Shape, alternatives, check_value
from flowrunner.language.shapes.words import expected
from flowrunner.language.templates.typed import Typed
from flowrunner.language.tools import (
    CallTool,
    CustomTool,
    McpTool,
    Tool,
    call_names,
    callable_tools,
)
from flowrunner.language.workflow import CallWorkflow, Input, Step, Unbuilt, Workflow
from flowrunner.language.workflow.reader import mapping

_FITTING: Mapping[str, tuple[str, ...]] = {
    "file": ("file", "text", "choice"),
    "files": ("files", "list", "text"),
    "table": ("table", "list"),
}


@dataclass(frozen=True, slots=True)
class _Taken:
    """One thing that what is called takes, and how it is spoken of: `the input`, `the argument`."""

    name: str
    shape: Shape
    required: bool
    word: str

    @property
    def named(self) -> str:
        return f"the {self.word} `{self.name}`"


def check_calls(workflow: Workflow, sights: Sights) -> Iterator[Finding]:
    """Tools that there are not, and arguments that are missing, unknown, or of the wrong kind."""
    for step in workflow.all_steps():
        verb = step.verb
        if isinstance(verb, CallWorkflow):
            taken = [_of_input(known) for known in verb.workflow.inputs]
            yield from _check_call(step, verb.path, taken, verb.arguments, sights.of(step).round_)
            yield from _check_secrets(workflow, step, verb)
        elif isinstance(verb, CallTool):
            taken = _of_tool(verb.tool)
            if not isinstance(verb.tool.kind, McpTool):
                sight = sights.of(step).round_
                yield from _check_call(step, verb.name, taken, verb.with_, sight)
        elif isinstance(verb, Unbuilt) and "call" in workflow.written(step):
            yield from _check_name(workflow, step)


def _of_input(known: Input) -> _Taken:
    return _Taken(known.name, known.shape, known.required, "input")


def _of_tool(tool: Tool) -> list[_Taken]:
    if isinstance(tool.kind, CustomTool):
        return [_Taken("input", Shape("text"), True, "argument")]
    fields = () if tool.takes is None else tool.takes.fields
    return [
        _Taken(name, shape, not shape.optional and shape.default is MISSING, "argument")
        for name, shape in fields
    ]


def _check_name(workflow: Workflow, step: Step) -> Iterator[Finding]:
    """A `call` of something that no step can call by this name."""
    name, route = text_of(workflow.written(step)["call"]), (*step.route, "call")
    declared = mapping(mapping(workflow.document.value).get("tools"))
    tool = workflow.tools.get(name or "")
    if name is None or (name in declared and tool is None):
        return
    callable_ = callable_tools(workflow.tools)
    if tool is not None and isinstance(tool.kind, McpTool):
        message = f"`{name}` is a server of several tools"
        yield Finding("tool", message, route, f"call one of them: {alternatives(call_names(tool))}")
    elif tool is not None:
        message = f"`{name}` can be used by a model only"
        yield Finding("tool", message, route, f"write `tools: [{name}]` in a prompt step")
    elif name in hosted_tools():
        message = f"`{name}` is run by the API, in a prompt step only"
        yield Finding("tool", message, route, f"write `tools: [{name}]` in a prompt step")
    else:
        near = did_you_mean(name, callable_)
        meant = f": did you mean `{near}`?" if near else ""
        names = alternatives(callable_, "and")
        fix = f"the file declares {names}" if callable_ else "declare it under `tools` at the top"
        yield Finding("tool", f"there is no tool `{name}`{meant}", route, None if near else fix)


def _check_call(
    step: Step, called: str, taken: list[_Taken], given: Mapping[str, Form], sight: Sight
) -> Iterator[Finding]:
    by_name = {each.name: each for each in taken}
    word = taken[0].word if taken else "argument"
    for name in given:
        if name not in by_name:
            near = did_you_mean(name, by_name)
            meant = f": did you mean `{near}`?" if near else ""
            takes = f"it takes {alternatives(by_name, 'and')}" if by_name else "it takes none"
            message = f"`{called}` has no {word} `{name}`{meant}"
            route = (*step.route, "with", name)
            yield Finding("argument", message, route, None if near else takes, aim="key")
    for each in taken:
        route = (*step.route, "with")
        if each.name in given:
            yield from _check_argument(each, given[each.name], sight, (*route, each.name))
        elif each.required:
            message = f"`{called}` needs {each.named}"
            fix = f"write `with: {{ {each.name}: … }}`"
            yield Finding("argument", message, route, fix, aim="key")


def _check_argument(known: _Taken, form: Form, sight: Sight, route: Route) -> Iterator[Finding]:
    wanted = known.shape
    if not any(leaves(form)):
        if form is None and not known.required:
            return
        for fault in () if wanted.kind in _FITTING else check_value(wanted, form, known.name):
            yield Finding("argument", fault, route)
        return
    given = Typed(sight.shape_of(form))
    if not _fits(given.shape, wanted):
        message = f"{known.named} must be {expected(wanted)}, found {given.kind}"
        yield Finding("argument", message, route)
    elif given.may_be_empty and known.required:
        source = form.source.strip().strip("{}").strip() if isinstance(form, Leaf) else "…"
        fix = f"write `{{{{ default({source}, …) }}}}`, or test it with `if` first"
        yield Finding(
            "maybe-empty", f"{known.named} is required, but `{source}` may be empty", route, fix
        )


def _check_secrets(workflow: Workflow, step: Step, verb: CallWorkflow) -> Iterator[Finding]:
    for known in verb.workflow.inputs:
        if known.secret and known.name in verb.arguments:
            route = (*step.route, "with", known.name)
            yield from _check_secret(known, verb.arguments[known.name], workflow, verb.path, route)


def _check_secret(
    known: Input, form: Form, workflow: Workflow, path: str, route: Route
) -> Iterator[Finding]:
    """A secret that the file shows, or that the journal would keep as an input."""
    named = f"the input `{known.name}` of `{path}` is secret"
    found = list(leaves(form))
    if form is not None and not found:
        fix = "take it from an input with `secret: true`"
        yield Finding("secret", f"{named}, but it is written here for all to read", route, fix)
    plain = {other.name for other in workflow.inputs if not other.secret}
    mentioned = (mention.path for leaf in found for mention in leaf.parsed.mentions)
    for name in dict.fromkeys(path[1] for path in mentioned if path[:1] == ("inputs",)):
        if name in plain:
            fix = f"declare `{name}` with `secret: true`"
            yield Finding("secret", f"{named}, but `inputs.{name}` is not", route, fix)


def _fits(given: Shape, wanted: Shape) -> bool:
    """Whether a value of one shape can be one of another, as far as is known."""
    groups = (Typed(given).group, Typed(wanted).group)
    if "unknown" in groups:
        return True
    if wanted.kind in _FITTING:
        return given.kind in _FITTING[wanted.kind]
    if groups[0] != groups[1] or (given.kind, wanted.kind) == ("number", "integer"):
        return False
    return _parts_fit(given, wanted)


def _parts_fit(given: Shape, wanted: Shape) -> bool:
    if given.kind == wanted.kind == "choice":
        return {*given.choices} <= {*wanted.choices}
    if wanted.kind == "list" and wanted.item is not None and given.item is not None:
        return _fits(given.item, wanted.item)
    return all(_field_fits(given, name, shape) for name, shape in wanted.fields)


def _field_fits(given: Shape, name: str, wanted: Shape) -> bool:
    field = given.field(name)
    if field is None:
        return wanted.optional or wanted.default is not MISSING or not given.fields
    return _fits(field, wanted)
