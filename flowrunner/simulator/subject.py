"""What a request is about, as far as made-up answers look at it: its last message and its words.

How the answers are made from it is left to `generate` and `answers`.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import cached_property
from typing import Any

_WORD = re.compile(r"[^\W_]+")
_ENDINGS = ("ing", "ed", "es", "al", "s")
_LONGEST_QUOTE = 160
# Looking at the words of a whole book would cost more than it says.
_LONGEST_READ = 200_000


class Subject:
    """The text that an answer speaks of."""

    def __init__(self, text: str) -> None:
        self.text = text

    @classmethod
    def of(cls, body: dict[str, Any]) -> Subject:
        """The last message of a user in a request, else whatever text it has."""
        given = body.get("input")
        if isinstance(given, str):
            return cls(given)
        items = given if isinstance(given, list) else []
        for item in reversed(items):
            if item.get("role") == "user":
                return cls(_content(item.get("content")))
        for item in reversed(items):
            text = _content(item.get("output") or item.get("content"))
            if text:
                return cls(text)
        return cls(str(body.get("instructions") or ""))

    @cached_property
    def quote(self) -> str:
        """The start of the text on one line, cut between words."""
        line = " ".join(self.text[: 4 * _LONGEST_QUOTE].split())
        if len(line) <= _LONGEST_QUOTE:
            return line
        start = line[:_LONGEST_QUOTE]
        return (start.rpartition(" ")[0] or start) + "…"

    @cached_property
    def _stems(self) -> Counter[str]:
        return Counter(_stem(word) for word in _words(self.text[:_LONGEST_READ]))

    def mentions(self, name: object) -> int:
        """How often words of a name (`billing`, `account_closed`) are in the text."""
        return sum(self._stems[_stem(word)] for word in _words(str(name)) if len(word) > 2)


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _stem(word: str) -> str:
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 4:
            return word.removesuffix(ending)
    return word


def _content(content: Any) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    texts = (part.get("text") for part in parts if isinstance(part, dict))
    return " ".join(text for text in texts if isinstance(text, str))
