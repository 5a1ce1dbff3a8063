"""Our schemas at work: JSON Schema as we read it, and each step by its own verb.

Numbers and truth values count as text where text is expected, and a step is held against the part
of the schema that its verb chooses. Turning violations into sentences is left to `saying`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend
from referencing import Registry

from flowrunner.catalog import load_schema
from flowrunner.diagnostics import Route, did_you_mean
from flowrunner.language.document import SpelledFloat, SpelledInt
from flowrunner.language.schema.synonyms import MEANT

# Of several violations at one place the first of these is the cause, the rest are echoes.
_CAUSES = ("two-verbs", "no-verb", "type", "enum", "const", "not", "minLength", "pattern")


@dataclass(frozen=True, slots=True)
class Violation:
    """What a part of the document breaks: a keyword of JSON Schema, or `two-verbs`, `no-verb`.

    `rule` is the schema's own name for it (`x-rule`), `schema` the part of the schema that says so.
    `of_key` means that the last part of the route is itself at fault. `of` names the whole schema.
    """

    keyword: str
    wanted: Any
    value: Any
    route: Route
    schema: Mapping[str, Any]
    of_key: bool
    of: str = "workflow"


def violations(value: Any, of: str = "workflow") -> Iterator[Violation]:
    """Everything in a document's value that breaks a schema, one violation for each cause."""
    by_place: dict[tuple[Route, str], Violation] = {}
    for error in _validator(of).iter_errors(value):
        violation = _violation(error, of)
        of_keys = violation.keyword in ("additionalProperties", "required")
        place = (violation.route, violation.keyword if of_keys else "")
        known = by_place.get(place)
        if known is None or _weight(violation) < _weight(known):
            by_place[place] = violation
        if len(by_place) > 1000:
            break
    return iter(by_place.values())


def _violation(error: ValidationError, of: str) -> Violation:
    route: Route = tuple(error.absolute_path)
    of_key = "propertyNames" in error.absolute_schema_path
    if of_key:
        route = (*route, str(error.instance))
    schema = error.schema if isinstance(error.schema, Mapping) else {}
    return Violation(
        str(error.validator), error.validator_value, error.instance, route, schema, of_key, of
    )


def _weight(violation: Violation) -> int:
    known = violation.keyword in _CAUSES
    return _CAUSES.index(violation.keyword) if known else len(_CAUSES)


def spelled(value: Any) -> str | None:
    """A scalar as text, in the spelling of the file; None for what is no text at all."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.spelling if isinstance(value, SpelledInt | SpelledFloat) else None


@cache
def definitions(of: str = "workflow") -> dict[str, Any]:
    """The named parts of a schema."""
    named: dict[str, Any] = load_schema(of)["$defs"]
    return named


@cache
def verbs() -> dict[str, str]:
    """The verbs of a step, each with the name of the part of the schema that describes it."""
    choices = [each for each in definitions()["step"]["allOf"] if "$ref" in each["then"]]
    return {each["if"]["required"][0]: each["then"]["$ref"].rpartition("/")[2] for each in choices}


@cache
def any_step() -> dict[str, Any]:
    """A step as it looks while its verb is not known: every key of every verb is allowed."""
    properties: dict[str, Any] = {}
    for name in verbs().values():
        # Of other verbs a part says nothing: `step` does.
        own = definitions()[name]["properties"].items()
        properties |= {key: part for key, part in own if part is not True}
    return {"type": "object", "properties": properties, "additionalProperties": False}


def chosen_verbs(step: Mapping[str, Any]) -> list[str]:
    """The verbs that a step has. An `input` may go with a prompt that is stored with the API."""
    present = [verb for verb in verbs() if verb in step]
    if isinstance(step.get("prompt"), Mapping) and "input" in present:
        present.remove("input")
    return present


def meant_verb(step: Mapping[str, Any]) -> str | None:
    """The verb that an unknown key of a step without verb was probably meant to be."""
    known = any_step()["properties"]
    for key in step:
        meant = None if key in known else MEANT.get(key) or did_you_mean(key, known)
        if meant in verbs():
            return meant
    return None


def _check_step(validator: Any, step: Any) -> Iterator[ValidationError]:
    schema = definitions()["step"]
    if not isinstance(step, dict):
        yield from validator.descend(step, {"type": "object", "title": schema["title"]})
        return
    present = chosen_verbs(step)
    meant = present[0] if len(present) == 1 else None if present else meant_verb(step)
    if len(present) > 1:
        yield _error("two-verbs", present, step, schema)
    elif meant is None:
        yield _error("no-verb", list(verbs()), step, schema)
    if "id" not in step:
        yield _error("required", ["id"], step, any_step())
    yield from validator.descend(step, definitions()[verbs()[meant]] if meant else any_step())


def _error(keyword: str, wanted: Any, value: Any, schema: Any) -> ValidationError:
    return ValidationError(
        "", validator=keyword, validator_value=wanted, instance=value, schema=schema
    )


def _ref(of: str, validator: Any, ref: str, value: Any, _: Any) -> Iterator[ValidationError]:
    name = ref.rpartition("/")[2]
    target = definitions(of)[name]
    if name == "step":
        yield from _check_step(validator, value)
    elif target.get("x-reader") != "shapes":
        yield from validator.descend(value, target)


def _enum(_: Any, words: list[Any], value: Any, schema: Any) -> Iterator[ValidationError]:
    if value not in words and spelled(value) not in words:
        yield _error("enum", words, value, schema)


def _text(value: Any, schema: Mapping[str, Any]) -> str | None:
    """A value as the text it is meant to be; None where the schema takes it as what it is."""
    kinds = schema.get("type", ())
    is_native = isinstance(value, bool) and "boolean" in kinds
    is_native |= isinstance(value, int | float) and ("integer" in kinds or "number" in kinds)
    return None if is_native else spelled(value)


def _pattern(_: Any, pattern: str, value: Any, schema: Any) -> Iterator[ValidationError]:
    text = _text(value, schema)
    if text is not None and not re.search(pattern, text):
        yield _error("pattern", pattern, value, schema)


def _min_length(_: Any, least: int, value: Any, schema: Any) -> Iterator[ValidationError]:
    text = _text(value, schema)
    if text is not None and len(text.strip()) < least:
        yield _error("minLength", least, value, schema)


def _max_length(_: Any, most: int, value: Any, schema: Any) -> Iterator[ValidationError]:
    text = _text(value, schema)
    if text is not None and len(text) > most:
        yield _error("maxLength", most, value, schema)


def _is_text(_: Any, value: Any) -> bool:
    return spelled(value) is not None


@cache
def _validator(of: str) -> Any:
    """Nothing is ever fetched for it: references lead into the schema itself only."""
    kinds = Draft202012Validator.TYPE_CHECKER.redefine_many(
        {
            "string": _is_text,
            # A number with a decimal point is not a whole number, not even 16.0.
            "integer": lambda _, value: isinstance(value, int) and not isinstance(value, bool),
        }
    )
    keywords = {
        "$ref": partial(_ref, of),
        "enum": _enum,
        "pattern": _pattern,
        "minLength": _min_length,
        "maxLength": _max_length,
    }
    ours: Any = extend(Draft202012Validator, keywords, type_checker=kinds)  # type: ignore[no-untyped-call]
    return ours(load_schema(of), registry=Registry())
