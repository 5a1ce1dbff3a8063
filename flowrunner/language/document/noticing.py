"""Sentences about what YAML reads otherwise than its author meant, one function a mistake.

Each looks at a spot that the composer points at; where that is, is left to the composer.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from flowrunner.language.document.faults import Fault
from flowrunner.language.document.outline import PLAIN, Entry

_PROSE_KEYS = frozenset(
    {"approve", "assistant", "describe", "description", "developer", "fail", "instructions"}
    | {"name", "prompt", "stop", "system", "user", "write"}
)
_KNOWN_TAG = re.compile(
    r"!(?:!|<|\s|$|(?:include|import|env|secret|vault|file|path|ref|reference|join|sub|getatt"
    r"|python|binary|set|omap|timestamp|regexp|input|output|fn)\b)",
    re.IGNORECASE,
)
_NEGATION = re.compile(r"!\s*((?:steps|inputs|previous|item|run)\.[^,}\]#]*)")
_PROPERTIES = re.compile(r"(?:[&!][^\s\[\]{},]*[ \t\n]*)*")
_LOST = re.compile(r"[ \t]+(#[^\n]*)")
_LIST_LINE = re.compile(r"[ ]*(?:[-*+•]|[0-9]+[.)])[ ]+\S")
_ODD_SPACE_AFTER_KEY = re.compile(r"[A-Za-z_][\w-]*:([\u00a0\u2000-\u200b\u202f\u205f\u3000])")
_LATIN_TWINS = str.maketrans(
    "АВЕЅІЈКМНОРСТУХаеёорсухіјѕһԁԛԝΑΒΕΖΗΙΚΜΝΟΡΤΥΧονα",
    "ABESIJKMHOPCTYXaeeopcyxijshdqwABEZHIKMNOPTYXova",
)
_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")


def shown(text: str, most: int = 40) -> str:
    """A text as it stands in a sentence: on one line, in backticks, cut when it is long."""
    line = " ".join(text[: 50 * most].split())
    line = line if len(line) <= most else line[: most - 1].rstrip() + "…"
    return f"`{line}`"


def quoted(text: str) -> str:
    """A text as YAML in quotes, by whichever quotes need no escapes."""
    line = " ".join(text.split())
    if '"' not in line and "\\" not in line:
        return f'"{line}"'
    return "'" + line.replace("'", "''") + "'"


def in_quotes(text: str) -> str:
    """The advice to quote a text, with the text as it would be written where it is short."""
    return f"write {quoted(text)}" if len(text) <= 70 else "put quotes around the whole text"


def behind_properties(text: str, start: int) -> int:
    """The offset of a value behind its anchor and tag."""
    match = _PROPERTIES.match(text, start)
    return match.end() if match else start


def unquoted_braces(text: str, start: int) -> Fault:
    message = f"{shown(text)} needs quotes: without them YAML takes the braces for a mapping"
    return Fault("quote-template", message, start, len(text), in_quotes(text))


def lost_comment(source: str, start: int, end: int, key: str | None) -> Fault | None:
    """Text behind ` #`, which YAML drops: certain where `#` touches a word, likely behind prose."""
    match = _LOST.match(source, end)
    if match is None:
        return None
    comment = match[1]
    touches = len(comment) > 1 and comment[1] not in " \t#!"
    is_prose = key in _PROSE_KEYS and " " in source[start:end]
    if not (touches or is_prose):
        return None
    message = f"{shown(comment)} is a comment for YAML and is dropped"
    whole = source[start:end] + match[0]
    fix = f"if it belongs to the text, put quotes around it: `{_cut(quoted(whole))}`"
    if not touches:
        fix += "; a comment is safe on a line of its own"
    return Fault("hash", message, match.start(1), len(comment.rstrip()), fix, "warning")


def _cut(text: str) -> str:
    return text if len(text) <= 80 else text[:79] + "…"


def folded_list(source: str, start: int, end: int) -> Fault | None:
    """Lines of a list that `>`, or a text without quotes, joins into one."""
    at = source.find("\n", start, end) + 1
    before = source[start] != ">"
    indent = None
    while 0 < at < end:
        stop = source.find("\n", at, end)
        line = source[at : stop if stop >= 0 else end]
        depth = len(line) - len(line.lstrip(" "))
        indent = depth if indent is None and line.strip() else indent
        is_item = depth == indent and _LIST_LINE.match(line) is not None
        if is_item and before:
            sign = source[start] == ">"
            message = f"{'`>`' if sign else 'YAML'} joins the lines of this list into one line"
            fix = f"write `|`{' instead of `>`' if sign else ' above them'}: it keeps the lines"
            return Fault("folded-list", message, at + depth, len(line) - depth, fix, "warning")
        before = bool(line.strip()) and depth == indent
        at = stop + 1
    return None


def odd_space_after_colon(source: str, start: int, end: int) -> Fault | None:
    match = _ODD_SPACE_AFTER_KEY.match(source, start, end)
    return odd_space(match[1], match.start(1), "behind the colon") if match else None


def odd_space(character: str, at: int, where: str) -> Fault:
    message = f"the space {where} is {_name(character)}, which YAML does not take for a space"
    return Fault("invisible", message, at, 1, "delete it and type a space")


def bad_key(entry: Entry, word: Any) -> Fault | None:
    """What keeps a value from being a key, if anything does."""
    span = (entry.start, max(entry.end - entry.start, 1))
    if not isinstance(word, str):
        message = "a key must be a word, found a list or mapping"
        return Fault("key-type", message, *span)
    if entry.kind == PLAIN and word == "<<":
        fix = "use `defaults` for what all steps share"
        message = "merge keys (`<<`) are not part of the workflow language"
        return Fault("merge", message, *span, fix)
    if entry.kind == PLAIN and word in ("", "~", "null"):
        found = f"`{word}`, which means nothing" if word else "none"
        return Fault("key-type", f"a key must be a word, found {found}", *span)
    return _invisible(word, entry)


def _invisible(word: str, entry: Entry) -> Fault | None:
    if word.isascii():
        return None
    visible = "".join(c for c in word if not _is_hidden(c))
    for at, character in enumerate(word):
        if _is_hidden(character):
            message = f"the key `{visible}` contains the invisible character {_name(character)}"
            fix = f"delete the key and type `{visible}` anew"
            return Fault("invisible", message, entry.start + at, 1, fix)
    return twin_letters(word, entry.start)


def twin_letters(word: str, start: int) -> Fault | None:
    """A word that mixes Latin letters with look-alikes from another alphabet."""
    if not any(character.isascii() and character.isalpha() for character in word):
        return None
    for at, character in enumerate(word):
        if ord(character) in _LATIN_TWINS:
            message = f"the key `{word}` contains a letter of another alphabet: {_name(character)}"
            fix = "delete the key and type it anew with Latin letters"
            return Fault("invisible", message, start + at, 1, fix)
    return None


def as_meant(word: str) -> str:
    """The key that somebody sees who reads a key with hidden or look-alike characters."""
    return latin_twin("".join(c for c in word if not _is_hidden(c)))


def latin_twin(word: str) -> str:
    """The word with look-alike letters of other alphabets made Latin."""
    return word.translate(_LATIN_TWINS)


def _is_hidden(character: str) -> bool:
    return (
        unicodedata.category(character) in ("Cf", "Zs", "Zl", "Zp", "Co", "Cn") and character != " "
    )


def _name(character: str) -> str:
    name = unicodedata.name(character, "").capitalize()
    return f"U+{ord(character):04X}" + (f" ({name.lower()})" if name else "")


def hidden_directions(source: str) -> list[Fault]:
    """The first character, if any, that shows the text in another order than it runs."""
    match = _BIDI.search(source)
    if match is None:
        return []
    message = f"{_name(match[0])} shows this text in another order than it is sent"
    return [Fault("invisible", message, match.start(), 1, "delete it", "warning")]


def duplicate(word: str, entry: Entry, first: int, second: int) -> Fault:
    where = f"lines {first} and {second}" if first != second else f"line {first}"
    message = f"`{word}` is given twice ({where})"
    return Fault("dup-key", message, entry.start, entry.end - entry.start, "remove one of them")


def no_value(key: str, entry: Entry, earlier: str | None) -> Fault:
    span = (entry.start, entry.end - entry.start)
    before, colon, after = key.partition(":")
    if colon and after and before.isidentifier():
        fix = f"put a space behind the colon: `{before}: {after.strip()}`"
    elif earlier:
        fix = f"quote the text that contains a comma: {quoted(f'{earlier}, {key}')}"
    else:
        fix = f"write `{key}: …`, or put quotes around a text that contains a comma"
    return Fault("no-value", f"the key {shown(key)} has no value", *span, fix)


def tag(source: str, start: int, value: Any) -> tuple[Fault, bool]:
    """A `!…` in front of a value, and whether it was more likely the first word of a text."""
    line_end = source.find("\n", start)
    line = source[start : line_end if line_end >= 0 else len(source)].rstrip()
    word = re.split(r"[\s,\[\]{}]", line, maxsplit=1)[0] or "!"
    negated = _NEGATION.match(line)
    if negated is not None and isinstance(value, str):
        message = f"`!` means no negation here: YAML takes `{word}` for a tag"
        fix = f"write `not {negated[1].strip()}`"
        return Fault("special-start", message, start, len(word), fix), bool(value)
    if isinstance(value, str) and value and not _KNOWN_TAG.match(line):
        message = f"a value that begins with `!` needs quotes: YAML takes `{word}` for a tag"
        return Fault("special-start", message, start, len(word), in_quotes(line)), True
    message = f"the tag `{word}` is not part of the workflow language"
    fix = "for the text of a file use `prompt_file` or an input of type `file`; else remove the tag"
    return Fault("tag", message, start, len(word), fix), False


def bad_alias(name: str, start: int, *, recursive: bool) -> Fault:
    if recursive:
        message = f"`*{name}` stands inside the value that it repeats, which would never end"
        return Fault("cycle", message, start, len(name) + 1, "write the value out")
    message = f"`*{name}` repeats the anchor `&{name}`, and there is none above"
    fix = "put quotes around a text that begins with `*`"
    return Fault("alias", message, start, len(name) + 1, fix)


def lost_anchor(name: str, start: int) -> Fault:
    message = f"a value that begins with `&` needs quotes: YAML drops `&{name}` as a name for it"
    fix = f'put quotes around the text: "&{name} …"'
    return Fault("special-start", message, start, len(name) + 1, fix)
