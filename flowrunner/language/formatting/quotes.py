"""How a text is spelled as one scalar on one line: bare where that says the same, else in quotes.

Which scalars are spelled anew is left to `scalars`.
"""

from __future__ import annotations

from flowrunner.language.document import parse


def in_quotes(text: str) -> str | None:
    """The text in whichever quotes need no escapes; None where none can hold it on one line."""
    if "\n" in text:
        return None
    if '"' not in text and "\\" not in text:
        return f'"{text}"'
    return "'" + text.replace("'", "''") + "'"


def spelled(text: str, *, in_flow: bool) -> str | None:
    """The text without quotes where YAML then reads the very same, else in quotes."""
    quoted = in_quotes(text)
    if quoted is None:
        return None
    return text if _reads_as(text, text, in_flow) else quoted


def _reads_as(written: str, text: str, in_flow: bool) -> bool:
    """Whether a scalar means the text, and nothing but the text."""
    line = f"k: {{ k: {written} }}\n" if in_flow else f"k: {written}\n"
    document, diagnostics = parse(line, "")
    if document is None or diagnostics:
        return False
    return bool(document.value == {"k": {"k": text} if in_flow else text})
