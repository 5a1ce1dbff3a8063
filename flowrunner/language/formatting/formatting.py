"""From a text to the same text in the usual look, or to why it stays as it is.

Each pass reads what the one before has written; the last one is held against the first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from flowrunner.diagnostics import Diagnostic
from flowrunner.language.document import Document, parse
from flowrunner.language.document.outline import ALIAS
from flowrunner.language.formatting.edits import apply
from flowrunner.language.formatting.flow import tidy_brackets
from flowrunner.language.formatting.layout import OddLayout, lay_out
from flowrunner.language.formatting.sameness import same_document
from flowrunner.language.formatting.scalars import bare_decisions, mended

_BLOCK_HEADER = re.compile(r"([|>])([1-9]?)\+?([1-9]?)(?=[ \t]*(?:#|\n))")


@dataclass(frozen=True, slots=True)
class Formatted:
    """`text` is what the file should be, None where it has to stay as it is: because of the
    mistakes in `diagnostics`, or for the reason that is given in `why_not`."""

    text: str | None
    diagnostics: tuple[Diagnostic, ...] = ()
    why_not: str | None = None


def format_text(text: str | bytes, shown: str) -> Formatted:
    """The usual look of a workflow file, or of any file with a mapping at its root.

    What is wrong with the file as YAML stays, except for quotes that are missing and tabs whose
    width does not matter. Formatting what was formatted changes nothing.
    """
    document, found = parse(text, shown)
    if document is None:
        return Formatted(None, tuple(found))
    codes = {each.code for each in found}
    repaired, left = parse(mended(document, tabs="tab" in codes), shown)
    is_sound = repaired is not None and not _errors(left) and "encoding" not in codes
    if repaired is None or not is_sound or not same_document(document, repaired):
        return Formatted(None, tuple(_errors(found)))
    # A block that keeps the lines behind it means something else in another place.
    for reorder in (False,) if _has_alias(repaired) else (True, False):
        try:
            written = _laid_out(repaired, reorder=reorder)
        except OddLayout as odd:
            line = repaired.text.count("\n", 0, odd.start) + 1
            return Formatted(None, (), f"line {line} is laid out in a way that is not known here")
        after, wrong = parse(written, shown)
        if after is not None and not _errors(wrong) and same_document(repaired, after):
            return Formatted(_with_line_ends_of(text, written))
    return Formatted(None, (), "the file would mean something else if it were laid out anew")


def _errors(found: Iterable[Diagnostic]) -> list[Diagnostic]:
    return [each for each in found if each.severity == "error"]


def _laid_out(document: Document, *, reorder: bool) -> str:
    text = document.text if document.text.endswith("\n") else _ended(document)
    for change in (bare_decisions, lambda each: tidy_brackets(each, reorder=reorder)):
        text = apply(change(_read(text)), text)
    return lay_out(_read(text), reorder=reorder)


def _read(text: str) -> Document:
    """A text that was read before and was changed here."""
    document, _ = parse(text, "")
    if document is None:
        raise OddLayout(0)
    return document


def _has_alias(document: Document) -> bool:
    """Whether something repeats what stands above it, and so cannot change places with it."""
    outline = document.outline
    return any(outline.entry(number).kind == ALIAS for number in range(len(outline)))


def _ended(document: Document) -> str:
    """The text with an end of its last line. A block of text that ends with the file has none, and
    says so then."""
    text, outline = document.text, document.outline
    entries = [outline.entry(number) for number in range(len(outline))]
    last = max(entries, key=lambda entry: (entry.start, entry.end))
    if last.kind not in ("|", ">") or last.end < len(text.rstrip()):
        return f"{text}\n"
    source = text[last.start :]
    header, _, rest = source.partition("\n")
    written = _BLOCK_HEADER.sub(r"\1\2-\3", f"{header}\n", count=1)
    return f"{text[: last.start]}{written}{rest}\n"


def _with_line_ends_of(source: str | bytes, text: str) -> str:
    """The text with Windows' line ends where most of the source has them."""
    content = source if isinstance(source, bytes) else source.encode("utf-8", "replace")
    is_windows = content.count(b"\r\n") * 2 > content.count(b"\n")
    return text.replace("\n", "\r\n") if is_windows else text
