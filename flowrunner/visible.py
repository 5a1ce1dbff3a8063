"""Text that others wrote, made safe to look at: what is invisible or obeyed by a terminal is shown.

A model, a file or a server may put escape sequences, direction overrides or hidden letters into a
text. How the result is coloured, wrapped or put into HTML is left to whoever prints it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

_ALWAYS = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # controls but tab and newline, C1 too
    "\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e"
    "\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164"
    "\ud800-\udfff\ufeff\uffa0\ufff0-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e00ff\U000e01f0-\U000e0fff"
)
# Joiners hold emoji and Indic letters together, selectors choose a form of the letter before them:
# they are ordinary between two letters that are not ASCII, and a hiding place anywhere else.
_HIDDEN = re.compile(
    f"[{_ALWAYS}]"
    "|(?<![^\x00-\x7f])[\u200c\u200d]|[\u200c\u200d](?![^\x00-\x7f])"
    "|(?<![^\\s\ufe00-\ufe0f\U000e0100-\U000e01ef])[\ufe00-\ufe0f]"
    "|(?<![\u3400-\u9fff\U00020000-\U0003ffff])[\U000e0100-\U000e01ef]"
)

# One plain set of characters is searched far faster than what may stand around them.
_SUSPECT = re.compile(f"[{_ALWAYS}\u200c\u200d\ufe00-\ufe0f\U000e0100-\U000e01ef]")


def visible(text: str) -> str:
    """The same text with hidden and control characters as escapes (`\\x1b`, `\\u202e`).

    Newlines and tabs stay; a carriage return stays only as part of a line's end.
    """
    if not has_hidden(text):
        return text
    return _HIDDEN.sub(lambda found: escape_of(found.group()), text.replace("\r\n", "\n"))


def one_line(text: str) -> str:
    """`visible` on one line: newlines and tabs are escapes too, so that no record is forged."""
    return visible(text).replace("\n", "\\n").replace("\t", "\\t")


def error_text(message: str, fix: str | None = None) -> str:
    """What went wrong and, on a line below, what to do about it, for a terminal."""
    said = f"error: {visible(message)}"
    return f"{said}\n  help: {visible(fix)}" if fix else said


def columns(text: str) -> int:
    """How many columns of a terminal a text takes that holds nothing hidden."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    joined = sum(unicodedata.combining(character) != 0 for character in text)
    return len(text) + wide - joined


def parts(text: str) -> Iterator[tuple[bool, str]]:
    """The text in pieces, each with whether it is hidden; hidden pieces are single characters."""
    text = text.replace("\r\n", "\n")
    start = 0
    for found in _HIDDEN.finditer(text):
        if found.start() > start:
            yield False, text[start : found.start()]
        yield True, found.group()
        start = found.end()
    if start < len(text):
        yield False, text[start:]


def has_hidden(text: str) -> bool:
    """Whether anything in the text would not be seen as it is."""
    if text.isascii() and text.isprintable():
        return False
    return _SUSPECT.search(text) is not None and _HIDDEN.search(text) is not None


def escape_of(character: str) -> str:
    """How one character is written so that it can be read: `\\x1b`, `\\u202e`, `\\U000e0041`."""
    code = ord(character)
    if code < 0x100:
        return {"\r": "\\r", "\n": "\\n", "\t": "\\t"}.get(character, f"\\x{code:02x}")
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
