"""How events are written down as server-sent events, in every way that the format allows.

What the events say is left to `events`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_DONE = "[DONE]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Framing:
    """How a stream is written; the default is how the API does it.

    `comments` puts a comment before each event, `event_lines` names its type on a line of its own,
    `split_data` writes its JSON over several `data:` lines, `mark` begins with a byte order mark.
    """

    line_end: str = "\n"
    comments: bool = False
    event_lines: bool = True
    split_data: bool = False
    mark: bool = False

    def frame(self, event: Mapping[str, Any]) -> bytes:
        """One event with the blank line that ends it."""
        text = json.dumps(event, ensure_ascii=False, indent=1 if self.split_data else None)
        return self._lines(str(event.get("type")), text)

    def done(self) -> bytes:
        """The `[DONE]` that some servers end with."""
        return self._lines("", _DONE)

    def _lines(self, name: str, data: str) -> bytes:
        lines = [": keep-alive", ""] if self.comments else []
        if self.event_lines and name:
            lines.append(f"event: {name}")
        lines += [f"data: {line}" for line in data.split("\n")]
        text = "".join(line + self.line_end for line in (*lines, ""))
        return text.encode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes that leave together, `wait_s` after those before; None waits for ever.

    `ends` is true of the event that ends the stream's telling, sent whole.
    """

    content: bytes
    wait_s: float | None = 0.0
    ends: bool = False
