"""What is wrong with a template, as one exception: a rule code, a sentence, a fix and a span.

Which line of which file the span stands on is left to the document that the template came from.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from flowrunner.diagnostics import did_you_mean
from flowrunner.language.shapes.words import alternatives

UNPLACED = -1
"""The start of a fault that no part of the template has claimed yet."""


class TemplateFault(Exception):
    """One mistake in a template, or one value that it cannot be rendered with.

    `code` is a rule code: template-syntax, template-unsafe, template-off, template-limit,
    dynamic-step, undefined, maybe-empty, wrong-type, free-text or unknown-choice. `start` and
    `length` count characters of the template's source. `others` are further mistakes that parsing
    found in the same template.
    """

    def __init__(
        self,
        code: str,
        message: str,
        help: str | None = None,  # noqa: A002
        start: int = UNPLACED,
        length: int = 0,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.help = help
        self.start = start
        self.length = length
        self.others: tuple[TemplateFault, ...] = ()

    def placed(self, span: tuple[int, int]) -> TemplateFault:
        """This fault, at `span` (start, length) unless a narrower place is known already."""
        if self.start == UNPLACED:
            self.start, self.length = span
        return self


def near_miss(word: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown word: ``: did you mean `x`?``, or nothing."""
    near = did_you_mean(word, known)
    return f": did you mean `{near}`?" if near else ""


def known_words(words: Sequence[str], owner: str, kind: str) -> str | None:
    """The help that lists what there is: "its fields are `a` and `b`"; None where nothing is."""
    if not words:
        return None
    if len(words) == 1:
        return f"{owner} only {kind} is `{words[0]}`"
    return f"{owner} {kind}s are {alternatives(words, 'and')}"


def first_of(faults: Sequence[TemplateFault]) -> TemplateFault:
    """The first fault of a template in reading order, carrying the others."""
    first, *others = sorted(faults, key=lambda fault: fault.start)
    first.others = tuple(others)
    return first
