"""A file of inputs, YAML or JSON: a mapping of names to values, wherever it comes from.

Which names there may be and what shapes they have is left to `inputs`.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from flowrunner import json_text
from flowrunner.events import JSON
from flowrunner.language.document import parse
from flowrunner.project.files import UnreadableFile, read_stream, read_text

STDIN = "-"


class UnusableInputs(ValueError):
    """A file of inputs that cannot be used; `sentences` has one for each of its faults."""

    def __init__(self, *sentences: str) -> None:
        super().__init__("\n".join(sentences))
        self.sentences = sentences


def read_input_file(named: str, folder: Path, stdin: BinaryIO | None) -> dict[str, JSON]:
    """The mapping in a file, or on standard input for `-`. YAML values keep their spelling.

    A path starts at `folder`. Raises UnusableInputs.
    """
    shown = "standard input" if named == STDIN else named
    try:
        text = read_stream(stdin) if named == STDIN else read_text(folder / named)
    except UnreadableFile as fault:
        raise UnusableInputs(f"the inputs cannot be read: `{shown}` {fault}") from None
    if named.lower().endswith(".json"):
        return _json(text, shown)
    if text.lstrip().startswith("{"):
        try:
            return _json(text, shown)
        except UnusableInputs:
            return _yaml(text, shown)
    return _yaml(text, shown)


def _json(text: str, shown: str) -> dict[str, JSON]:
    try:
        value = json_text.parse(text)
    except json_text.NotJson as fault:
        raise UnusableInputs(f"`{shown}` is not JSON: {fault}") from None
    if not isinstance(value, dict):
        raise UnusableInputs(_not_a_mapping(shown))
    return value


def _yaml(text: str, shown: str) -> dict[str, JSON]:
    if not text.strip():
        raise UnusableInputs(_not_a_mapping(shown))
    document, diagnostics = parse(text, shown)
    errors = [found for found in diagnostics if found.severity == "error"]
    if any(found.code in ("root", "empty") for found in errors):
        raise UnusableInputs(_not_a_mapping(shown))
    if errors:
        raise UnusableInputs(
            *(f"{shown}:{e.place.line}:{e.place.column}: {e.message}" for e in errors)
        )
    assert document is not None
    values: dict[str, JSON] = document.value
    return values


def _not_a_mapping(shown: str) -> str:
    return f"`{shown}` must hold inputs by name, one `name: value` a line"
