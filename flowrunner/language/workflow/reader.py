"""Reading single fields of a document: each getter gives the value or nothing, and keeps findings.

A value of the wrong type gives nothing and no finding: the schema has already said so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowrunner.diagnostics import Diagnostic, Finding, Route
from flowrunner.events import JSON
from flowrunner.language.beside import Beside, FileText, UnusableFile
from flowrunner.language.forms import (
    Form,
    Leaf,
    Reading,
    has_template,
    read_form,
    read_leaf,
    text_of,
)
from flowrunner.language.tools import Tool
from flowrunner.language.workflow.durations import read_duration


class Reader:
    """Collects what is wrong while fields are read, and the texts of the files that they name.

    `tools` are those that the file declares, known before anything that may name one is read.
    """

    def __init__(self, beside: Beside) -> None:
        self.beside = beside
        self.findings: list[Finding] = []
        self.elsewhere: list[Diagnostic] = []
        self.texts: dict[Route, FileText] = {}
        self.tools: Mapping[str, Tool] = {}

    def fault(self, code: str, message: str, route: Route, help: str | None = None) -> None:  # noqa: A002
        self.findings.append(Finding(code, message, route, help))

    def leaf(self, value: JSON, route: Route, used_as: Reading = "text") -> Leaf | None:
        """A text (or a number in its spelling) as a compiled template."""
        text = text_of(value)
        if text is None:
            return None
        leaf, faults = read_leaf(text, route, used_as)
        self.findings += faults
        return leaf

    def expression(self, value: JSON, route: Route, used_as: Reading) -> Leaf | None:
        """The bare expression of a decision field; None for what is none or cannot be read."""
        return self.leaf(value, route, used_as)

    def file(self, written: JSON, route: Route) -> FileText | None:
        """The text of a file that is read now, whose path stands at the route."""
        if not isinstance(written, str) or not written.strip():
            return None
        if has_template(written):
            message = (
                f"`{route[-1]}` is read before anything runs, so its path cannot be a template"
            )
            self.fault("missing-file", message, route, "write the path itself")
            return None
        try:
            found = self.beside.read(written)
        except UnusableFile as fault:
            self.fault(fault.code, fault.message, route, fault.help)
            return None
        self.texts[route] = found
        return found

    def form(self, value: JSON, route: Route, used_as: Reading = "text") -> Form:
        form, faults = read_form(value, route, used_as)
        self.findings += faults
        return form

    def duration(self, fields: Mapping[str, Any], key: str, route: Route) -> float | None:
        """The seconds of `timeout: 5m`."""
        text = text_of(fields.get(key))
        if text is None:
            return None
        seconds = read_duration(text)
        if seconds is None:
            number = text.strip().split(" ")[0]
            example = f"{number}s" if number.isdecimal() and 0 < int(number) < 86_400 else "30s"
            self.fault(
                "duration",
                f"`{key}` must be longer than nothing and at most a year, found `{text}`",
                (*route, key),
                f"write a number and a unit, such as `{example}`, `5m`, `2h` or `1d`",
            )
        return seconds


def mapping(value: JSON) -> Mapping[str, Any]:
    """The value where it is a mapping, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def texts(value: JSON) -> tuple[str, ...]:
    """The texts in a list; () for what is no list."""
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def whole(value: JSON) -> int | None:
    """A whole number above zero, or None."""
    good = isinstance(value, int) and not isinstance(value, bool) and value > 0
    return int(value) if good else None
