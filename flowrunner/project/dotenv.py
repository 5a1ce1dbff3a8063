"""`.env` files, read by a small parser of our own: names, values, and sentences about odd lines.

No value is ever part of a sentence. Which names matter is left to `settings`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

MAX_BYTES = 1024 * 1024

_LINE = re.compile(r"(?:export[ \t]+)?(?P<name>[A-Za-z_][A-Za-z0-9_.]*)[ \t]*=(?P<rest>.*)", re.S)
_DOUBLE = re.compile(r'"(?P<value>(?:[^"\\]|\\.)*)"(?P<after>.*)', re.S)
_SINGLE = re.compile(r"'(?P<value>[^']*)'(?P<after>.*)", re.S)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "$": "$", "`": "`"}


@dataclass(frozen=True, slots=True)
class Dotenv:
    """What a `.env` file says. `faults` has a sentence for each line that says nothing readable, by
    the name it would have set, or by `""`."""

    values: dict[str, str] = field(default_factory=dict, repr=False)
    faults: tuple[tuple[str, str], ...] = ()


def parse(text: str) -> Dotenv:
    """Read the lines `NAME=value`, `export NAME=value`, with or without quotes, and comments.

    In double quotes `\\n`, `\\t`, `\\"`, `\\\\` and `\\$` are escapes; nothing is ever expanded. An
    unquoted value ends before ` #`. A name given twice keeps the later value, as in a shell.
    """
    values: dict[str, str] = {}
    faults: list[tuple[str, str]] = []
    lines = re.split(r"\r\n|\n|\r", text.removeprefix("\ufeff"))
    for number, line in enumerate((line.strip() for line in lines), start=1):
        if not line or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            faults.append(("", f"line {number} is not of the form `NAME=value`"))
            continue
        name, value = match["name"], _value(match["rest"].strip())
        if value is None:
            faults.append((name, f"line {number}: the quotes around `{name}` are not in order"))
        else:
            values[name] = value
    return Dotenv(values, tuple(faults))


def _value(rest: str) -> str | None:
    if rest[:1] not in ('"', "'"):
        return "" if rest.startswith("#") else re.split(r"[ \t]+#", rest, maxsplit=1)[0].rstrip()
    double = rest[0] == '"'
    match = (_DOUBLE if double else _SINGLE).fullmatch(rest)
    if match is None or not re.fullmatch(r"(?:[ \t]*|[ \t]+#.*)", match["after"], re.S):
        return None
    return _unescaped(match["value"]) if double else match["value"]


def _unescaped(value: str) -> str:
    return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[0]), value, flags=re.S)


def read(path: Path) -> Dotenv:
    """Read a file. One that cannot be read is a fault, not an exception: most runs do without."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        return _unreadable(f"it cannot be opened ({(error.strerror or 'unknown reason').lower()})")
    if len(content) > MAX_BYTES:
        return _unreadable("it is larger than 1 MiB")
    try:
        return parse(content.decode("utf-8"))
    except UnicodeDecodeError:
        return _unreadable("it is not UTF-8")


def _unreadable(why: str) -> Dotenv:
    return Dotenv({}, (("", why),))
