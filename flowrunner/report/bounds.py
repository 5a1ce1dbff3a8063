"""Values of any size for a report: whole while they are small, a beginning and a pointer after.

Which command shows the rest is told by whoever cuts; what the values mean is left to others.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

from flowrunner.events import JSON

WHOLE_VALUE = 64_000
"""The largest value in bytes that a report of an ordinary run holds whole."""

_ALL_VALUES = 24_000_000
_SMALLEST = 1_000
_VALUES_A_STEP = 6


@dataclass(frozen=True, slots=True)
class Bounds:
    """How large one value in a report may be, in bytes of its JSON or text; None means any size."""

    value: int | None = WHOLE_VALUE

    @classmethod
    def for_steps(cls, steps: int) -> Bounds:
        """The bound for a run of so many steps: a report as a whole stays openable."""
        fair = _ALL_VALUES // (_VALUES_A_STEP * max(steps, 1))
        return cls(max(_SMALLEST, min(WHOLE_VALUE, fair)))

    def hold(self, value: JSON, see: str) -> dict[str, JSON]:
        """`{"value": …}`, or `{"beginning", "bytes", "see"}` with the command that shows it all."""
        text = value if isinstance(value, str) else compact(value)
        size = len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
        if self.value is None or size <= self.value:
            return {"value": value}
        return {"beginning": _beginning(text, self.value // 4), "bytes": size, "see": see}


UNBOUNDED = Bounds(None)


def compact(value: JSON) -> str:
    """JSON on one line, letters as they are. What JSON cannot say (NaN) becomes text."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except ValueError:
        return json.dumps(_sayable(value), ensure_ascii=False)


def _sayable(value: JSON) -> JSON:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {key: _sayable(item) for key, item in value.items()}
    return [_sayable(item) for item in value] if isinstance(value, list) else value


def _beginning(text: str, length: int) -> str:
    # Cut at a word where one ends nearby: a beginning is read by people.
    cut = text[:length]
    space = cut.rfind(" ", length - 40)
    return cut[:space] if space > 0 else cut
