"""Keys that are unknown, missing, or one verb too many, each with the key that was meant.

What stands behind the keys is left to `saying`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowrunner.diagnostics import Finding, Route, did_you_mean
from flowrunner.language.document.noticing import latin_twin
from flowrunner.language.schema.synonyms import KEYS_THEMSELVES, MEANT, OPERATOR_ONLY
from flowrunner.language.schema.validating import (
    Violation,
    any_step,
    chosen_verbs,
    definitions,
    meant_verb,
    verbs,
)
from flowrunner.language.schema.words import in_backticks, name_of, step_route

_MOST = 50


def unknown_keys(violation: Violation) -> list[Finding]:
    """The keys of one mapping that do not belong there, each with its nearest neighbour."""
    known = violation.schema.get("properties", {})
    unknown = [key for key in violation.value if key not in known][:_MOST]
    return [_unknown(key, violation, known) for key in unknown]


def _unknown(key: str, violation: Violation, known: Mapping[str, Any]) -> Finding:
    route = (*violation.route, key)
    where = _where(violation)
    look = {"workflow": _elsewhere, "project": _elsewhere_in_project}.get(violation.of)
    elsewhere = None
    if look is not None:
        elsewhere = _of_other_kind(key, violation) or look(key, violation)
    if elsewhere is not None:
        return Finding("unknown-key", elsewhere[0], route, elsewhere[1], aim="key")
    near = _near(key, [name for name in known if name not in violation.value])
    if near is not None:
        message = f"unknown key {in_backticks(key)} {where}: did you mean `{near}`?"
        return Finding("unknown-key", message, route, f"write `{near}`", aim="key")
    fix = None
    if "request" in known:
        fix = "a field of the API that flowrunner does not know goes under `request`"
    elif _is_tool(violation.route) and not set(_kinds_of_tools()) & set(violation.value):
        fix = f"a tool says what it is with one of {', '.join(f'`{k}`' for k in _kinds_of_tools())}"
    elif len(known) <= 12:
        fix = f"known here: {', '.join(f'`{name}`' for name in known)}"
    return Finding("unknown-key", f"unknown key {in_backticks(key)} {where}", route, fix, aim="key")


def _near(key: str, known: list[str]) -> str | None:
    twin = latin_twin(key)
    if twin in known:
        return twin
    spelled = key.casefold().replace("-", "_").replace(" ", "_")
    if spelled in known:
        return spelled
    meant = MEANT.get(spelled)
    return meant if meant in known else did_you_mean(key, known)


def _where(violation: Violation) -> str:
    route = violation.route
    if not route:
        return "at the top of the file"
    if step_route(route) == route:
        return f"in {_called(violation.value, route)}"
    return f"in {name_of(route)}"


def _called(step: Mapping[str, Any], route: Route) -> str:
    name = step.get("id")
    return f"step {in_backticks(name)}" if isinstance(name, str) and name else name_of(route)


def _elsewhere(key: str, violation: Violation) -> tuple[str, str] | None:
    """A key that is known in another place: what it belongs to, and what to do."""
    is_step = step_route(violation.route) == violation.route and bool(violation.route)
    if is_step and key in any_step()["properties"]:
        return _of_other_verb(key, violation)
    if key in OPERATOR_ONLY and (is_step or violation.route in ((), ("defaults",))):
        message = f"a workflow file cannot set `{key}`"
        return message, "addresses and keys belong into the environment or `flowrunner.yaml`"
    if is_step and key in ("inputs", "defaults", "limits", "result", "name"):
        return f"`{key}` belongs at the top of the file, not in a step", f"move `{key}` there"
    if not violation.route and key in definitions()["prompt_step"]["properties"]:
        is_shared = key in _defaults_of(violation)
        fix = "write it under `defaults`, or in a step" if is_shared else "write it in a step"
        return f"`{key}` belongs to a step, not at the top of the file", fix
    if violation.route == ("defaults",) and key in any_step()["properties"]:
        return f"`{key}` cannot be a default: it belongs to one step", f"move `{key}` to the step"
    return None


def _of_other_kind(key: str, violation: Violation) -> tuple[str, str] | None:
    """A second kind of one tool."""
    if not _is_tool(violation.route) or key not in _kinds_of_tools():
        return None
    own = next(kind for kind in _kinds_of_tools() if kind in violation.value)
    message = f"{in_backticks(violation.route[1])} is a `{own}` tool already"
    return message, f"take `{key}` out, or make it a tool of its own"


def _is_tool(route: Route) -> bool:
    return len(route) == 2 and route[0] == "tools"


def _kinds_of_tools() -> list[str]:
    """The keys that say what a tool is."""
    return list(definitions()["tool"]["properties"])


def _elsewhere_in_project(key: str, violation: Violation) -> tuple[str, str] | None:
    if key in KEYS_THEMSELVES:
        message = f"no file holds a key: `{key}` cannot be set here"
        return message, "put the key into an environment variable and name that in `key_env`"
    if not violation.route and key in definitions("project")["provider"]["properties"]:
        fix = f"write `providers: {{ NAME: {{ {key}: … }} }}`"
        return f"`{key}` belongs to a provider, not at the top of the file", fix
    if not violation.route and key in _defaults_of(violation):
        return f"`{key}` belongs under `defaults`", f"write `defaults: {{ {key}: … }}`"
    if not violation.route and key in definitions()["budget"]["properties"]:
        return f"`{key}` belongs under `budget`", f"write `budget: {{ {key}: … }}`"
    if violation.route == ("defaults",) and key in any_step()["properties"]:
        message = f"`{key}` cannot be a default of the whole project"
        return message, "write it under `defaults` of a workflow, or in a step"
    return None


def _defaults_of(violation: Violation) -> Mapping[str, Any]:
    known: Mapping[str, Any] = violation.schema["properties"]["defaults"]["properties"]
    return known


def _of_other_verb(key: str, violation: Violation) -> tuple[str, str]:
    step = violation.value
    own = chosen_verbs(step) or [meant_verb(step) or "prompt"]
    holders = [verb for verb, name in verbs().items() if key in definitions()[name]["properties"]]
    shown = {verb: verb for verb in holders if verb not in ("prompt_file", "input")}
    names = " or ".join(f"`{verb}`" for verb in list(shown or holders)[:3])
    name = _called(step, violation.route)
    message = f"`{key}` belongs to a {names} step; {name} is a `{own[0]}` step"
    return message, f"take `{key}` out, or make it a step of its own"


def missing(violation: Violation) -> list[Finding]:
    """The keys that a mapping lacks, placed at the key above it; those that are only misspelt are
    left to whoever says so."""
    value, schema = violation.value, violation.schema
    known = schema.get("properties", {}) if schema.get("additionalProperties") is False else value
    free = [name for name in known if name not in value]
    meant = {_near(key, free) for key in value if key not in known}
    absent = [key for key in violation.wanted if key not in value and key not in meant]
    return [_missing(key, violation) for key in absent]


def _missing(key: str, violation: Violation) -> Finding:
    route = violation.route
    if _is_tool(route) and key == _kinds_of_tools()[0]:
        known = ", ".join(f"`{kind}`" for kind in _kinds_of_tools())
        message = f"the tool {in_backticks(route[1])} does nothing: it does not say what it is"
        return Finding("missing", message, (*route, key), f"add one of {known}")
    if not route:
        message = f"`{key}` is missing at the top of the file"
    elif step_route(route) == route:
        message = f"`{key}` is missing in {_called(violation.value, route)}"
    else:
        message = f"{name_of(route)} needs `{key}`"
    return Finding("missing", message, (*route, key), _example(key, violation))


def _example(key: str, violation: Violation) -> str | None:
    part = violation.schema.get("properties", {}).get(key, {})
    if "$ref" in part:
        part = {**definitions(violation.of)[part["$ref"].rpartition("/")[2]], **part}
    example = next(iter(part.get("examples", [])), None)
    if isinstance(example, str | int | float) and not isinstance(example, bool):
        return f"add it, for example `{key}: {example}`"
    return f"add `{key}:`"


def no_verb(violation: Violation) -> list[Finding]:
    """A step that does nothing."""
    name = _called(violation.value, violation.route)
    message = f"{name} does nothing: it has no verb such as `prompt`"
    known = ", ".join(f"`{verb}`" for verb in verbs())
    return [Finding("no-verb", message, (*violation.route, "prompt"), f"add one of {known}")]


def two_verbs(violation: Violation) -> list[Finding]:
    """A step that does several things at once; the second verb in the file is pointed at."""
    present = [key for key in violation.value if key in violation.wanted]
    listed = ", ".join(f"`{verb}`" for verb in present[:-1]) + f" and `{present[-1]}`"
    count = "two verbs" if len(present) == 2 else f"{len(present)} verbs"
    message = f"{_called(violation.value, violation.route)} has {count}: {listed}"
    route = (*violation.route, present[1])
    return [Finding("two-verbs", message, route, "give each a step of its own", aim="key")]
