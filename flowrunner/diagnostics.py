"""What an author wrote wrong, as values: a rule code, a sentence, a place, a fix.

Checks speak in routes (`Finding`); a document turns a route into a place (`Diagnostic`), and
`render` turns places into text. Nothing here knows YAML, templates or the API.
"""

from __future__ import annotations

import difflib
import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Literal, TypeAlias

from flowrunner.secrets import without_keys
from flowrunner.visible import columns, one_line, parts

Route: TypeAlias = tuple[str | int, ...]
"""Where in a document, as keys and positions: `("steps", 2, "needs")`."""

Severity: TypeAlias = Literal["error", "warning", "hint"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check says of a route, before anybody knows the line.

    `aim` chooses the token to underline: the value at the route or the key in front of it. `start`
    and `length` narrow it to a part of a text value, in characters of the *value*, not the source.
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


Form: TypeAlias = Literal["full", "concise", "json", "github"]
"""How diagnostics are written: for people, one a line, for programs, as GitHub annotations."""

MOST_SHOWN = 20

_WINDOW = 100  # columns of a source line that are shown
_AROUND = 400  # characters of it on each side of a place that are looked at for that
_LONGEST = 1_000  # characters of a sentence
_LONG_WORDS = re.compile("`([^`]{160})[^`]{41,}`")
_TAB = 4
_SEVERITIES: dict[Severity, int] = {"error": 0, "warning": 1, "hint": 2}
_COLOURS: dict[Severity, str] = {"error": "\x1b[1;31m", "warning": "\x1b[33m", "hint": "\x1b[36m"}
_DIM, _PLAIN = "\x1b[2m", "\x1b[0m"
_GITHUB = {"error": "error", "warning": "warning", "hint": "notice"}
_GITHUB_SHOWS = 10


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """The known word that was most likely meant, or None when nothing is near."""
    candidates = list(known)
    folded = {candidate.casefold(): candidate for candidate in candidates}
    near = difflib.get_close_matches(word.casefold(), folded, n=1, cutoff=0.7)
    return folded[near[0]] if near else None


def in_order(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Each diagnostic once, by path, line and column; at one place the graver first."""

    def rank(diagnostic: Diagnostic) -> tuple[str, int, int, int, str, str]:
        place = diagnostic.place
        gravity = _SEVERITIES[diagnostic.severity]
        at = (place.path, place.line, place.column)
        return (*at, gravity, diagnostic.code, diagnostic.message)

    return sorted(dict.fromkeys(diagnostics), key=rank)


def render(
    diagnostics: Iterable[Diagnostic],
    form: Form = "full",
    *,
    colour: bool = False,
    most: int = MOST_SHOWN,
) -> str:
    """Diagnostics as text that ends in a newline, or no text where there are none (`json`: `[]`).

    `full` and `concise` show at most `most` errors of a file, and as many warnings. `colour` holds
    for `full` and `concise`. Nothing an author wrote reaches the terminal as a control character.
    """
    ordered = in_order(diagnostics)
    if form == "json":
        return _json(ordered)
    if form == "github":
        return "".join(f"{line}\n" for line in _github(ordered))
    write, between = (_full, "\n") if form == "full" else (_concise, "")
    return between.join(_shown(ordered, lambda each: write(each, colour), most))


def _shown(
    ordered: Sequence[Diagnostic], write: Callable[[Diagnostic], str], most: int
) -> Iterator[str]:
    """The texts of each file's first diagnostics, and how many more there are."""
    for path, of_file in groupby(ordered, key=lambda each: each.place.path):
        left = dict.fromkeys(_SEVERITIES, most)
        cut = 0
        for diagnostic in of_file:
            left[diagnostic.severity] -= 1
            if left[diagnostic.severity] >= 0:
                yield write(diagnostic)
            else:
                cut += 1
        if cut:
            yield f"{one_line(path)}: and {cut} more\n"


def _headline(diagnostic: Diagnostic, colour: bool, colon: str = ":") -> str:
    place = diagnostic.place
    kind = f"{diagnostic.severity}[{diagnostic.code}]"
    if colour:
        kind = f"{_COLOURS[diagnostic.severity]}{kind}{_PLAIN}"
    where = f"{one_line(place.path)}:{place.line}:{place.column}"
    return f"{where}: {kind}{colon} {one_line(_short(diagnostic.message))}"


def _short(sentence: str) -> str:
    """A sentence of a bearable length, however long what it repeats of the file is."""
    if len(sentence) <= _LONGEST:
        return sentence
    return _LONG_WORDS.sub("`\\1…`", sentence)[:_LONGEST]


def _concise(diagnostic: Diagnostic, colour: bool) -> str:
    return f"{_headline(diagnostic, colour)}\n"


def _full(diagnostic: Diagnostic, colour: bool) -> str:
    number = str(diagnostic.place.line)
    gutter = " " * len(number)
    lines = [_headline(diagnostic, colour)]
    if diagnostic.source_line is not None:
        text, caret = _excerpt(without_keys(diagnostic.source_line), diagnostic.place)
        if colour:
            caret = f"{_COLOURS[diagnostic.severity]}{caret}{_PLAIN}"
        lines += [f"{gutter} |", f"{number} | {text}".rstrip(), f"{gutter} | {caret}"]
    if diagnostic.help:
        lines.append(f"{gutter} = help: {one_line(_short(diagnostic.help))}")
    if colour:
        lines = [lines[0], *(_dim_gutter(line, len(gutter) + 2) for line in lines[1:])]
    return "".join(f"{line}\n" for line in lines)


def _dim_gutter(line: str, width: int) -> str:
    return f"{_DIM}{line[:width]}{_PLAIN}{line[width:]}"


def _excerpt(line: str, place: Place) -> tuple[str, str]:
    """The part of a source line around a span, safe to print, and the carets for the line below."""
    left = max(min(place.column - 1, len(line)) - _AROUND, 0)
    right = left + 2 * _AROUND
    cells = _cells(line[left:right])
    start = min(place.column - 1 - left, len(cells))
    end = max(min(start + place.length, len(cells)), start)
    widths = [columns(cell) for cell in cells]
    first, last = _window(widths, start, end)
    is_cut = last < len(cells) or right < len(line)
    before = ("…" if left or first else "") + "".join(cells[first:start])
    behind = "".join(cells[start:last]) + ("…" if is_cut else "")
    carets = max(sum(widths[start : min(end, last)]), 1)
    return before + behind, " " * columns(before) + "^" * carets


def _cells(line: str) -> list[str]:
    """What is printed for each character of a line."""
    cells = []
    for is_hidden, text in parts(line):
        shown = [one_line(text)] if is_hidden else [_cell(character) for character in text]
        cells += shown
    return cells


def _cell(character: str) -> str:
    if character == "\t":
        return " " * _TAB
    if unicodedata.category(character) == "Zs" and character != " ":
        return f"\\u{ord(character):04x}"
    return one_line(character)


def _window(widths: Sequence[int], start: int, end: int) -> tuple[int, int]:
    """Which cells of a line to show: all, or as many around the span as fit."""
    if sum(widths) <= _WINDOW:
        return 0, len(widths)
    first, last = start, start
    room = _WINDOW
    while last < end and room > 0:
        room -= widths[last]
        last += 1
    ahead = room // 2
    while first > 0 and ahead > 0:
        first -= 1
        ahead -= widths[first]
        room -= widths[first]
    while last < len(widths) and room > 0:
        room -= widths[last]
        last += 1
    return first, last


def _json(ordered: Iterable[Diagnostic]) -> str:
    shown = [
        {
            "path": diagnostic.place.path,
            "line": diagnostic.place.line,
            "column": diagnostic.place.column,
            "length": diagnostic.place.length,
            "severity": diagnostic.severity,
            "code": diagnostic.code,
            "message": _short(diagnostic.message),
            "help": diagnostic.help and _short(diagnostic.help),
        }
        for diagnostic in ordered
    ]
    return json.dumps(shown, indent=2) + "\n"


def _github(ordered: Sequence[Diagnostic]) -> Iterator[str]:
    """GitHub shows ten annotations of a step: nine, the gravest first, and how many are left."""
    gravest = sorted(ordered, key=lambda each: _SEVERITIES[each.severity])
    few = len(gravest) <= _GITHUB_SHOWS
    chosen = gravest if few else gravest[: _GITHUB_SHOWS - 1]
    for diagnostic in in_order(chosen):
        place = diagnostic.place
        text = one_line(_short(diagnostic.message))
        text += f"\n{one_line(_short(diagnostic.help))}" if diagnostic.help else ""
        fields = f"file={_property(place.path)},line={place.line},col={place.column}"
        title = _property(f"{diagnostic.severity}[{diagnostic.code}]")
        yield f"::{_GITHUB[diagnostic.severity]} {fields},title={title}::{_escaped(text)}"
    if not few:
        yield f"::{_GITHUB[gravest[0].severity]}::and {len(gravest) - len(chosen)} more"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _escaped(one_line(text)).replace(":", "%3A").replace(",", "%2C")


RULES: dict[str, str] = {
    # The file as YAML.
    "alias": "An alias (`*name`) repeats an anchor that stands above it.",
    "colon": "A text that contains a colon and a space needs quotes.",
    "cycle": "A value cannot contain itself.",
    "dup-key": "A key stands only once in a mapping; YAML would keep the last one in silence.",
    "empty": "Something that must not be empty is empty.",
    "encoding": "A workflow file is text in UTF-8 without control characters.",
    "folded-list": "`>`, or no sign at all, joins the lines of a list into one; `|` keeps them.",
    "hash": "What follows ` #` is a comment for YAML; text that holds it needs quotes.",
    "invisible": "No character is hidden, or looks like another one.",
    "key-type": "A key is a word, not nothing, a list or a mapping.",
    "merge": "Merge keys (`<<`) are not part of the language; `defaults` holds what steps share.",
    "multi-doc": "A file holds one workflow.",
    "no-value": "Each key inside `{…}` has a value; a text with a comma in it needs quotes.",
    "not-a-file": "A workflow is read from a regular file that exists and may be read.",
    "quote-template": "A value that begins with `{{` or `{%` needs quotes.",
    "quoting": "A value that begins with a quotation mark also ends with it.",
    "root": "A workflow file is a mapping of keys.",
    "special-start": "A text that begins with a sign that YAML uses needs quotes.",
    "syntax": "The file cannot be read as YAML.",
    "tab": "Lines are indented with spaces, never with tabs.",
    "tag": "YAML tags (`!name`) are not part of the language.",
    "too-big": "A workflow file has at most 16 MiB and 250,000 keys and values.",
    "too-complex": "Aliases repeat at most 10,000 values.",
    "too-deep": "A workflow file is nested at most 64 levels deep.",
    # The keys of the language and what they hold.
    "ambiguous-scalar": "A number or yes_no is written as every reader of YAML reads it.",
    "budget": "A budget is an amount such as `0.50 USD`.",
    "choice": "A value is one of the words that its key knows.",
    "duration": "A duration is a number and a unit: `30s`, `5m`, `2h`, `1d`.",
    "empty-prompt": "A prompt step asks something.",
    "id": "A name is made of small letters, digits and `_`, and is no word of the language.",
    "metadata": "`metadata` holds at most 16 pairs, keys of 64 and values of 512 characters.",
    "missing": "A key that is always needed is missing.",
    "no-verb": "Each step does one thing: it has exactly one verb.",
    "null": "A key has a value, or is not written.",
    "number": "A number is finite and has at most 40 digits.",
    "range": "A number, a text or a list is within the limits that its key has.",
    "two-verbs": "Each step does one thing: it has exactly one verb.",
    "unknown-key": "Only keys of the language are allowed; unknown API fields go in `request`.",
    "secret": "What one file keeps secret is secret in the file that gives it, too.",
    "version": "`flowrunner: 1` is the only version of the language.",
    "wrong-type": "A value is of the kind that its key expects: text, number, list, mapping.",
    # What the parts of a workflow mean together.
    "argument": "What is called gets the inputs or arguments that it declares, each of its kind.",
    "attach": "What is attached is a file or an address that the API takes.",
    "conflict": "Two keys that exclude each other do not stand in one step.",
    "continue": "A step continues a prompt step above it in its own list, which runs once.",
    "conversation": "A conversation is named by an id or a name; a name that lasts names one only.",
    "duplicate-id": "An id is given once in a file, without regard to case.",
    "env": "Commands and tools receive only environment variables that the file's `env` names.",
    "gate": "`stop` does not stand inside `for_each`: one entry cannot end the whole file.",
    "inside-for-each": "A step that runs once per entry is read through the results of its group.",
    "item": "Items in `input` have a role of the API, a place, and the id of what they answer.",
    "json-schema": "A `schema` keeps the rules of strict mode, so that the API takes it.",
    "known-parameter": "A field that has a key of its own does not stand under `request`.",
    "missing-case": "A `branch` says what happens for each value that it may meet.",
    "missing-file": "A file that the workflow names exists; one that it reads is text in UTF-8.",
    "literal-key": "No key of a service stands in a file; the variable that holds it does.",
    "model-lacks": "A step asks of a model only what such a model takes.",
    "never-runs": "A step leans on no step that never runs, nor on two that exclude each other.",
    "no-model": "A model is named in the file, or by whoever runs it.",
    "not-yet": "The key belongs to the language, but this version does not run it.",
    "order": "A step mentions and needs only steps above it.",
    "path-outside": "Files are read and saved inside the project, at paths relative to the file.",
    "plain-braces": "What is to be filled in stands between `{{` and `}}`.",
    "program": "Which program a command runs is written in the file, never chosen by values.",
    "provider-capped": "A called workflow goes where the file that calls it goes.",
    "recursion": "A workflow does not call itself, not through others either.",
    "retired-model": "A model that has stopped, or soon will, is a model to replace.",
    "reuse": "A result is reused only where doing the work again would give the same.",
    "save-to": "What a step saves fits the ending of the file it saves to.",
    "shape": "A shape is a plain word, a list of choices, a list, or a mapping of fields.",
    "signature": "A function that is a tool says what it takes, in types that JSON has.",
    "tool": "A tool is known, complete, named once, and has somebody to answer its calls.",
    "trifecta": "Text of others cannot send private data away through a step, or says why it may.",
    "two-writers": "Two steps do not save to one file, without regard to case.",
    "unknown-include": "`include` holds keys that the API knows.",
    "unknown-item": "The items in `input` are of types that the API knows.",
    "unknown-model": "A model is one that flowrunner knows, so that its price is known.",
    "unknown-parameter": "A field under `request` that flowrunner does not know is sent unchecked.",
    "unknown-provider": "A provider is declared in `flowrunner.yaml`.",
    "unknown-step": "`needs` names steps of the file.",
    "unsupported": "A step asks only for what its provider can do.",
    "unused-include": "`include` asks for what the step can give, and for what it is to give.",
    "unused-input": "An input is read somewhere, or is not asked for.",
    "unused-tool": "A declared tool is used by a step.",
    "within": "`within` names the folder in which files may lie whose paths come out of data.",
    # The project file.
    "base-url": "An address is whole and encrypted, and holds no password.",
    "key-name": "A key is named by its variable, and is sent to its own host only.",
    # Files of tests.
    "case": "A case is named once, and is answered by a recording that is there or by replies.",
    "pattern": "A pattern is a regular expression without a repeat inside a repeat.",
    # Templates and expressions.
    "dynamic-step": "`steps`, `inputs` and `previous` are followed by a literal name.",
    "free-text": "Free text of a model is not compared with a literal; a declared choice is.",
    "maybe-empty": "What may be empty is given a default or tested before it is used.",
    "template-limit": "A template is bounded in length, depth, loops and work.",
    "template-off": "The tags are `if`, `for`, `set` and `raw`; those that load or define are off.",
    "template-syntax": "Braces and tags are closed, and functions are those of the language.",
    "template-unsafe": "A template sees the fields of values, and calls functions by name only.",
    "undefined": "Every name is that of an input, of a step above, or of a field they have.",
    "unknown-choice": "A choice is compared with words that it can be.",
}
"""Every rule code with one sentence that says what holds."""
