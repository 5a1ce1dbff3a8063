"""Providers that steps name: whether they are declared, and who has the last word.

Where a provider stands is left to `project`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from flowrunner.diagnostics import Finding, Route
from flowrunner.events import JSON
from flowrunner.language.forms import has_template, plain
from flowrunner.language.providers import Providers, unknown_provider
from flowrunner.language.request import Prompt
from flowrunner.language.workflow import CallWorkflow, Step, Workflow
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


def check_talks(workflow: Workflow, providers: Providers) -> Iterator[Finding]:
    """Conversations that two steps have with different providers: neither knows what was said to
    the other."""
    first: dict[str, tuple[Step, str]] = {}
    defaults = mapping(mapping(workflow.document.value).get("defaults"))
    for step in workflow.all_steps():
        if not isinstance(step.verb, Prompt):
            continue
        written = workflow.written(step)
        called = written.get("conversation", defaults.get("conversation"))
        if called is None:
            continue
        name = providers.name_for(step.verb.provider)
        above, other = first.setdefault(json.dumps(plain(called)), (step, name))
        if other != name:
            yield Finding(
                "conflict",
                f"this conversation is one with `{other}` in `{above.id}` and would be another one "
                f"with `{name}` here",
                (*step.route, "conversation" if "conversation" in written else "id"),
                "let both steps go to one `provider`, or write `continue` here: it sends what was "
                "said again",
                aim="key",
            )


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
