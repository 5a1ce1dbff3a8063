"""Lines broken to fit a width, in a time that grows with the text and no faster.

Escaping and indenting is left to whoever prints them.
"""

from __future__ import annotations

import re
import textwrap
from functools import cache


def wrapped_line(line: str, width: int) -> list[str]:
    """One line as several of at most `width` letters; words that are longer are cut."""
    lines: list[str] = []
    # textwrap copies the rest of a word for each piece that it cuts off: long words go around it.
    for n, part in enumerate(_long_words(width).split(line)):
        if n % 2:
            lines += [part[at : at + width] for at in range(0, len(part), width)]
        elif part:
            lines += textwrap.wrap(part, width, break_on_hyphens=False)
    return lines


@cache
def _long_words(width: int) -> re.Pattern[str]:
    # Possessive: a run of letters that is too short is not looked at again from its second letter.
    return re.compile(rf"((?<!\S)\S{{{width + 1},}}+)")
