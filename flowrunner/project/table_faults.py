"""What is wrong with a table, as a sentence and the line it is about."""

from __future__ import annotations


class TableFault(ValueError):
    """A text that is no table. `sentence` is whole behind "line 3: " where there is a line, and
    behind the name of the file where there is none."""

    def __init__(self, sentence: str, line: int | None = None, *, unit: str = "line") -> None:
        self.sentence = sentence
        self.line = line
        super().__init__(sentence if line is None else f"{unit} {line}: {sentence}")
