"""How many tokens a request and an answer have, by a plain estimate that is always the same.

Prices of tokens are left to `flowrunner.catalog`.
"""

from __future__ import annotations

import json
from typing import Any

_CHARS_A_TOKEN = 4
_OPAQUE = 1_000
_OPAQUE_FIELDS = frozenset({"image_url", "file_data"})
_OPAQUE_KINDS = ("input_image", "input_file", "computer_screenshot")
_READ = ("instructions", "input", "tools", "prompt")
_REASONING = {"none": 0, "minimal": 8, "low": 16, "medium": 32, "high": 64, "xhigh": 128}
_MOST_REASONING = 256


def text_tokens(text: str) -> int:
    """The tokens of a text: a token for each four characters, the last four not all there."""
    return -(-len(text) // _CHARS_A_TOKEN)


def cut_to_tokens(text: str, tokens: int) -> str:
    """The start of a text that has so many tokens."""
    return text[: tokens * _CHARS_A_TOKEN]


def input_tokens(body: dict[str, Any]) -> int:
    """The tokens that a request gives to the model, without those of earlier responses.

    An image or a file counts as a thousand, whatever its size.
    """
    asked = [body[name] for name in _READ if body.get(name) is not None]
    text_format = (body.get("text") or {}).get("format") or {}
    return sum(map(tokens_of, asked)) + tokens_of(text_format.get("schema"))


def tokens_of(value: Any) -> int:
    """The tokens of a text, or of items and whatever else is written as JSON."""
    if value is None:
        return 0
    if isinstance(value, str):
        return text_tokens(value)
    opaque = [0]
    plain = _without_opaque(value, opaque)
    return text_tokens(json.dumps(plain, ensure_ascii=False)) + _OPAQUE * opaque[0]


def _without_opaque(value: Any, found: list[int]) -> Any:
    if isinstance(value, list):
        return [_without_opaque(part, found) for part in value]
    if not isinstance(value, dict):
        return value
    named = sum(name in value for name in _OPAQUE_FIELDS)
    found[0] += named or value.get("type") in _OPAQUE_KINDS
    return {
        name: _without_opaque(part, found)
        for name, part in value.items()
        if name not in _OPAQUE_FIELDS
    }


def is_reasoning(model: str) -> bool:
    """Whether a model thinks before it answers; models before gpt-5 do not."""
    return not model.startswith(("gpt-3", "gpt-4", "chatgpt-4"))


def reasoning_tokens(model: str, effort: str | None) -> int:
    """The tokens that a model thinks for before it answers."""
    if not is_reasoning(model):
        return 0
    return _REASONING.get(effort or "medium", _MOST_REASONING)
