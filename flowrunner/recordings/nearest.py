"""The recorded request that is most like one that was not recorded, and what differs, in words.

Bounded: of many recorded requests the likeliest are compared, of long texts the place that differs
is shown.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping
from heapq import nlargest

from flowrunner.events import JSON
from flowrunner.recordings.recording import Entry
from flowrunner.visible import one_line

_COMPARED = 200
_LETTERS = 20_000
_SHOWN = 3
_AROUND = 24
_LONGEST = 90


def nearest(
    request: Mapping[str, JSON], at: tuple[str, int, int] | None, entries: Iterable[Entry]
) -> str:
    """Half a sentence about the nearest of these entries; about their absence where none is."""
    unit = at[0] if at else ""
    likely = nlargest(_COMPARED, entries, key=lambda entry: _kinship(entry.unit, unit))
    if not likely:
        return "nothing is recorded"
    text = _text(request)
    found = max(likely, key=lambda entry: (entry.at == at, _likeness(text, entry)))
    said = list(differences(found.request, request))
    more = f"; and {len(said) - _SHOWN} more" if len(said) > _SHOWN else ""
    return f"the nearest is that of `{found.unit}`, where {'; '.join(said[:_SHOWN])}{more}"


def differences(before: JSON, now: JSON, path: str = "") -> Iterator[str]:
    """Each place at which two values differ: `input`: recorded "…", now "…"."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        for name in [*before, *(name for name in now if name not in before)]:
            below = f"{path}.{name}" if path else name
            if name not in now:
                yield f"`{below}` was {_shown(before[name])} and is not there now"
            elif name not in before:
                yield f"`{below}` is {_shown(now[name])} and was not there"
            else:
                yield from differences(before[name], now[name], below)
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        for place, (one, other) in enumerate(zip(before, now, strict=True)):
            yield from differences(one, other, f"{path}[{place}]")
    elif before != now or type(before) is not type(now):
        was, is_now = _at_difference(before, now)
        yield f"`{path or 'the whole'}` was {was} and is {is_now}"


def _kinship(one: str, other: str) -> int:
    """How alike two addresses are: the same one, the same step, a step beside."""
    if one == other:
        return 2
    return int(one.partition("[")[0].partition("#")[0] == other.partition("[")[0].partition("#")[0])


def _likeness(text: str, entry: Entry) -> float:
    return difflib.SequenceMatcher(None, text, _text(entry.request)).quick_ratio()


def _text(request: Mapping[str, JSON]) -> str:
    return json.dumps(request, ensure_ascii=False, sort_keys=True)[:_LETTERS]


def _at_difference(before: JSON, now: JSON) -> tuple[str, str]:
    """Two values, of long texts the place from which they differ."""
    if not (isinstance(before, str) and isinstance(now, str)):
        return _shown(before), _shown(now)
    pairs = enumerate(zip(before, now, strict=False))
    end = min(len(before), len(now))
    start = next((place for place, (one, other) in pairs if one != other), end) - _AROUND
    if start <= 0 or max(len(before), len(now)) <= _LONGEST:
        return _shown(before), _shown(now)
    return _shown(f"…{before[start:]}"), _shown(f"…{now[start:]}")


def _shown(value: JSON) -> str:
    text = one_line(json.dumps(value, ensure_ascii=False))
    if len(text) <= _LONGEST:
        return text
    return f"{text[: _LONGEST - 1]}…" + ('"' if isinstance(value, str) else "")
