"""Reads a fault plan that a person wrote, and says in sentences what is wrong with it.

    faults:
      - match: { call: 3 }
        do: { status: 429, retry_after: 1 }
      - match: { contains: invoice }
        times: 2
        do: { reset: before, after_processing: true }

What the rules then do is left to `plan`.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias, get_args

import yaml

from flowrunner.errors import UsageError
from flowrunner.simulator.faults.effects import Effect, Endpoint, Match, Rule

Reader: TypeAlias = Callable[[Any], dict[str, Any]]
"""From what was written under a key to the fields of a Match or Effect; raises _Wrong."""

_HELP = "write a rule as `- match: { call: 3 }` and below it `do: { status: 429, retry_after: 1 }`"
_OURS = frozenset({"content-length", "transfer-encoding", "connection"})
_HTML = "<html><head><title>Bad gateway</title></head><body><h1>Bad gateway</h1></body></html>"


class _Wrong(Exception):
    """What was expected, to be put after "must be"."""


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
        message = f"{shown}: a fault plan must be a list of rules, found {_found(value)}."
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
    parts = _fields(written, _RULE, name, wrong)
    match = _fields(written.get("match") or {}, _MATCH, f"{name}, `match`", wrong)
    effect = _fields(written["do"], _EFFECT, f"{name}, `do`", wrong)
    wrong += [f"{name}: {sentence}" for sentence in _contradictions(effect)]
    return Rule(Match(**match), Effect(**effect), parts.get("times"))


def _fields(
    written: Any, readers: Mapping[str, Reader], name: str, wrong: list[str]
) -> dict[str, Any]:
    if not isinstance(written, Mapping):
        wrong.append(f"{name} must be a mapping, found {_found(written)}.")
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
        except _Wrong as fault:
            wrong.append(f"{name}: `{key}` must be {fault}, found {_found(value)}.")
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
    changed = {"response_status", "refusal", "fields"} & effect.keys()
    if changed and {"status", "content"} & effect.keys():
        yield "a reply of its own cannot stand with a change of the simulator's answer."


def _nearest(key: str, known: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    if near:
        return f"; did you mean `{near[0]}`?"
    return f"; it may have {', '.join(f'`{name}`' for name in known)}."


def _found(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    kind = "number" if isinstance(value, int | float) else "text"
    return f"the {kind} `{str(value)[:60]}`"


def _whole(value: Any, low: int, high: int | None = None) -> int:
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    if is_whole and low <= value and (high is None or value <= high):
        return int(value)
    raise _Wrong(f"a whole number from {low} " + ("on" if high is None else f"to {high}"))


def _number(value: Any) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e9:
        return float(value)
    raise _Wrong("a number of seconds, 0 or more")


def _yes(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise _Wrong("`true` or `false`")


def _words(value: Any) -> str:
    if isinstance(value, str) and value:
        return value
    raise _Wrong("a text")


def _one_of(*choices: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if value in choices:
            return str(value)
        raise _Wrong("one of " + ", ".join(f"`{choice}`" for choice in choices))

    return read


def _as(field: str, read: Callable[[Any], Any]) -> Reader:
    return lambda value: {field: read(value)}


def _calls(value: Any) -> tuple[int, ...]:
    numbers = value if isinstance(value, list) else [value]
    if not numbers:
        raise _Wrong("the number of a call, counted from 1, or a list of them")
    return tuple(_whole(number, 1) for number in numbers)


def _share(value: Any) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1:
        return float(value)
    raise _Wrong("a share from 0 to 1")


def _mapping(value: Any) -> dict[str, Any]:
    if isinstance(value, Mapping):
        return {str(key): inner for key, inner in value.items()}
    raise _Wrong("a mapping")


def _error(value: Any) -> dict[str, Any]:
    return {"code": value} if isinstance(value, str) else _mapping(value)


def _headers(value: Any) -> tuple[tuple[str, str], ...]:
    return tuple(_header(name, text) for name, text in _mapping(value).items())


def _header(name: str, value: Any) -> tuple[str, str]:
    text = str(value)
    if name.lower() in _OURS:
        raise _Wrong(f"headers without `{name}`, which the simulator sets itself")
    if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name):
        raise _Wrong("headers with names of letters, digits and dashes")
    if not text.isprintable() or text != text.strip() or any(ord(char) > 0xFF for char in text):
        raise _Wrong("headers of visible text on one line")
    return name, text


def _retry_after(value: Any) -> dict[str, Any]:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise _Wrong("a number of seconds or the text of the header")
    return {"headers": (_header("retry-after", value),)}


def _body(value: Any) -> dict[str, Any]:
    if isinstance(value, bytes):
        return {"content": value}
    if isinstance(value, str):
        return {"content": value.encode()}
    return {"content": json.dumps(value).encode()}


def _page(usual: str, content_type: str) -> Reader:
    def read(value: Any) -> dict[str, Any]:
        if value is not True and not isinstance(value, str):
            raise _Wrong("`true` or the text to send")
        text = usual if value is True else value
        return {"content": text.encode(), "content_type": content_type}

    return read


def _end(ending: str) -> Reader:
    def read(value: Any) -> dict[str, Any]:
        if value is True or value == "before":
            return {"ending": ending, "reply_starts": False}
        if value == "after_headers":
            return {"ending": ending, "cut": 0}
        if ending == "hang" and isinstance(value, int | float) and value is not False:
            return {"ending": ending, "reply_starts": False, "hang_s": _number(value)}
        seconds = " or a number of seconds" if ending == "hang" else ""
        raise _Wrong(f"`true`, `before` or `after_headers`{seconds}")

    return read


def _truncate(value: Any) -> dict[str, Any]:
    return {"cut": _whole(value, 0), "ending": "close"}


def _drip(value: Any) -> dict[str, Any]:
    written = {} if value is True else _mapping(value)
    if written.keys() - {"bytes", "every"}:
        raise _Wrong("`true` or a mapping of `bytes` and `every`")
    return {
        "drip": _whole(written.get("bytes", 1), 1),
        "drip_s": _number(written.get("every", 0.02)),
    }


_RULE: dict[str, Reader] = {
    "match": lambda _: {},
    "times": _as("times", lambda value: _whole(value, 1)),
    "do": lambda _: {},
}
_MATCH: dict[str, Reader] = {
    "call": _as("call", _calls),
    "every": _as("every", lambda value: _whole(value, 1)),
    "chance": _as("chance", _share),
    "contains": _as("contains", _words),
    "model": _as("model", _words),
    "client_request_id": _as("client_request_id", _words),
    "endpoint": _as("endpoint", _one_of(*get_args(Endpoint))),
}
_STATUSES = ("failed", "incomplete", "cancelled", "queued", "in_progress")
_EFFECT: dict[str, Reader] = {
    "status": _as("status", lambda value: _whole(value, 200, 599)),
    "error": _as("error", _error),
    "retry_after": _retry_after,
    "headers": _as("headers", _headers),
    "body": _body,
    "content_type": _as("content_type", _words),
    "html": _page(_HTML, "text/html; charset=utf-8"),
    "wrong_json": _page('{"hello": "world"}', "application/json"),
    "response_status": _as("response_status", _one_of(*_STATUSES)),
    "code": _as("code", _words),
    "refusal": _as("refusal", _words),
    "response": _as("fields", _mapping),
    "delay": _as("delay_s", _number),
    "reset": _end("reset"),
    "close": _end("close"),
    "hang": _end("hang"),
    "truncate": _truncate,
    "drip": _drip,
    "after_processing": _as("after_processing", _yes),
}
