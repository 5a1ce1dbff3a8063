"""The keys of a fault plan and what each of them means.

How single values are read is left to `values`; whether keys may stand together, to `reading`.
"""

from __future__ import annotations

import json
import re
from typing import Any, get_args

from flowrunner.simulator.faults.effects import Endpoint
from flowrunner.simulator.faults.errors import stream_error
from flowrunner.simulator.faults.values import (
    Reader,
    Wrong,
    as_field,
    mapping,
    number,
    one_of,
    whole,
    words,
    yes,
)

_LARGEST_EVENT = 100_000_000
_OURS = frozenset({"content-length", "transfer-encoding", "connection"})
_HTML = "<html><head><title>Bad gateway</title></head><body><h1>Bad gateway</h1></body></html>"


def _calls(value: Any) -> tuple[int, ...]:
    numbers = value if isinstance(value, list) else [value]
    if not numbers:
        raise Wrong("the number of a call, counted from 1, or a list of them")
    return tuple(whole(number, 1) for number in numbers)


def _share(value: Any) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1:
        return float(value)
    raise Wrong("a share from 0 to 1")


def _error(value: Any) -> dict[str, Any]:
    return {"code": value} if isinstance(value, str) else mapping(value)


def _headers(value: Any) -> tuple[tuple[str, str], ...]:
    return tuple(_header(name, text) for name, text in mapping(value).items())


def _header(name: str, value: Any) -> tuple[str, str]:
    text = str(value)
    if name.lower() in _OURS:
        raise Wrong(f"headers without `{name}`, which the simulator sets itself")
    if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name):
        raise Wrong("headers with names of letters, digits and dashes")
    if not text.isprintable() or text != text.strip() or any(ord(char) > 0xFF for char in text):
        raise Wrong("headers of visible text on one line")
    return name, text


def _retry_after(value: Any) -> dict[str, Any]:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise Wrong("a number of seconds or the text of the header")
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
            raise Wrong("`true` or the text to send")
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
            return {"ending": ending, "reply_starts": False, "hang_s": number(value)}
        seconds = " or a number of seconds" if ending == "hang" else ""
        raise Wrong(f"`true`, `before` or `after_headers`{seconds}")

    return read


def _truncate(value: Any) -> dict[str, Any]:
    return {"cut": whole(value, 0), "ending": "close"}


def _drip(value: Any) -> dict[str, Any]:
    written = {} if value is True else mapping(value)
    if written.keys() - {"bytes", "every"}:
        raise Wrong("`true` or a mapping of `bytes` and `every`")
    return {
        "drip": whole(written.get("bytes", 1), 1),
        "drip_s": number(written.get("every", 0.02)),
    }


def _told_error(value: Any) -> dict[str, Any]:
    return stream_error(_error(value))


_LINE_ENDS = {"lf": "\n", "cr": "\r", "crlf": "\r\n"}


def _line_end(value: Any) -> str:
    return _LINE_ENDS[one_of(*_LINE_ENDS)(value)]


def _cut(value: Any) -> dict[str, Any]:
    if value in ("before_terminal", "mid_delta"):
        return {"cut": value}
    if isinstance(value, dict) and len(value) == 1:
        ((place, count),) = value.items()
        if place in ("after_event", "after_byte"):
            return {"cut": place, "cut_at": whole(count, 0)}
    raise Wrong("`before_terminal`, `mid_delta`, or a mapping of `after_event` or `after_byte`")


def _pause(value: Any) -> tuple[int, float]:
    written = mapping(value)
    if written.keys() != {"after_event", "seconds"}:
        raise Wrong("a mapping of `after_event` and `seconds`")
    return whole(written["after_event"], 0), number(written["seconds"])


RULE: dict[str, Reader] = {
    "match": lambda _: {},
    "times": as_field("times", lambda value: whole(value, 1)),
    "do": lambda _: {},
}
MATCH: dict[str, Reader] = {
    "call": as_field("call", _calls),
    "every": as_field("every", lambda value: whole(value, 1)),
    "chance": as_field("chance", _share),
    "contains": as_field("contains", words),
    "model": as_field("model", words),
    "client_request_id": as_field("client_request_id", words),
    "endpoint": as_field("endpoint", one_of(*get_args(Endpoint))),
}
_STATUSES = ("failed", "incomplete", "cancelled", "queued", "in_progress")
EFFECT: dict[str, Reader] = {
    "status": as_field("status", lambda value: whole(value, 200, 599)),
    "error": as_field("error", _error),
    "retry_after": _retry_after,
    "headers": as_field("headers", _headers),
    "body": _body,
    "content_type": as_field("content_type", words),
    "html": _page(_HTML, "text/html; charset=utf-8"),
    "wrong_json": _page('{"hello": "world"}', "application/json"),
    "response_status": as_field("response_status", one_of(*_STATUSES)),
    "code": as_field("code", words),
    "refusal": as_field("refusal", words),
    "response": as_field("fields", mapping),
    "delay": as_field("delay_s", number),
    "reset": _end("reset"),
    "close": _end("close"),
    "hang": _end("hang"),
    "truncate": _truncate,
    "drip": _drip,
    "after_processing": as_field("after_processing", yes),
    "stream": as_field("stream", mapping),
    "background": as_field("pace", mapping),
}
STREAM: dict[str, Reader] = {
    "error": as_field("error", _told_error),
    "error_after": as_field("error_after", lambda value: whole(value, 0)),
    "error_form": as_field("nested", lambda value: one_of("flat", "nested")(value) == "nested"),
    "failed": as_field("is_failed", yes),
    "numbers": as_field("numbers", one_of("missing", "repeated", "gaps")),
    "order": as_field("order", one_of("doubled", "swapped")),
    "huge": as_field("huge", lambda value: whole(value, 1, _LARGEST_EVENT)),
    "line_end": as_field("line_end", _line_end),
    "comments": as_field("comments", yes),
    "event_lines": as_field("event_lines", yes),
    "split_data": as_field("split_data", yes),
    "byte_order_mark": as_field("mark", yes),
    "last_blank_line": as_field("last_blank_line", yes),
    "done": as_field("done", yes),
    "every": as_field("every_s", number),
    "pause": as_field("pause", _pause),
    "cut": _cut,
    "then": as_field("then", one_of("finish", "close", "reset", "hang")),
}
BACKGROUND: dict[str, Reader] = {
    "polls_until_done": as_field("polls_until_done", lambda value: whole(value, 1)),
    "seconds_until_done": as_field("seconds_until_done", number),
    "queued_forever": as_field("queued_forever", yes),
    "cancelled_at_poll": as_field("cancelled_at_poll", lambda value: whole(value, 1)),
    "gone_at_poll": as_field("gone_at_poll", lambda value: whole(value, 1)),
    "flickers": as_field("flickers", yes),
    "poll_after_ms": as_field("poll_after_ms", lambda value: whole(value, 0)),
}
