"""What a reply's body is: the API's error envelope, a Response object, or something else.

Pure readers of bytes and JSON; what becomes of the request is left to `client`.
"""

from __future__ import annotations

import json

from flowrunner import json_text
from flowrunner.events import JSON, ApiError

SHOWN = 80
"""Characters of a strange reply that a message quotes."""


def read_error(content: bytes, status: int) -> ApiError:
    """The API's error envelope, or the best sentence there is in whatever came instead of it.

    Understands `{"error": {…}}`, `{"error": "…"}`, `{"detail": …}`, `{"message": …}`; of HTML and
    other text the first 80 characters are quoted, of nothing the status is named.
    """
    if 300 <= status < 400:
        return ApiError("the server redirects to another address, which is not followed")
    try:
        value = json_text.parse_bytes(content)
    except json_text.NotJson:
        return ApiError(_quoted(content))
    if not isinstance(value, dict):
        return ApiError(_quoted(content))
    error = value.get("error")
    if isinstance(error, dict):
        kind = error.get("type") or error.get("error_type")
        text = [_text(each) for each in (kind, error.get("param"), error.get("code"))]
        return ApiError(_text(error.get("message")) or _quoted(content), *text)
    said = next((_text(value[key]) for key in ("error", "detail", "message") if value.get(key)), "")
    return ApiError(
        said or _quoted(content), _text(value.get("type")), None, _text(value.get("code"))
    )


def _quoted(content: bytes) -> str:
    start = " ".join(content[: 8 * SHOWN].decode("utf-8", "replace").split())[:SHOWN]
    if not start:
        return "the server gave no reason: its reply was empty"
    return f"the server gave no reason; its reply begins with: {start}"


def _text(value: JSON) -> str | None:
    """A field of an error as text: codes come as numbers, details as lists."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def what_is_missing(value: JSON, wanted: str = "response") -> str | None:
    """Why a JSON value is no Response object, or no compacted one (`wanted` is
    `response.compaction`, which has no status); None where it is one."""
    if not isinstance(value, dict):
        return "it is no JSON object"
    # A few servers leave the word out; another word stands for another thing.
    if value.get("object", wanted) != wanted:
        return f"its `object` is not `{wanted}`"
    status: tuple[tuple[str, type], ...] = (("status", str),) if wanted == "response" else ()
    for name, kind in (("id", str), *status, ("output", list)):
        if not isinstance(value.get(name), kind) or (kind is str and not value[name]):
            return f"it has no `{name}`"
    return None
