"""CSV that a spreadsheet shows and never computes: a text that begins as a formula is marked.

Which values become cells is left to those who have them.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def inert(text: str) -> str:
    """A text that no spreadsheet takes for a formula: an apostrophe stands before one."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def csv_text(rows: Iterable[Sequence[str]]) -> str:
    """Rows of cells as CSV, each line ended by a line feed."""
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()
