"""Checks a request body against the API's own schema, and words the fault as the API does.

What a schema cannot say is left to `rules`; those about one field are applied here, after it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeAlias

import referencing
from jsonschema import Draft202012Validator, validators

from flowrunner import catalog
from flowrunner.simulator import envelope
from flowrunner.simulator.envelope import Bound, Refusal, spell
from flowrunner.simulator.rules import FIELD_RULES

Fault: TypeAlias = Any
"""A ValidationError of jsonschema, whose stubs leave each field open."""

# Of these every request has its own; of all others a run sends the same few thousands of times.
_EVER_NEW = frozenset({"input", "instructions", "metadata", "previous_response_id", "prompt"})
_REMEMBERED = 1_000
_LONGEST_REMEMBERED = 65_536


def _all_of(validator: Any, parts: list[Any], instance: Any, _: Any) -> Iterator[Fault]:
    """`allOf`, where the API's schema lists one `if` for each `type` of an item: the ifs of other
    types are passed over, which makes the check of a list of messages ten times as fast."""
    kind = instance.get("type") if isinstance(instance, dict) else None
    for index, part in enumerate(parts):
        condition = part.get("if", {})
        wanted = condition.get("properties", {}).get("type", {}).get("const")
        if wanted is None or wanted == kind or "type" not in condition.get("required", ()):
            yield from validator.descend(instance, part, schema_path=index)


_Validator: Any = validators.extend(  # type: ignore[no-untyped-call]
    Draft202012Validator, {"allOf": _all_of}
)


def fields_of(names: Iterable[str]) -> dict[str, Any]:
    """The schemas of some parameters of `POST /responses`, for endpoints that share them."""
    properties = catalog.load_schema("openai/response-create")["properties"]
    return {name: properties[name] for name in names}


class BodyValidator:
    """The schema of `POST /responses`, or of other fields that it defines parts of.

    Fields are checked one by one, so that a fault names its own, and what was found about a value
    is remembered by its JSON text: a fan-out repeats its tools and formats in every request.
    """

    def __init__(self, fields: Mapping[str, Any] | None = None) -> None:
        schema = catalog.load_schema("openai/response-create")
        whole = _Validator(schema, registry=referencing.Registry())
        chosen = schema["properties"] if fields is None else fields
        self._fields = {name: whole.evolve(schema=field) for name, field in chosen.items()}
        self._found: dict[tuple[str, str], Refusal | None] = {}

    def check(self, body: object) -> dict[str, Any]:
        """The body, when the API's schema accepts it. Raises Refusal for the first fault."""
        if not isinstance(body, dict):
            raise envelope.invalid_type(None, ["object"], body)
        try:
            return self._check(body)
        except RecursionError:
            raise Refusal("Invalid body: it is nested too deeply.", code="invalid_value") from None

    def _check(self, body: dict[str, Any]) -> dict[str, Any]:
        for name in body:
            if name not in self._fields:
                raise envelope.unknown_parameter(name)
        for name, value in body.items():
            refusal = self._check_field(name, value)
            if refusal is not None:
                raise refusal.with_traceback(None)  # remembered: it must not gather frames
        return body

    def _check_field(self, name: str, value: object) -> Refusal | None:
        if name in _EVER_NEW:
            return self._look(name, value)
        key = (name, json.dumps(value))
        if len(key[1]) > _LONGEST_REMEMBERED:
            return self._look(name, value)
        if key not in self._found:
            if len(self._found) >= _REMEMBERED:
                self._found.clear()
            self._found[key] = self._look(name, value)
        return self._found[key]

    def _look(self, name: str, value: object) -> Refusal | None:
        validator = self._fields[name]
        if not validator.is_valid(value):
            return _explain(_closest(next(iter(validator.iter_errors(value)))), name)
        try:
            FIELD_RULES.get(name, _no_rule)(value)
        except Refusal as refusal:
            return refusal
        return None


def _no_rule(_: object) -> None:
    """Most fields are right when their schema accepts them."""


