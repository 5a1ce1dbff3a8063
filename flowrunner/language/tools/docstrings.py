"""Docstrings in the styles of Google, NumPy and reST: what a function does, and its parameters.

What does not look like one of the three styles is description; nothing is ever wrong here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

_GOOGLE = re.compile(r"(args|arguments|parameters|params)\s*:", re.I)
_OTHER = re.compile(
    r"(returns?|yields?|raises?|examples?|notes?|see also|attributes|warnings?)\s*:", re.I
)
_NUMPY = re.compile(r"(parameters|other parameters)", re.I)
_RULE = re.compile(r"-{3,}")
_REST = re.compile(r":(?:param|parameter|arg|argument)\s+(?:[^:]+\s)?\*{0,2}(\w+)\s*:\s*(.*)")
_FIELD = re.compile(r":\w+[^:]*:")
_ENTRY = re.compile(r"\*{0,2}(\w+)\s*(?:\([^)]*\))?\s*:\s*(.*)")
_NAMES = re.compile(r"\*{0,2}\w+(?:\s*,\s*\*{0,2}\w+)*")


@dataclass(frozen=True, slots=True)
class Documented:
    """What a docstring says: `about` the function, and of each of its `parameters`."""

    about: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)


def read_docstring(text: str | None) -> Documented:
    """A docstring without its indentation (`ast.get_docstring`)."""
    lines = (text or "").splitlines()
    about: list[str] = []
    parameters: dict[str, str] = {}
    position = 0
    is_about = True
    while position < len(lines):
        line = lines[position]
        section = _section(lines, position)
        if section is not None:
            is_about = False
            block = list(_block(lines, position + section.head))
            parameters |= section.read(block)
            position += section.head + len(block)
            continue
        if _FIELD.match(line.strip()):
            is_about = False
            block = _continued(lines, position)
            parameters |= _rest(block)
            position += len(block)
            continue
        if is_about:
            about.append(line)
        position += 1
    return Documented("\n".join(about).strip() or None, parameters)


@dataclass(frozen=True, slots=True)
class _Section:
    """A heading of `head` lines, and how the lines below it are read."""

    head: int
    style: str

    def read(self, block: list[str]) -> dict[str, str]:
        if self.style == "google":
            return dict(_google(block))
        return dict(_numpy(block)) if self.style == "numpy" else {}


def _section(lines: list[str], position: int) -> _Section | None:
    line = lines[position]
    if line[:1].isspace():
        return None
    below = lines[position + 1].strip() if position + 1 < len(lines) else ""
    if _RULE.fullmatch(below) and line.strip():
        return _Section(2, "numpy" if _NUMPY.fullmatch(line.strip()) else "other")
    if _GOOGLE.fullmatch(line.strip()):
        return _Section(1, "google")
    return _Section(1, "other") if _OTHER.fullmatch(line.strip()) else None


def _block(lines: list[str], start: int) -> Iterator[str]:
    """The lines below a heading, up to the next heading or, for indented ones, their end."""
    is_indented = start < len(lines) and lines[start][:1].isspace()
    for position in range(start, len(lines)):
        line = lines[position]
        if position > start and _section(lines, position) is not None:
            return
        if is_indented and line.strip() and not line[:1].isspace():
            return
        yield line


def _google(block: list[str]) -> Iterator[tuple[str, str]]:
    margin = min((_indent(line) for line in block if line.strip()), default=0)
    name, said = "", [""]
    for line in block:
        entry = _ENTRY.match(line.strip()) if _indent(line) == margin else None
        if entry:
            if name:
                yield name, _joined(said)
            name, said = entry[1], [entry[2]]
        else:
            said.append(line)
    if name:
        yield name, _joined(said)


def _numpy(block: list[str]) -> Iterator[tuple[str, str]]:
    names: list[str] = []
    said: list[str] = []
    for line in block:
        head = line.partition(":")[0].strip()
        if line.strip() and not line[:1].isspace() and _NAMES.fullmatch(head):
            yield from ((name, _joined(said)) for name in names)
            names, said = [name.strip(" *") for name in head.split(",")], []
        else:
            said.append(line)
    yield from ((name, _joined(said)) for name in names)


def _continued(lines: list[str], position: int) -> list[str]:
    block = [lines[position]]
    for line in lines[position + 1 :]:
        if not line[:1].isspace() or _FIELD.match(line.strip()):
            break
        block.append(line)
    return block


def _rest(block: list[str]) -> dict[str, str]:
    found = _REST.match(block[0].strip())
    return {found[1]: _joined([found[2], *block[1:]])} if found else {}


def _joined(lines: list[str]) -> str:
    return " ".join(" ".join(lines).split())


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
