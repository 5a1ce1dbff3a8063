"""What a project file says that its schema cannot refuse: addresses, keys, names, contradictions.

Which keys there are is left to `schemas/project.schema.json`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flowrunner.catalog import model, model_names, provider_kind, provider_kinds
from flowrunner.diagnostics import Finding, Route, did_you_mean
from flowrunner.events import JSON
from flowrunner.language.forms import has_template
from flowrunner.language.not_yet import refusal
from flowrunner.language.providers import unknown_provider
from flowrunner.language.workflow import read_duration
from flowrunner.language.workflow.modifiers import read_money
from flowrunner.project.credentials import OPENAI_URL, base_url_fault, host_of
from flowrunner.project.key_names import key_name_fault

OPENAI = "openai"
_OPENAI_KEY = "OPENAI_API_KEY"
_NOT_YET = ("schedules", "notify", "retention")


def check_project(value: Mapping[str, Any]) -> Iterator[Finding]:
    """What is wrong with the values of a project file, in no order.

    Where the schema has refused a value already, that is for the caller to leave out.
    """
    for key in _NOT_YET:
        if key in value:
            yield refusal(f"`{key}`", (key,))
    yield from _templates(value.get("defaults"), ("defaults",))
    yield from _models(value)
    yield from _amounts(value)
    providers = _mapping(value.get("providers"))
    for name, entry in providers.items():
        yield from _provider(name, _mapping(entry))
    yield from _default_provider(value.get("provider"), providers)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _templates(value: JSON, route: Route) -> Iterator[Finding]:
    if isinstance(value, str) and has_template(value):
        message = f"`{route[1]}` is the same for every workflow: it cannot hold a template"
        yield Finding("wrong-type", message, route, "write it under `defaults` of a workflow")
    elif isinstance(value, Mapping | list):
        pairs = value.items() if isinstance(value, Mapping) else enumerate(value)
        for key, below in pairs:
            yield from _templates(below, (*route, key))


def _models(value: Mapping[str, Any]) -> Iterator[Finding]:
    name, priced = value.get("model"), _mapping(value.get("prices"))
    if not isinstance(name, str) or name.startswith("ft:") or name in priced or model(name):
        return
    near = did_you_mean(name, {*model_names(), *priced})
    meant = f": did you mean `{near}`?" if near else ""
    message = f"`{name}` is not a model that flowrunner knows{meant}"
    fix = "if your provider offers it, nothing is wrong; its price goes under `prices`"
    yield Finding("unknown-model", message, ("model",), fix, severity="warning")


def _amounts(value: Mapping[str, Any]) -> Iterator[Finding]:
    timeout = _mapping(value.get("limits")).get("timeout")
    if isinstance(timeout, str) and read_duration(timeout) is None:
        message = "`limits.timeout` must be longer than nothing and at most a year"
        yield Finding("duration", message, ("limits", "timeout"))
    money = read_money(value.get("budget"))
    if money is None or money.stop_at_usd is None or money.warn_at_usd is None:
        return
    if money.warn_at_usd > money.stop_at_usd:
        message = "`warn_at` is more than `stop_at`, so nobody would ever be warned"
        yield Finding("budget", message, ("budget", "warn_at"), "write a smaller amount")


def _provider(name: str, entry: Mapping[str, Any]) -> Iterator[Finding]:
    route: Route = ("providers", name)
    base_url = entry.get("base_url", OPENAI_URL if name == OPENAI else None)
    if base_url is None:
        message = f"`providers.{name}` needs `base_url`"
        fix = "add it, for example `base_url: https://HOST/v1`"
        yield Finding("missing", message, (*route, "base_url"), fix)
    if not isinstance(base_url, str):
        return
    said = base_url_fault(f"providers.{name}.base_url", base_url.strip())
    if said:
        yield Finding("base-url", said, (*route, "base_url"))
        return
    key_env = entry.get("key_env", _OPENAI_KEY if name == OPENAI else _usual_key(entry))
    if not isinstance(key_env, str):
        return
    said = key_name_fault(key_env, host_of(base_url.strip()))
    if said:
        message = f"`providers.{name}.key_env` {said}"
        own = "TEAM_API_KEY" if name == OPENAI else f"{name.upper()}_API_KEY"
        fix = f"name the variable that holds the key for this host, such as `{own}`"
        yield Finding("key-name", message, (*route, "key_env"), fix)


def _usual_key(entry: Mapping[str, Any]) -> str | None:
    kind = entry.get("kind")
    return provider_kind(kind).key_env if kind in provider_kinds() else None


def _default_provider(name: JSON, providers: Mapping[str, Any]) -> Iterator[Finding]:
    if not isinstance(name, str) or name == OPENAI or name in providers:
        return
    said = unknown_provider(name, {OPENAI, *providers})
    yield Finding("unknown-provider", said, ("provider",), "declare it under `providers`")
