"""Why the parser gave up, in words, and a patch of the same length with which it can go on.

The parser's own message is never shown: the line it stopped at says what its author meant. A patch
hides one value from the parser; the composer takes its text from the source.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from flowrunner.language.document.faults import Fault, Lines
from flowrunner.language.document.noticing import in_quotes, odd_space, shown, unquoted_braces

_KEY = r"""(?:"[^"\n]*"|'[^'\n]*'|[^\s'"\[\]{},#&*!|>%@`?:-][^:#\n]*?|[?:-][^\s:#][^:#\n]*?)"""
_HALF_CHARACTER = re.compile(r"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
_ENTRY = re.compile(rf"(?P<indent> *)(?P<dashes>(?:-[ ]+)*)(?:(?P<key>{_KEY})[ ]*:(?:[ ]+|$))?")
_ODD_SPACES = "\u00a0\u2000-\u200b\u202f\u205f\u3000"
_ODD_INDENT = re.compile(rf"[ ]*([{_ODD_SPACES}])")
_ODD_AFTER_COLON = re.compile(rf":([{_ODD_SPACES}])")
_CONFLICT_MARK = re.compile(r"(?:<{7}|={7}|>{7}|\|{7})(?: |$)")
_TAB_INDENT = re.compile(r"^ *\t[ \t]*", re.MULTILINE)
_NO_SPACE_AFTER_COLON = re.compile(r" *(?:- +)*([a-z_]+):(\S.*)$")
_COMMENT = re.compile(r"(?:^|[ \t])#")
_LONGEST_KEY = 1000
_CLOSERS = {"'": re.compile(r"'(?:[^']|'')*'"), '"': re.compile(r'"(?:[^"\\]|\\.)*"')}
_BRACES = re.compile(r"\{\{.*?\}\}|\{%.*?%\}")
_TAKEN_FOR = {
    "&": "the name of an anchor",
    "*": "a repetition of an anchor",
    "!": "a tag",
    "@": "a reserved sign",
    "`": "a reserved sign",
    "%": "a directive",
    "|": "the start of a block of text",
    ">": "the start of a block of text",
    "-": "an entry of a list",
    "?": "a key",
    "]": "the end of a list",
    "}": "the end of a mapping",
    ",": "a separator",
}


@dataclass(frozen=True, slots=True)
class Patch:
    """Where the text may be filled so that the parser reads on. `mends_value`: the filled span is a
    scalar whose text comes from the source. `is_last`: what the parser says after it is an echo."""

    start: int
    end: int
    mends_value: bool = True
    is_last: bool = False

    def apply(self, text: str) -> str:
        if self.is_last:
            return _TAB_INDENT.sub(lambda match: " " * len(match[0]), text)
        filler = "x" if self.mends_value else " "
        return text[: self.start] + filler * (self.end - self.start) + text[self.end :]


@dataclass(frozen=True, slots=True)
class Stop:
    """Where the parser stopped: the offset, what it was reading and where that began."""

    at: int
    began: int | None
    last_scalar: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class _Entry:
    """A line taken apart: its key and its value, with the offset of the value in the text."""

    key: str | None
    value: str
    start: int
    is_whole_line: bool = False


def explain(text: str, stop: Stop) -> tuple[Fault, Patch | None]:
    """The mistake at the place where the parser stopped, and how to read on if that is possible."""
    lines = Lines(text)
    at = min(stop.at, len(text))
    if stop.began is not None and not lines.line(at).strip():
        at = stop.began  # the end of the file: where it began says more
    start = lines.start_of_line(at)
    line = lines.line(at)
    entry = _entry(line, start)
    known = _white_space(text, line, start) or _white_space_above(text, lines, stop)
    in_brackets = stop.began is not None and text[stop.began : stop.began + 1] in ("[", "{")
    if known is None and _may_be_value(text, entry, stop, in_brackets):
        known = _value_mistake(entry, stop)
    return known or (_unread(text, lines, stop, line, start), None)


def _may_be_value(text: str, entry: _Entry, stop: Stop, in_brackets: bool) -> bool:
    """Whether the line that the parser stopped in says something of one value."""
    if not in_brackets:
        return not entry.is_whole_line or entry.value.startswith(":")
    assert stop.began is not None
    # In a bracket that has no counterpart every line looks wrong.
    return text[stop.began : stop.began + 2] in ("{{", "{%") or (
        _closing(text[stop.began :]) is not None
    )


def _entry(line: str, start: int) -> _Entry:
    match = _ENTRY.match(line)
    assert match is not None
    value = line[match.end() :]
    closed = _CLOSERS[value[0]].match(value) if value[:1] in _CLOSERS else None
    comment = _COMMENT.search(value, closed.end() if closed else 0)
    if comment is not None:
        value = value[: comment.start()]
    is_whole = match["key"] is None and not match["dashes"]
    return _Entry(match["key"], value.rstrip(), start + match.end(), is_whole)


def _white_space(text: str, line: str, start: int) -> tuple[Fault, Patch] | None:
    """Tabs and exotic spaces where YAML counts the columns."""
    tab = _TAB_INDENT.match(line)
    if tab is not None:
        return _tab(text, start + line.index("\t"))
    for pattern, where in ((_ODD_INDENT, "at the start"), (_ODD_AFTER_COLON, "behind the colon")):
        match = pattern.match(line) if where == "at the start" else pattern.search(line)
        if match is not None:
            at = start + match.start(1)
            fault = odd_space(match[1], at, where)
            return fault, Patch(at, at + 1, mends_value=False)
    return None


def _white_space_above(text: str, lines: Lines, stop: Stop) -> tuple[Fault, Patch] | None:
    """The same in the line of a text that took in the line where the parser stopped."""
    if stop.last_scalar is None or not _spans_lines(lines, stop.last_scalar):
        return None
    at = stop.last_scalar[0]
    return _white_space(text, lines.line(at), lines.start_of_line(at))


def _tab(text: str, at: int) -> tuple[Fault, Patch]:
    others = sum(1 for _ in _TAB_INDENT.finditer(text)) - 1
    also = f", as {others} other {'lines are' if others > 1 else 'line is'}" if others else ""
    message = f"this line is indented with a tab{also}"
    fix = "indent with spaces; editors can convert tabs"
    return Fault("tab", message, at, 1, fix), Patch(at, at, is_last=True)


def _value_mistake(entry: _Entry, stop: Stop) -> tuple[Fault, Patch] | None:
    """A value that begins or goes on in a way that YAML gives another meaning."""
    value, start = entry.value, entry.start
    if not value or not start <= stop.at <= start + len(value):
        return None
    if value[0] in "[{" and not value.startswith(("{{", "{%")):
        return _after_brackets(entry, stop)
    fault = _scalar_mistake(entry)
    return (fault, Patch(start, start + len(value))) if fault else None


def _scalar_mistake(entry: _Entry) -> Fault | None:
    value = entry.value
    if value.startswith(("{{", "{%")):
        return unquoted_braces(value, entry.start)
    if value[0] in _CLOSERS:
        return _after_quote(entry)
    is_sign = value[0] in _TAKEN_FOR and (value[0] not in "-?" or value[1:2] in ("", " "))
    if is_sign:
        return _special_start(entry)
    if value[0] == ":":
        message = "there is no key in front of this colon"
        return Fault("key-type", message, entry.start, 1, "write the key, or quote the text")
    return _colon(entry) if ": " in value or value.endswith(":") else None


def _after_quote(entry: _Entry) -> Fault | None:
    closed = _CLOSERS[entry.value[0]].match(entry.value)
    if closed is None or not entry.value[closed.end() :].strip():
        return None
    rest = entry.value[closed.end() :]
    name = f"`{entry.key}`" if entry.key else "this value"
    message = f"{name} begins with a quotation mark that closes before {shown(rest.strip())}"
    is_closed = len(entry.value) > 1 and entry.value[-1] == entry.value[0]
    spelled = _requoted(entry.value[1:-1] if is_closed else entry.value)
    fix = (
        f"put quotes around the whole: `{entry.key}: {spelled}`"
        if entry.key
        else (f"put quotes around the whole: {spelled}")
    )
    return Fault("quoting", message, entry.start, len(entry.value), fix)


def _requoted(value: str) -> str:
    if '"' not in value:
        return f'"{value}"'
    if "'" not in value:
        return f"'{value}'"
    return "'" + value.replace("'", "''") + "'"


def _after_brackets(entry: _Entry, stop: Stop) -> tuple[Fault, Patch] | None:
    end = _closing(entry.value)
    if end is None or not entry.value[end + 1 :].strip():
        return _inside_brackets(entry, stop)
    opening = entry.value[0]
    kind = "a list" if opening == "[" else "a mapping"
    message = f"a text that begins with `{opening}` needs quotes: YAML takes it for {kind}"
    fix = in_quotes(entry.value)
    patch = Patch(entry.start, entry.start + len(entry.value))
    return Fault("special-start", message, entry.start, len(entry.value), fix), patch


def _closing(value: str) -> int | None:
    """Where the bracket that a value begins with is closed, if it is on this line."""
    depth = 0
    for at, character in enumerate(value):
        depth += (character in "[{") - (character in "]}")
        if depth == 0:
            return at
    return None


def _inside_brackets(entry: _Entry, stop: Stop) -> tuple[Fault, Patch] | None:
    """A mistake in one entry of a `[…]` or `{…}` that stands on one line."""
    value, at = entry.value, stop.at - entry.start
    if _closing(value) is None:
        return None
    braces = [match.start() for match in _BRACES.finditer(value) if match.start() <= at]
    begin = braces[-1] if braces else _entry_begin(value, at)
    behind = _BRACES.match(value, begin)
    ends = [value.find(mark, max(at, behind.end() if behind else begin)) for mark in ",]}"]
    end = min((found for found in ends if found >= 0), default=len(value))
    piece = value[begin:end].rstrip()
    if not piece or (piece[0] in "[{" and not behind):
        return None
    start = entry.start + begin
    fault = _scalar_mistake(_Entry(None, piece, start))
    return (fault, Patch(start, start + len(piece))) if fault else None


def _entry_begin(value: str, at: int) -> int:
    """Where the innermost entry of a bracket that holds the offset begins."""
    marks = [value.rfind(mark, 0, at) + len(mark) for mark in (",", "[", "{", ": ")]
    begin = max(end if value[:end] else 0 for end in marks)
    return begin + len(value[begin:]) - len(value[begin:].lstrip(" "))


def _special_start(entry: _Entry) -> Fault:
    sign = entry.value[0]
    message = (
        f"a value that begins with `{sign}` needs quotes: YAML takes it for {_TAKEN_FOR[sign]}"
    )
    shown_sign = message.replace("```", "`` ` ``")
    fix = in_quotes(entry.value)
    return Fault("special-start", shown_sign, entry.start, len(entry.value), fix)


def _colon(entry: _Entry) -> Fault:
    at = entry.value.find(": ")
    at = len(entry.value) - 1 if at < 0 else at
    message = (
        f"the text {shown(entry.value)} contains a colon, which YAML takes for the end of a key"
    )
    fix = f"{in_quotes(entry.value)}, or `|` and the text on the next lines"
    return Fault("colon", message, entry.start + at, 1, fix)


def _unread(text: str, lines: Lines, stop: Stop, line: str, start: int) -> Fault:
    """What is left: the structure itself does not add up."""
    if _CONFLICT_MARK.match(line):
        message = "git could not merge two versions of this file, and marks here where they differ"
        fix = (
            "keep one version, and delete the lines that begin with `<<<<<<<`, `=======`, `>>>>>>>`"
        )
        return Fault("syntax", message, start, len(line), fix)
    opening = text[stop.began] if stop.began is not None and stop.began < len(text) else ""
    if opening and opening in "'\"" and stop.at >= len(text.rstrip("\n")):
        message = f"the text that begins with `{opening}` here is never closed"
        fix = f"put a `{opening}` at its end"
        return Fault("syntax", message, stop.began or 0, 1, fix)
    if text[stop.at : stop.at + 1] == "\\" or (opening == '"' and "\\" in line):
        return _bad_escape(line, start, stop)
    if text[stop.at : stop.at + 1] == "," and not opening.strip("[{"):
        fix = "remove the comma, or write the entry"
        return Fault("syntax", "there is no entry in front of this comma", stop.at, 1, fix)
    if opening and opening in "[{":
        closing = "]" if opening == "[" else "}"
        message = f"the `{opening}` here is not closed, or a comma is missing behind it"
        fix = f"close it with `{closing}` and put commas between the entries"
        return Fault("syntax", message, stop.began or 0, 1, fix)
    return _odd_line(lines, stop, line, start)


def _bad_escape(line: str, start: int, stop: Stop) -> Fault:
    at = line.find("\\", max(stop.at - start - 1, 0))
    at = max(line.find("\\") if at < 0 else at, 0)
    half = _HALF_CHARACTER.match(line, at)
    if half is not None:
        message = f"`{half[0]}` is half of a character, which means nothing alone"
        return Fault("syntax", message, start + at, 6, "write the character itself")
    message = f"`{line[at : at + 2]}` means nothing inside double quotes"
    return Fault(
        "syntax", message, start + at, 2, "use single quotes, or write `\\\\` for one `\\`"
    )


def _odd_line(lines: Lines, stop: Stop, line: str, start: int) -> Fault:
    indent = len(line) - len(line.lstrip(" "))
    content = line.strip()
    span = (start + indent, max(len(content), 1))
    missing = _missing_space(lines, stop, (line, start))
    if missing is not None:
        return missing
    if stop.last_scalar is not None and _spans_lines(lines, stop.last_scalar):
        return _runs_on(lines, stop.last_scalar, span)
    if content.startswith("%"):
        return Fault("syntax", "this `%` line is not understood", *span, "remove it")
    if ":" not in content and not content.startswith("-"):
        fix = "is a colon missing, or does the line belong to the text above (then indent it)?"
        return Fault("syntax", f"{shown(content)} is not a key with a value", *span, fix)
    if len(content) > _LONGEST_KEY:
        return Fault("syntax", "a key may have 1,000 characters at most", *span, "shorten it")
    spaces = f"indented by {indent} space{'' if indent == 1 else 's'}" if indent else "not indented"
    message = f"this line does not fit the lines above it: it is {spaces}"
    return Fault("syntax", message, *span, "start the keys of one mapping in one column")


def _missing_space(lines: Lines, stop: Stop, here: tuple[str, int]) -> Fault | None:
    """A `key:value` in this line, or in the line above that YAML took for the start of a text."""
    candidates = [here]
    if stop.last_scalar is not None:
        at = stop.last_scalar[0]
        candidates.append((lines.line(at), lines.start_of_line(at)))
    for line, start in candidates:
        match = _NO_SPACE_AFTER_COLON.match(line)
        if match is not None:
            message = f"{shown(match[0].strip())} is not a key with a value"
            fix = f"put a space behind the colon: `{match[1]}: {match[2]}`"
            return Fault(
                "syntax", message, start + match.start(1), match.end() - match.start(1), fix
            )
    return None


def _runs_on(lines: Lines, scalar: tuple[int, int], span: tuple[int, int]) -> Fault:
    """A value that took in lines which were not meant for it."""
    first = lines.number(scalar[0])
    sign = lines.line(scalar[0])[scalar[0] - lines.start_of_line(scalar[0])]
    if sign in "|>":
        message = f"this line is indented less than the text that begins on line {first}"
        return Fault("syntax", message, *span, "indent all lines of the text alike")
    if sign in _CLOSERS:
        message = f"the quotation mark of line {first} is closed here"
        fix = f"is a `{sign}` missing at the end of line {first}?"
        return Fault("syntax", message, *span, fix)
    message = f"this line is indented further than line {first}, so YAML joins the two"
    fix = "start a key in the same column as the key above; write `|` in front of a longer text"
    return Fault("syntax", message, *span, fix)


def _spans_lines(lines: Lines, scalar: tuple[int, int]) -> bool:
    return lines.number(scalar[0]) != lines.number(max(scalar[1] - 1, scalar[0]))
