"""What an author wrote wrong, as values: a rule code, a sentence, a place, a fix.

Checks speak in routes (`Finding`); a document turns a route into a place (`Diagnostic`). Nothing
here knows YAML, templates or the API.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Route: TypeAlias = tuple[str | int, ...]
"""Where in a document, as keys and positions: `("steps", 2, "needs")`."""

Severity: TypeAlias = Literal["error", "warning", "hint"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check says of a route, before anybody knows the line.

    `aim` chooses the token to underline: the value at the route or the key in front of it. `start`
    and `length` narrow it to a part of a text value, in characters of the *value* (not of the source).
    A route whose last parts do not exist (something is missing) aims at the nearest parent's key.
    """

    code: str
    message: str
    route: Route
    help: str | None = None
    severity: Severity = "error"
    aim: Literal["value", "key"] = "value"
    start: int | None = None
    length: int | None = None


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A span on one line of a file: 1-based line and column, length in characters (at least 1)."""

    path: str
    line: int
    column: int
    length: int = 1


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """A finding with its place and the source line it stands on (None for a file as a whole)."""

    severity: Severity
    code: str
    message: str
    place: Place
    help: str | None = None
    source_line: str | None = field(default=None, compare=False)


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """The known word that was most likely meant, or None when nothing is near."""
    candidates = list(known)
    folded = {candidate.casefold(): candidate for candidate in candidates}
    near = difflib.get_close_matches(word.casefold(), folded, n=1, cutoff=0.6)
    return folded[near[0]] if near else None
