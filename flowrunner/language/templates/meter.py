"""How much one rendering may do: loop rounds, characters, and work of functions and operators.

Every operation pays before it works, so a template ends in bounded time and memory whatever it
says. What the operations are is left to the modules beside this one.
"""

from __future__ import annotations

from flowrunner.language.templates.faults import TemplateFault

MAX_ROUNDS = 100_000
"""Rounds of all loops of one rendering together."""

MAX_TEXT = 5_000_000
"""Characters of a rendered text, and of any text made on the way."""

MAX_WORK = 30_000_000
"""Characters read and written by all operations of one rendering together."""

STEP = 5
"""What computing one part of the syntax tree costs, in characters; paid in each loop round."""

CALL = 30
"""What calling a function costs, in characters, besides what it does."""

ITEM = 20
"""What visiting one item of a list costs, in characters."""

PART = 100
"""What writing or comparing one part of JSON costs, in characters."""

NEW_ITEM = 50
"""What making one new list item costs, in characters: about its bytes in memory."""


class Meter:
    """What one rendering has used up. Each rendering has its own."""

    __slots__ = ("rounds", "size", "work")

    def __init__(self) -> None:
        self.rounds = 0
        self.size = 0
        self.work = 0

    def spend(self, work: int) -> None:
        """Pay for an operation before doing it. Raises template-limit when nothing is left."""
        self.work += work
        if self.work > MAX_WORK:
            raise TemplateFault(
                "template-limit",
                "this template does too much work on its values",
                "make the values smaller, or split the step into several",
            )

    def text(self, length: int) -> None:
        """Pay for a new text of so many characters, before it is made."""
        if length > MAX_TEXT:
            raise TemplateFault(
                "template-limit",
                f"this makes a text of {length:,} characters; at most {MAX_TEXT:,} are possible",
            )
        self.spend(length)

    def item_visits(self, count: int) -> None:
        """Pay for going through so many items."""
        self.spend(count * ITEM)

    def parts(self, count: int) -> None:
        """Pay for writing or comparing so many parts of JSON."""
        self.spend(count * PART)

    def new_items(self, count: int) -> None:
        """Pay for a new list of so many items, before it is made."""
        self.spend(count * NEW_ITEM)

    def round(self, cost: int) -> None:
        """Count one round of a loop, and pay what it costs at least."""
        self.spend(cost)
        self.rounds += 1
        if self.rounds > MAX_ROUNDS:
            raise TemplateFault(
                "template-limit",
                f"the loops of this template go round more than {MAX_ROUNDS:,} times",
                "loop over fewer items, or use `for_each` of the step",
            )

    def output(self, length: int) -> None:
        """Count characters of the rendered text."""
        self.size += length
        if self.size > MAX_TEXT:
            raise TemplateFault(
                "template-limit",
                f"the rendered text is longer than {MAX_TEXT:,} characters",
                "take a part of a long value, such as `x[:1000]`",
            )
