"""Providers that steps name: whether they are declared, and who has the last word.

Where a provider stands is left to `project`.
"""

from __future__ import annotations

from collections.abc import Iterator

from flowrunner.diagnostics import Finding, Route
from flowrunner.events import JSON
from flowrunner.language.forms import has_template
from flowrunner.language.providers import Providers, unknown_provider
from flowrunner.language.request import Prompt
from flowrunner.language.workflow import CallWorkflow, Workflow
from flowrunner.language.workflow.reader import mapping


def check_providers(workflow: Workflow, providers: Providers) -> Iterator[Finding]:
    """Providers that nobody declared, and files that name one in vain."""
    value = mapping(workflow.document.value)
    named = mapping(value.get("defaults")).get("provider")
    yield from _check_name(named, ("defaults", "provider"), providers)
    for step in workflow.all_steps():
        if isinstance(step.verb, Prompt):
            named = workflow.written(step).get("provider")
            yield from _check_name(named, (*step.route, "provider"), providers)
        elif isinstance(step.verb, CallWorkflow) and workflow.provider is not None:
            yield from _check_call(step.verb, workflow.provider, (*step.route, "workflow"))


def _check_name(name: JSON, route: Route, providers: Providers) -> Iterator[Finding]:
    if not isinstance(name, str) or name in providers.known:
        return
    fix = "declare it under `providers` in `flowrunner.yaml`"
    if has_template(name):
        fix = "write its name: where requests go is never filled in"
    yield Finding("unknown-provider", unknown_provider(name, providers.known), route, fix)


def _check_call(call: CallWorkflow, provider: str, route: Route) -> Iterator[Finding]:
    """What a file calls goes where the file itself goes."""
    for other in dict.fromkeys(_named_in(call.workflow)):
        if other != provider:
            yield Finding(
                "provider-capped",
                f"`{call.path}` names the provider `{other}`, but what this file calls goes to "
                f"`{provider}`, which its `defaults` name",
                route,
                f"name `{provider}` there too, or write `provider` on the steps of this file "
                "instead of under `defaults`",
                severity="warning",
            )


def _named_in(workflow: Workflow) -> Iterator[str]:
    for step in workflow.all_steps():
        if isinstance(step.verb, Prompt) and step.verb.provider is not None:
            yield step.verb.provider
        elif isinstance(step.verb, CallWorkflow):
            yield from _named_in(step.verb.workflow)
