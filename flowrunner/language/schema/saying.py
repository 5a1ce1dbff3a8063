"""A violation of the schema in a sentence: what was found, what is expected, how to write it.

No word of JSON Schema reaches a person. Which violations there are is left to `validating`.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Mapping

from flowrunner.diagnostics import Finding, did_you_mean
from flowrunner.language.document import Document
from flowrunner.language.schema.keys import missing, no_verb, two_verbs, unknown_keys
from flowrunner.language.schema.names import bad_name
from flowrunner.language.schema.scalars import misread, plain_duration
from flowrunner.language.schema.validating import Violation, any_step, spelled
from flowrunner.language.schema.words import found, in_backticks, name_of

_PLAIN_WORD = re.compile(r"[\w./=-]+")
_AMOUNT = re.compile(r"\d{1,9}(?:\.\d{1,9})?")


def say(violation: Violation, document: Document) -> list[Finding]:
    """The findings of one violation: usually one, none where another room says more."""
    if violation.schema.get("x-reader") == "tool-names":
        return []
    if violation.keyword in _OF_KEYS:
        return _OF_KEYS[violation.keyword](violation)
    rule = str(violation.schema.get("x-rule", ""))
    if rule == "id" and violation.keyword != "type":
        return [bad_name(violation)]
    if violation.keyword == "type" and (rule != "version" or violation.value is None):
        return [_wrong_type(violation, document)]
    if rule in _OF_RULES:
        return [_OF_RULES[rule](violation)]
    return [_OF_VALUES.get(violation.keyword, _unfit)(violation)]


def _finding(
    code: str,
    violation: Violation,
    message: str,
    help: str | None = None,  # noqa: A002
) -> Finding:
    return Finding(code, message, violation.route, help, aim="key" if violation.of_key else "value")


def _expected(violation: Violation) -> str:
    return str(violation.schema.get("title", "something else"))


def _unfit(violation: Violation, code: str = "wrong-type", help: str | None = None) -> Finding:  # noqa: A002
    message = (
        f"{name_of(violation.route)} must be {_expected(violation)}, found {found(violation.value)}"
    )
    return _finding(code, violation, message, help)


def _wrong_type(violation: Violation, document: Document) -> Finding:
    value, key = violation.value, violation.route[-1] if violation.route else ""
    wanted = violation.wanted if isinstance(violation.wanted, list) else [violation.wanted]
    if value is None:
        message = f"{name_of(violation.route)} has no value; it must be {_expected(violation)}"
        return _finding("null", violation, message, "write the value, or take the key out")
    if isinstance(value, str):
        reading = misread(value, wanted, is_plain=document.is_plain(violation.route))
        if reading is not None:
            code, said, help_ = reading
            message = f"{name_of(violation.route)} must be {_expected(violation)}, found {said}"
            return _finding(code, violation, message, help_.replace("KEY", str(key)))
    text = spelled(value)
    if "array" in wanted and text is not None and isinstance(key, str):
        listed = _words_of(text) if key == "run" else text
        return _unfit(violation, help=f"write `{key}: [{listed}]`" if len(text) < 60 else None)
    return _unfit(violation, help=_fix_of_kind(violation, key))


def _flow(value: object) -> str:
    """An example as YAML on one line."""
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{key}: {_flow(below)}' for key, below in value.items())} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(_flow, value))}]"
    return value if isinstance(value, str) else json.dumps(value)


def _fix_of_kind(violation: Violation, key: str | int) -> str | None:
    """How to write what should have been a text, an expression, or steps."""
    value, expected = violation.value, _expected(violation)
    only = spelled(value[0]) if isinstance(value, list) and len(value) == 1 else None
    if expected == "a list of steps" and isinstance(value, dict):
        return _with_dashes(value)
    if expected == "a mapping" and violation.schema.get("examples"):
        return f"write it as in `{key}: {_flow(violation.schema['examples'][0])}`"
    if expected.startswith("a step such as"):
        said = spelled(value)
        shown = f'"{said}"' if said and len(said) <= 40 and '"' not in said else "…"
        return f"a step has an `id` and a verb: write `- {{ id: NAME, prompt: {shown} }}`"
    if expected.startswith("an expression"):
        example = only or ("inputs.rows" if key == "for_each" else "steps.check.output.urgent")
        return f"write the expression itself, such as `{key}: {example}`"
    if "a text" in expected and isinstance(value, dict | list):
        return f"write `{key}: {only}`" if only else "for several lines, write `|` behind the colon"
    return None


def _with_dashes(steps: Mapping[str, object]) -> str:
    """The advice to somebody who has left out the dashes of a list of steps."""
    known = any_step()["properties"]
    if any(key in known for key in steps):
        first = next(iter(steps))
        shown = spelled(steps[first]) or "…"
        return f"each step begins with a dash: write `- {first}: {shown}`"
    return f"each step begins with a dash and its name: write `- id: {next(iter(steps), 'NAME')}`"


def _words_of(command: str) -> str:
    """A command line as the list of its words: there is no shell that would take it apart."""
    try:
        words = shlex.split(command)
    except ValueError:
        return command
    return ", ".join(word if _PLAIN_WORD.fullmatch(word) else f'"{word}"' for word in words)


def _choice(violation: Violation) -> Finding:
    from_list = [word for word in violation.wanted if word is not None]
    words = [in_backticks(word) for word in from_list]
    known = ", ".join(words[:-1]) + f" or {words[-1]}" if len(words) > 1 else words[0]
    text = spelled(violation.value) or ""
    near = did_you_mean(text, from_list)
    meant = f"; did you mean `{near}`?" if near else ""
    message = f"{name_of(violation.route)} must be {known}, found {found(violation.value)}{meant}"
    return _finding("choice", violation, message, f"write `{near}`" if near else None)


def _range(violation: Violation) -> Finding:
    return _unfit(violation, "range")


def _too_much(violation: Violation) -> Finding:
    counts = violation.keyword in ("maxItems", "maxProperties")
    one, many = ("entry", "entries") if counts else ("character", "characters")
    what = one if violation.wanted == 1 else many
    size = len(spelled(violation.value) or violation.value)
    message = f"{name_of(violation.route)} may have {violation.wanted} {what} at most, found {size}"
    return _finding("range", violation, message)


def _empty(violation: Violation) -> Finding:
    message = f"{name_of(violation.route)} is empty; it must be {_expected(violation)}"
    is_text = isinstance(violation.value, str)
    fix = "write the text" if is_text else "write at least one entry into it"
    return _finding("empty", violation, message, fix)


def _empty_prompt(violation: Violation) -> Finding:
    if not violation.keyword.startswith("min"):
        return _unfit(violation)
    message = f"{name_of(violation.route)} is empty"
    return _finding("empty-prompt", violation, message, "write what the model is asked")


def _version(violation: Violation) -> Finding:
    message = f"this version of flowrunner reads `flowrunner: 1`, found {found(violation.value)}"
    return _finding("version", violation, message, "write `flowrunner: 1`")


def _expression(violation: Violation) -> Finding:
    if violation.keyword != "not":
        return _OF_VALUES.get(violation.keyword, _unfit)(violation)
    word = "true" if violation.value else "false"
    return _unfit(violation, help=f"write `{violation.route[-1]}: {word}`")


def _model(violation: Violation) -> Finding:
    if violation.keyword != "not":
        return _OF_VALUES.get(violation.keyword, _unfit)(violation)
    message = f"{name_of(violation.route)} must be the name of a model, found a template"
    fix = "write the name itself; `--model NAME` puts another in its place for one run"
    return _finding("wrong-type", violation, message, fix)


def _duration(violation: Violation) -> Finding:
    text, key = spelled(violation.value) or "", str(violation.route[-1])
    if "boolean" in violation.schema.get("type", ()):
        reading = misread(text, ["boolean"], is_plain=text not in ("true", "false"))
        if reading is not None:
            return _unfit(violation, "duration", reading[2].replace("KEY", key))
    return _unfit(violation, "duration", plain_duration(violation.value, violation.route))


def _budget(violation: Violation) -> Finding:
    if violation.keyword == "minProperties":
        return _empty(violation)
    text = spelled(violation.value) or ""
    amount = _AMOUNT.search(text.replace(",", "."))
    meant = f"{float(amount[0]):.2f}" if amount and float(amount[0]) else "0.50"
    return _unfit(violation, "budget", f"write `{violation.route[-1]}: {meant} USD`")


def _metadata(violation: Violation) -> Finding:
    if violation.keyword == "maxProperties":
        message = f"`metadata` has {len(violation.value)} pairs; the API takes 16 at most"
        return _finding("metadata", violation, message)
    size = len(spelled(violation.value) or "")
    what = "a key" if violation.of_key else "a value"
    message = f"{what} of `metadata` may have {violation.wanted} characters at most, found {size}"
    return _finding("metadata", violation, message)


_OF_KEYS: Mapping[str, Callable[[Violation], list[Finding]]] = {
    "additionalProperties": unknown_keys,
    "required": missing,
    "no-verb": no_verb,
    "two-verbs": two_verbs,
}
_OF_RULES: Mapping[str, Callable[[Violation], Finding]] = {
    "version": _version,
    "duration": _duration,
    "expression": _expression,
    "model": _model,
    "budget": _budget,
    "metadata": _metadata,
    "empty-prompt": _empty_prompt,
}
_OF_VALUES: Mapping[str, Callable[[Violation], Finding]] = {
    "enum": _choice,
    "minimum": _range,
    "maximum": _range,
    "maxLength": _too_much,
    "maxItems": _too_much,
    "maxProperties": _too_much,
    "minLength": _empty,
    "minItems": _empty,
    "minProperties": _empty,
}
