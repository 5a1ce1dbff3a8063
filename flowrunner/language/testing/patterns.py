"""Regular expressions that a file may hold: short, and without a repeat inside a repeat.

Those are what makes a search take for ever; whoever searches bounds the text as well.
"""

from __future__ import annotations

import re
import warnings

MOST_SEARCHED = 20_000
"""Letters of a value that are searched."""

_TOKEN = re.compile(
    r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|(?P<open>\()|(?P<close>\))|(?P<repeat>[*+]|\{\d*,\d*\})|.",
    re.DOTALL,
)


def pattern_fault(text: str) -> str | None:
    """Why a text cannot be used as a pattern, as the end of a sentence; None where it can."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what a later Python may read otherwise
            re.compile(text)
    except (re.error, OverflowError, RecursionError) as fault:
        place = getattr(fault, "pos", None)
        said = str(getattr(fault, "msg", fault))
        return f"is no regular expression: {said}" + (f" (letter {place + 1})" if place else "")
    return "repeats what repeats, which may take for ever" if _nests(text) else None


def _nests(text: str) -> bool:
    """Whether a group that holds a repeat is repeated itself."""
    groups, closed = [False], False
    for token in _TOKEN.finditer(text):
        if token["repeat"]:
            if closed:
                return True
            groups[-1] = True
        if token["open"]:
            groups.append(False)
        closed = False
        if token["close"] and len(groups) > 1:
            closed = groups.pop()
            groups[-1] = groups[-1] or closed
    return False
