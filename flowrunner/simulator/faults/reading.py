"""Reads a fault plan that a person wrote, and says in sentences what is wrong with it.

    faults:
      - match: { call: 3 }
        do: { status: 429, retry_after: 1 }
      - match: { contains: invoice }
        times: 2
        do: { reset: before, after_processing: true }
      - do: { stream: { cut: before_terminal }, background: { polls_until_done: 3 } }

What the rules then do is left to `plan`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from flowrunner.errors import UsageError
from flowrunner.simulator.background import Pace
from flowrunner.simulator.faults.effects import Effect, Match, Rule
from flowrunner.simulator.faults.keys import BACKGROUND, EFFECT, MATCH, RULE, STREAM
from flowrunner.simulator.faults.values import Reader, Wrong, found
from flowrunner.simulator.stream import Framing, StreamFault

_HELP = "write a rule as `- match: { call: 3 }` and below it `do: { status: 429, retry_after: 1 }`"


def value_of(path: Path) -> Any:
    """What a YAML or JSON file holds. Raises UsageError with a sentence."""
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as fault:
        why = fault.strerror or "it cannot be read"
        raise UsageError(f"The fault plan `{path}` cannot be read: {why}.") from fault
    except UnicodeDecodeError as fault:
        raise UsageError(f"The fault plan `{path}` is not a text in UTF-8.") from fault
    except (yaml.YAMLError, RecursionError, ValueError) as fault:
        mark = getattr(fault, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark else ""
        message = f"The fault plan `{path}` is not readable as YAML{where}."
        raise UsageError(message, help=_HELP) from fault


def rules_of(value: Any, shown: str) -> tuple[Rule, ...]:
    """The rules of a plan. Raises UsageError with a sentence for each mistake."""
    if isinstance(value, Mapping) and set(value) == {"faults"}:
        value = value["faults"]
    if not isinstance(value, list):
        message = f"{shown}: a fault plan must be a list of rules, found {found(value)}."
        raise UsageError(message, help=_HELP)
    wrong: list[str] = []
    rules = [_rule(written, f"rule {number}", wrong) for number, written in enumerate(value, 1)]
    if wrong:
        raise UsageError("\n".join(f"{shown}: {sentence}" for sentence in wrong), help=_HELP)
    return tuple(rules)


def _rule(written: Any, name: str, wrong: list[str]) -> Rule:
    if not isinstance(written, Mapping) or not written.get("do"):
        wrong.append(f"{name}: it must say what goes wrong under `do`.")
        return Rule(Match(), Effect())
    parts = _fields(written, RULE, name, wrong)
    match = _fields(written.get("match") or {}, MATCH, f"{name}, `match`", wrong)
    effect = _fields(written["do"], EFFECT, f"{name}, `do`", wrong)
    if "stream" in effect:
        effect["stream"] = _stream(effect["stream"], name, wrong)
    if "pace" in effect:
        effect["pace"] = Pace(**_fields(effect["pace"], BACKGROUND, f"{name}, `background`", wrong))
    wrong += [f"{name}: {sentence}" for sentence in _contradictions(effect)]
    return Rule(Match(**match), Effect(**effect), parts.get("times"))


def _stream(written: Any, name: str, wrong: list[str]) -> StreamFault:
    fields = _fields(written, STREAM, f"{name}, `stream`", wrong)
    wrong += [f"{name}, `stream`: {sentence}" for sentence in _stream_contradictions(fields)]
    framing = {key: fields.pop(key) for key in Framing.__slots__ if key in fields}
    return StreamFault(framing=Framing(**framing), **fields)


def _fields(
    written: Any, readers: Mapping[str, Reader], name: str, wrong: list[str]
) -> dict[str, Any]:
    if not isinstance(written, Mapping):
        wrong.append(f"{name} must be a mapping, found {found(written)}.")
        return {}
    fields: dict[str, Any] = {}
    came_from: dict[str, str] = {}
    # A content type that is written out wins over the one that comes with `html`.
    for key, value in sorted(written.items(), key=lambda pair: pair[0] == "content_type"):
        if key not in readers:
            wrong.append(f"{name} has no `{key}`{_nearest(str(key), readers)}")
            continue
        try:
            read = readers[key](value)
        except Wrong as fault:
            wrong.append(f"{name}: `{key}` must be {fault}, found {found(value)}.")
            continue
        if "headers" in read:
            read["headers"] = fields.pop("headers", ()) + read["headers"]
        for field in (read.keys() & fields.keys()) - {"content_type"}:
            wrong.append(f"{name}: `{came_from[field]}` and `{key}` cannot stand together.")
            break
        came_from.update((field, key) for field in read)
        fields |= read
    return fields


def _contradictions(effect: Mapping[str, Any]) -> Iterator[str]:
    status = effect.get("status")
    if "error" in effect and status is None:
        yield "`error` needs a `status`, such as `status: 429`."
    if "error" in effect and "content" in effect:
        yield "`error` cannot stand with a body of its own."
    if status is not None and status < 300 and "content" not in effect:
        yield f"`status: {status}` needs a `body`, `html` or `wrong_json`."
    if "code" in effect and "response_status" not in effect:
        yield "`code` needs a `response_status`, such as `response_status: failed`."
    if "content_type" in effect and "content" not in effect:
        yield "`content_type` needs a `body`."
    stream = effect.get("stream")
    if stream is not None and stream.cut is not None and "ending" in effect:
        yield "a stream with a `cut` says how it ends with `then`."
    changed = {"response_status", "refusal", "fields", "stream"} & effect.keys()
    if changed and {"status", "content"} & effect.keys():
        yield "a reply of its own cannot stand with a change of the simulator's answer."


def _stream_contradictions(fields: Mapping[str, Any]) -> Iterator[str]:
    for key, field in (("error_after",) * 2, ("error_form", "nested"), ("failed", "is_failed")):
        if field in fields and "error" not in fields:
            yield f"`{key}` needs an `error`, such as `error: server_error`."
    if "then" in fields and "cut" not in fields:
        yield "`then` needs a `cut`, such as `cut: before_terminal`."
    for key in ("done", "last_blank_line"):
        if key in fields and "cut" in fields:
            yield f"`{key}` is about the end of a stream, which a `cut` takes away."


def _nearest(key: str, known: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    if near:
        return f"; did you mean `{near[0]}`?"
    return f"; it may have {', '.join(f'`{name}`' for name in known)}."
