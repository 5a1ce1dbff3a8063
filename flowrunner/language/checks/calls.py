"""The arguments of called workflows against the inputs that those declare."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from flowrunner.diagnostics import Finding, Route, did_you_mean
from flowrunner.language.checks.sights import Sight, Sights
from flowrunner.language.forms import Form, Leaf, leaves
from flowrunner.language.shapes import MISSING, Shape, alternatives, check_value
from flowrunner.language.shapes.words import expected
from flowrunner.language.templates.typed import Typed
from flowrunner.language.workflow import CallWorkflow, Input, Step, Workflow

_FITTING: Mapping[str, tuple[str, ...]] = {
    "file": ("file", "text", "choice"),
    "files": ("files", "list", "text"),
    "table": ("table", "list"),
}


def check_calls(workflow: Workflow, sights: Sights) -> Iterator[Finding]:
    """Arguments that are missing, unknown, or of the wrong kind."""
    for step in workflow.all_steps():
        if isinstance(step.verb, CallWorkflow):
            yield from _check_names(step, step.verb)
            sight = sights.of(step).round_
            for known in step.verb.workflow.inputs:
                if known.name in step.verb.arguments:
                    route = (*step.route, "with", known.name)
                    form = step.verb.arguments[known.name]
                    yield from _check_argument(known, form, sight, route)
                    if known.secret:
                        yield from _check_secret(known, form, workflow, step.verb.path, route)


def _check_names(step: Step, verb: CallWorkflow) -> Iterator[Finding]:
    inputs = {known.name: known for known in verb.workflow.inputs}
    for name in verb.arguments:
        if name not in inputs:
            near = did_you_mean(name, inputs)
            meant = f": did you mean `{near}`?" if near else ""
            takes = f"it takes {alternatives(inputs, 'and')}" if inputs else "it takes none"
            message = f"`{verb.path}` has no input `{name}`{meant}"
            route = (*step.route, "with", name)
            yield Finding("argument", message, route, None if near else takes, aim="key")
    for name, known in inputs.items():
        if known.required and name not in verb.arguments:
            message = f"`{verb.path}` needs the input `{name}`"
            fix = f"write `with: {{ {name}: … }}`"
            yield Finding("argument", message, (*step.route, "with"), fix, aim="key")


def _check_argument(known: Input, form: Form, sight: Sight, route: Route) -> Iterator[Finding]:
    wanted = known.shape
    if not any(leaves(form)):
        if form is None and not known.required:
            return
        for fault in () if wanted.kind in _FITTING else check_value(wanted, form, known.name):
            yield Finding("argument", fault, route)
        return
    given = Typed(sight.shape_of(form))
    named = f"the input `{known.name}`"
    if not _fits(given.shape, wanted):
        message = f"{named} must be {expected(wanted)}, found {given.kind}"
        yield Finding("argument", message, route)
    elif given.may_be_empty and known.required:
        source = form.source.strip().strip("{}").strip() if isinstance(form, Leaf) else "…"
        fix = f"write `{{{{ default({source}, …) }}}}`, or test it with `if` first"
        yield Finding(
            "maybe-empty", f"{named} is required, but `{source}` may be empty", route, fix
        )


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
