"""CSV and TSV as they are found in the world: a header and rows of text, each with its line.

What the cells mean is left to `tables`.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from flowrunner.project.table_faults import TableFault

# Where two fit alike the earlier counts: commas stand in prices and texts too.
_DELIMITERS = ("\t", ";", "|", ",")
_NAMES = {",": "`,`", ";": "`;`", "\t": "a tab", "|": "`|`"}
_LOOKED_AT = 50
_SEP = re.compile(r"sep=(.)\r?\n?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Row:
    """One row of text, and the line that it begins in."""

    line: int
    cells: list[str]


@dataclass(frozen=True, slots=True)
class Delimited:
    """A table of text: the names of its columns, and its rows, each as long as the header.

    `rows` is read as it is asked for, and raises TableFault. `delimiter` is as sentences name it.
    """

    columns: list[str]
    rows: Iterator[Row]
    delimiter: str


def read_delimited(text: str, *, is_tsv: bool = False) -> Delimited:
    """The table in a text. The delimiter is a tab where `is_tsv`, what a first line `sep=;` says,
    or else the one that the header and the first rows agree on best.

    Raises TableFault for a header that names no columns, or two alike.
    """
    told = _SEP.match(text)
    delimiter = told[1] if told else "\t" if is_tsv else _delimiter(text)
    rows = _records(text, delimiter)
    if told:
        next(rows, None)
    header = next((row for row in rows if not _is_blank(row)), None)
    if header is None:
        raise TableFault("is empty: its first line must name the columns")
    columns = [name.strip() for name in header.cells]
    _check_header(columns, header.line)
    shown = _NAMES.get(delimiter, f"`{delimiter}`")
    return Delimited(columns, _even(rows, len(columns), shown), shown)


def _check_header(columns: list[str], line: int) -> None:
    for position, name in enumerate(columns):
        if not name:
            raise TableFault(f"the header has no name for column {position + 1}", line)
        if name in columns[:position]:
            raise TableFault(f"the header names the column `{name}` twice", line)


def _even(rows: Iterator[Row], width: int, delimiter: str) -> Iterator[Row]:
    for row in rows:
        if width > 1 and _is_blank(row):
            continue
        if len(row.cells) != width:
            cells = f"{len(row.cells)} cell{'s' * (len(row.cells) != 1)}"
            fix = f"; a cell that holds {delimiter} needs quotes" if len(row.cells) > width else ""
            raise TableFault(f"{cells}, and the header has {width}{fix}", row.line)
        yield row


def _delimiter(text: str) -> str:
    """The delimiter that cuts the first rows as it cuts the header, and most often."""
    best, most = ",", (0.0, 0)
    for delimiter in _DELIMITERS:
        widths = _widths(text, delimiter)
        if not widths or widths[0] < 2:
            continue
        agreed = sum(width == widths[0] for width in widths) / len(widths)
        if (agreed, widths[0]) > most:
            best, most = delimiter, (agreed, widths[0])
    return best


def _widths(text: str, delimiter: str) -> list[int]:
    widths: list[int] = []
    try:
        for row in islice(_records(text, delimiter), _LOOKED_AT):
            widths.append(len(row.cells))
    except TableFault:
        pass
    return widths


def _records(text: str, delimiter: str) -> Iterator[Row]:
    """Every row that is not an empty line. Cells may hold line ends where they are quoted."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise TableFault(_sentence(str(error)), line) from None
        if cells:
            yield Row(line, cells)
        line = reader.line_num + 1


def _is_blank(row: Row) -> bool:
    return len(row.cells) == 1 and not row.cells[0].strip()


def _sentence(error: str) -> str:
    if "end of data" in error:
        return "a quote is opened here and never closed"
    if "field larger" in error:
        most = f"{csv.field_size_limit():,}"
        return f"a cell is longer than {most} characters, or a quote is never closed"
    return 'text follows behind a closing quote: inside a cell a quote is written twice, `""`'