def _closest(error: Fault) -> Fault:
    """The fault in the alternative that was most likely meant.

    Alternatives of another JSON type do not count; of the others, the one with the fewest faults
    and the deepest first fault was meant.
    """
    if error.validator not in ("anyOf", "oneOf") or not error.context:
        return error
    meant = [
        faults
        for faults in _alternatives(error).values()
        if not any(_is_other_type(fault) for fault in faults)
    ]
    if not meant:
        return error
    best = min(meant, key=lambda faults: (len(faults), -_depth(_closest(faults[0]))))
    return _closest(best[0])


def _alternatives(error: Fault) -> dict[Any, list[Fault]]:
    grouped: dict[Any, list[Fault]] = {}
    for fault in error.context or ():
        grouped.setdefault(fault.relative_schema_path[0], []).append(fault)
    return grouped


def _is_other_type(fault: Fault) -> bool:
    if fault.relative_path:
        return False
    if fault.validator == "type":
        return True
    if fault.validator != "anyOf":
        return False
    return all(any(map(_is_other_type, faults)) for faults in _alternatives(fault).values())


def _depth(fault: Fault) -> int:
    return len(fault.absolute_path)


def _expected_types(fault: Fault) -> Iterator[str]:
    if fault.validator == "type":
        wanted = fault.validator_value
        yield from [wanted] if isinstance(wanted, str) else wanted
    for inner in fault.context or ():
        if not inner.relative_path:
            yield from _expected_types(inner)


def _explain(fault: Fault, name: str) -> Refusal:
    param = spell([name, *fault.absolute_path])
    explain = _EXPLAINERS.get(fault.validator)
    if explain is None:
        return Refusal(f"Invalid value for '{param}'.", param, "invalid_value")
    return explain(fault, param)


def _explain_type(fault: Fault, param: str) -> Refusal:
    return envelope.invalid_type(param, list(_expected_types(fault)), fault.instance)


def _explain_missing(fault: Fault, param: str) -> Refusal:
    missing = next(name for name in fault.validator_value if name not in fault.instance)
    return envelope.missing_parameter(f"{param}.{missing}")


def _explain_extra(fault: Fault, param: str) -> Refusal:
    extra = next(name for name in fault.instance if name not in fault.schema["properties"])
    return envelope.unknown_parameter(f"{param}.{extra}")


def _explain_choice(fault: Fault, param: str) -> Refusal:
    choices = fault.validator_value if fault.validator == "enum" else [fault.validator_value]
    return envelope.invalid_value(param, choices, fault.instance)


def _explain_range(fault: Fault, param: str) -> Refusal:
    number = "integer" if fault.schema.get("type") == "integer" else "decimal"
    bound = Bound(fault.validator, fault.validator_value, fault.instance)
    return envelope.out_of_range(param, number, bound)


def _explain_pattern(fault: Fault, param: str) -> Refusal:
    return envelope.wrong_pattern(param, fault.validator_value)


def _explain_length(fault: Fault, param: str) -> Refusal:
    side = "minimum" if fault.validator.startswith("min") else "maximum"
    thing = "string" if fault.validator.endswith("Length") else "array"
    bound = Bound(side, fault.validator_value, len(fault.instance))
    return envelope.wrong_length(param, thing, bound)


def _explain_properties(fault: Fault, param: str) -> Refusal:
    bound = Bound("maximum", fault.validator_value, len(fault.instance))
    return envelope.too_many_properties(param, bound)


_EXPLAINERS: dict[str, Callable[[Fault, str], Refusal]] = {
    "type": _explain_type,
    "anyOf": _explain_type,
    "required": _explain_missing,
    "additionalProperties": _explain_extra,
    "enum": _explain_choice,
    "const": _explain_choice,
    "minimum": _explain_range,
    "maximum": _explain_range,
    "pattern": _explain_pattern,
    "minLength": _explain_length,
    "maxLength": _explain_length,
    "minItems": _explain_length,
    "maxItems": _explain_length,
    "maxProperties": _explain_properties,
}
