"""Models and `include` keys by what the catalogue knows: warnings, for the API may know more."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from typing import Any

from flowrunner.catalog import include_keys, model, model_names
from flowrunner.diagnostics import Finding, Route, Severity, did_you_mean
from flowrunner.events import JSON
from flowrunner.language.forms import text_of
from flowrunner.language.providers import Providers
from flowrunner.language.request import Prompt
from flowrunner.language.shapes import alternatives
from flowrunner.language.workflow import Step, Workflow
from flowrunner.language.workflow.reader import mapping

_ENCRYPTED = "reasoning.encrypted_content"
_LOGPROBS = "message.output_text.logprobs"
_SOON = datetime.timedelta(days=60)

# The tool types that can fill an include key; keys that need no tool are not listed.
_TOOLS_OF_INCLUDE = {
    "file_search_call": ("file_search",),
    "web_search_call": ("web_search", "web_search_2025_08_26", "web_search_preview"),
    "code_interpreter_call": ("code_interpreter",),
    "computer_call_output": ("computer", "computer_use_preview"),
}


def check_models(
    workflow: Workflow, today: datetime.date, providers: Providers | None = None
) -> Iterator[Finding]:
    """Models that nobody has heard of, and those that have stopped or soon will. Of models that are
    asked of other servers than OpenAI's, or priced by the operator, nothing is said."""
    of_defaults = mapping(mapping(workflow.document.value).get("defaults")).get("model")
    for step in workflow.all_steps():
        if not isinstance(step.verb, Prompt):
            continue
        written = workflow.written(step).get("model")
        name, route = text_of(written), step.route
        if "model" not in workflow.written(step):
            name, route = text_of(of_defaults), ("defaults",)
        if name is not None and _is_of_catalogue(name, step.verb, providers):
            yield from _check_model(name, route, today)


def _is_of_catalogue(name: str, prompt: Prompt, providers: Providers | None) -> bool:
    if providers is None:
        return True
    abilities = providers.abilities(prompt.provider)
    return abilities.has_catalogue_models and name not in abilities.priced


def check_model_names(workflow: Workflow) -> Iterator[Finding]:
    """A hint where steps name no model: whoever runs the file must name one then."""
    without = [step for step in workflow.all_steps() if _names_no_model(step)]
    if without:
        names = alternatives((step.id for step in without), "and")
        yield Finding(
            "no-model",
            f"no model is named for {names}",
            (*without[0].route, "id"),
            "write `defaults: { model: gpt-6-luna }` in the file; else whoever runs it gives "
            "`--model` or sets `FLOWRUNNER_MODEL`, or `flowrunner.yaml` has a default",
            severity="hint",
        )


def _names_no_model(step: Step) -> bool:
    # A stored prompt brings a model of its own.
    return (
        isinstance(step.verb, Prompt)
        and step.verb.parameters.get("model") is None
        and "prompt" not in step.verb.parameters
        and "model" not in step.verb.request
    )


def _check_model(name: str, route: Route, today: datetime.date) -> Iterator[Finding]:
    if name.startswith("ft:"):
        return
    route = (*route, "model")
    known = model(name) or model(_without_date(name))
    if known is None:
        near = did_you_mean(name, _current())
        meant = f": did you mean `{near}`?" if near else ""
        message = f"`{name}` is not a model that flowrunner knows{meant}"
        fix = "if your provider offers it, nothing is wrong; its price is unknown"
        yield Finding("unknown-model", message, route, fix, severity="warning")
        return
    sentence = _retirement(name, known.shutdown, today)
    if sentence:
        near = did_you_mean(name, _current())
        fix = f"`{near}` has no date at which it stops" if near else "choose another model"
        yield Finding("retired-model", sentence, route, fix, severity="warning")


def _retirement(name: str, shutdown: datetime.date | None, today: datetime.date) -> str | None:
    if shutdown is None or shutdown > today + _SOON:
        return None
    if shutdown == datetime.date.min:
        return f"the API does not serve the model `{name}`"
    verb = "stopped" if shutdown <= today else "stops"
    return f"the model `{name}` {verb} on {shutdown.isoformat()}"


def _current() -> list[str]:
    """Models without a known end, the only ones worth suggesting."""
    known = ((name, model(name)) for name in model_names())
    return [name for name, found in known if found is not None and found.shutdown is None]


def _without_date(name: str) -> str:
    stem, _, day = name.rpartition("-20")
    return stem if stem and len(day) == len("26-01-31") else name


def check_reasoning(workflow: Workflow, providers: Providers | None = None) -> Iterator[Finding]:
    """What a model refuses because it reasons, or because it does not."""
    for step in workflow.all_steps():
        if not isinstance(step.verb, Prompt) or step.verb.model is None:
            continue
        name = step.verb.model
        known = model(name) or model(_without_date(name))
        if known is not None and _is_of_catalogue(name, step.verb, providers):
            for key, message, fix, severity in _refused_by(step.verb, name, known.reasons):
                written = workflow.written(step)
                route = (*step.route, key) if key in written else ("defaults", key)
                yield Finding("model-lacks", message, route, fix, severity=severity, aim="key")


def _refused_by(
    prompt: Prompt, name: str, reasons: bool | None
) -> Iterator[tuple[str, str, str, Severity]]:
    parameters = prompt.parameters
    include = parameters.get("include")
    if reasons is False and isinstance(include, list) and _ENCRYPTED in include:
        said = f"the API refuses `{_ENCRYPTED}` with `{name}`, which does not reason"
        yield "include", said, "take it out, or choose a model that reasons", "error"
    if reasons is False and parameters.get("reasoning") is not None:
        said = f"`{name}` does not reason, so that `reasoning` asks it for nothing"
        yield "reasoning", said, "take it out, or choose a model that reasons", "warning"
    effort = mapping(parameters.get("reasoning")).get("effort")
    if reasons and parameters.get("temperature") is not None and effort != "none":
        said = f"many models that reason, as `{name}` does, refuse `temperature`"
        yield "temperature", said, "take it out, or write `reasoning: { effort: none }`", "warning"


def check_includes(workflow: Workflow) -> Iterator[Finding]:
    """Include keys that the API does not know, and those that no tool of the step can fill."""
    value = mapping(workflow.document.value)
    yield from _check_keys(mapping(value.get("defaults")).get("include"), ("defaults", "include"))
    for step in workflow.all_steps():
        if isinstance(step.verb, Prompt):
            written = workflow.written(step).get("include")
            route = (*step.route, "include")
            yield from _check_keys(written, route)
            yield from _check_use(step.verb, written, route)
            yield from _check_logprobs(step.verb, workflow.written(step), step.route)


def _check_logprobs(prompt: Prompt, written: Mapping[str, Any], route: Route) -> Iterator[Finding]:
    include = prompt.parameters.get("include")
    asked = include if isinstance(include, list) else []
    if prompt.parameters.get("top_logprobs") and _LOGPROBS not in asked:
        around: Route = route if "top_logprobs" in written else ("defaults",)
        yield Finding(
            "unused-include",
            f"`top_logprobs` brings nothing where `include` does not ask for `{_LOGPROBS}`",
            (*around, "top_logprobs"),
            f"write `include: [{_LOGPROBS}]`",
            severity="warning",
            aim="key",
        )


def _check_keys(written: JSON, route: Route) -> Iterator[Finding]:
    for position, key in enumerate(written if isinstance(written, list) else []):
        if not isinstance(key, str) or key in include_keys():
            continue
        near = did_you_mean(key, include_keys())
        meant = f": did you mean `{near}`?" if near else ""
        yield Finding(
            "unknown-include",
            f"`{key}` is not an `include` key that flowrunner knows{meant}",
            (*route, position),
            None if near else f"known keys are {alternatives(include_keys(), 'and')}",
            severity="warning",
        )


def _check_use(prompt: Prompt, written: JSON, route: Route) -> Iterator[Finding]:
    if "prompt" in prompt.parameters:
        return  # a stored prompt may bring tools of its own
    tools = prompt.parameters.get("tools")
    listed = tools if isinstance(tools, list) else []
    kinds = {kind for tool in listed if isinstance(kind := mapping(tool).get("type"), str)}
    for position, key in enumerate(written if isinstance(written, list) else []):
        fillers = _TOOLS_OF_INCLUDE.get(str(key).partition(".")[0], ())
        if key in include_keys() and fillers and not kinds & set(fillers):
            yield Finding(
                "unused-include",
                f"`include` asks for `{key}`, but this step has no tool that fills it",
                (*route, position),
                f"add {alternatives(fillers[:1])} to `tools`, or take the key out",
                severity="warning",
            )
