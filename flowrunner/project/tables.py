"""A table that people hand to a run, from CSV, TSV, JSONL or JSON: a list of rows by column.

Cells are text unless a column declares another shape. Which file it is and whose input is left to
`inputs`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from flowrunner import json_text
from flowrunner.diagnostics import did_you_mean
from flowrunner.events import JSON
from flowrunner.language.forms import plain
from flowrunner.language.shapes import (
    MISSING,
    Shape,
    UnreadableValue,
    alternatives,
    check_value,
    found,
    read_plain,
)
from flowrunner.project.delimited import read_delimited
from flowrunner.project.table_faults import TableFault

MAX_BYTES = 64 * 1024 * 1024
MAX_ROWS = 100_000
MAX_COLUMNS = 1000

_MOST_FAULTS = 10
_JSON_LINES = (".jsonl", ".ndjson")
_TABS = (".tsv", ".tab")
_OTHERS = {
    b"PK\x03\x04": "is a spreadsheet or another archive: save it as CSV",
    b"\xd0\xcf\x11\xe0": "is an old spreadsheet: save it as CSV",
    b"PAR1": "is a Parquet file: save it as CSV or JSONL",
}


class UnreadableTable(ValueError):
    """A file that is no table of the declared columns; `sentences` has one for each fault, at most
    ten, to be read behind the name of the file."""

    def __init__(self, *sentences: str) -> None:
        super().__init__("\n".join(sentences))
        self.sentences = sentences


def read_table(content: bytes, name: str, shape: Shape) -> list[JSON]:
    """The rows of a table in a file of this name, each a mapping from column to value.

    The name's ending says which format it is; without one that is known the text itself does. Every
    row has every column: what a JSON row lacks is an empty text, as in CSV. Raises UnreadableTable.
    """
    try:
        return _typed(_rows(_decoded(content), name.lower()), shape)
    except TableFault as fault:
        raise UnreadableTable(str(fault)) from None


def check_rows(rows: JSON, shape: Shape) -> list[JSON]:
    """Rows that were written out in a file of inputs, as a table has them. Raises
    UnreadableTable."""
    try:
        return _typed(_of_json(rows), shape)
    except TableFault as fault:
        raise UnreadableTable(str(fault)) from None


def _decoded(content: bytes) -> str:
    for begin, sentence in _OTHERS.items():
        if content.startswith(begin):
            raise TableFault(sentence)
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        try:
            return content.decode("utf-16")
        except UnicodeDecodeError:
            raise TableFault("is broken UTF-16: save it as UTF-8") from None
    if b"\0" in content:
        raise TableFault("is a binary file, not a table")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        sentence = "this is not UTF-8: save the file as UTF-8 (in Excel: CSV UTF-8)"
        raise TableFault(sentence, before.count(b"\n") + 1) from None


class _Rows:
    """Rows as they are read, of text or of JSON values. `columns` is None where each row brings its
    own; `unit` is what they are counted in."""

    def __init__(
        self,
        rows: Iterable[tuple[int, Mapping[str, Any]]],
        columns: list[str] | None = None,
        unit: str = "line",
    ) -> None:
        self.rows = rows
        self.columns = columns
        self.unit = unit


def _rows(text: str, name: str) -> _Rows:
    begin = text.lstrip()[:1]
    if name.endswith(_JSON_LINES):
        return _of_lines(text)
    if name.endswith(".json"):
        return _of_json(_parsed(text))
    if not name.endswith((".csv", *_TABS)) and begin in ("[", "{"):
        return _of_json(_parsed(text)) if begin == "[" else _of_lines(text)
    table = read_delimited(text, is_tsv=name.endswith(_TABS))
    columns = table.columns
    rows = ((row.line, dict(zip(columns, row.cells, strict=True))) for row in table.rows)
    return _Rows(rows, columns)


def _parsed(text: str, line: int | None = None) -> JSON:
    try:
        return json_text.parse(text)
    except json_text.NotJson as fault:
        if line is None:
            raise TableFault(f"is not JSON: {fault}") from None
        raise TableFault(f"this is not JSON: {fault.message}", line) from None


def _of_lines(text: str) -> _Rows:
    def rows() -> Iterator[tuple[int, Mapping[str, Any]]]:
        # Only line feeds end a line of JSONL: texts may hold other line separators.
        for number, line in enumerate(text.split("\n"), start=1):
            if line.strip():
                yield number, _mapping(_parsed(line, number), number, "line")

    return _Rows(rows())


def _of_json(value: JSON) -> _Rows:
    if not isinstance(value, list):
        raise TableFault(f"must be a list of rows, found {found(value)}")
    rows = enumerate(value, start=1)
    return _Rows(((n, _mapping(row, n, "row")) for n, row in rows), unit="row")


def _mapping(row: JSON, number: int, unit: str) -> Mapping[str, Any]:
    if isinstance(row, Mapping):
        return row
    sentence = f'a row must be a mapping such as `{{"name": "Ann"}}`, found {found(row)}'
    raise TableFault(sentence, number, unit=unit)


def _typed(table: _Rows, shape: Shape) -> list[JSON]:
    """The rows with every cell as its column declares it. Raises TableFault, UnreadableTable."""
    kept = list(islice(table.rows, MAX_ROWS + 1))
    if len(kept) > MAX_ROWS:
        raise TableFault(f"has more than {MAX_ROWS:,} rows: cut it into several tables")
    declared = dict(shape.columns)
    columns = table.columns
    if columns is None:
        columns = list(dict.fromkeys(name for _, row in kept for name in row))
    if len(columns) > MAX_COLUMNS:
        raise TableFault(f"has more than {MAX_COLUMNS:,} columns")
    _check_columns(declared, columns, is_empty=not kept and table.columns is None)
    reading = _Reading(table.unit, declared, [*columns, *(n for n in declared if n not in columns)])
    rows = [reading.row(number, row) for number, row in kept]
    if reading.faults:
        raise UnreadableTable(*reading.sentences())
    return rows


def _check_columns(declared: Mapping[str, Shape], columns: list[str], *, is_empty: bool) -> None:
    for name, shape in declared.items():
        if name in columns or is_empty or shape.optional or shape.default is not MISSING:
            continue
        near = did_you_mean(name, columns)
        hint = f"did you mean `{near}`?" if near else f"it has {alternatives(columns, 'and')}"
        raise TableFault(f"has no column `{name}`: {hint}")


class _Reading:
    """One reading of all rows; collects the faults of cells."""

    def __init__(self, unit: str, declared: Mapping[str, Shape], columns: list[str]) -> None:
        self.faults: list[str] = []
        self._unit = unit
        self._columns = [(name, declared.get(name)) for name in columns]

    def row(self, number: int, cells: Mapping[str, Any]) -> JSON:
        """One row by column; cells with faults are null in it."""
        row: dict[str, JSON] = {}
        for name, shape in self._columns:
            try:
                cell = cells.get(name)
                row[name] = _text_cell(name, cell) if shape is None else _cell(name, shape, cell)
            except TableFault as fault:
                row[name] = None
                self.faults.append(f"{self._unit} {number}: {fault}")
        return row

    def sentences(self) -> list[str]:
        """The faults as they are told, the many cut short."""
        more = len(self.faults) - _MOST_FAULTS
        if more <= 0:
            return self.faults
        return [*self.faults[:_MOST_FAULTS], f"has {more:,} more mistakes of this kind"]


def _text_cell(name: str, cell: JSON) -> str:
    if cell is None:
        return ""
    if isinstance(cell, list | Mapping):
        said = f"`{name}` holds {found(cell)}: give the column a shape under `columns`"
        raise TableFault(said)
    return cell if isinstance(cell, str) else _spelled(cell)


def _spelled(cell: JSON) -> str:
    return str(getattr(cell, "spelling", None) or json.dumps(cell))


def _cell(name: str, shape: Shape, cell: JSON) -> JSON:
    """A cell of a column with a shape. An empty one is null where the column is optional."""
    is_empty = cell is None or (isinstance(cell, str) and not cell.strip())
    if is_empty and shape.default is not MISSING:
        return shape.default
    if is_empty and shape.optional:
        return None
    if shape.kind == "text":
        return _text_cell(name, cell)
    if is_empty:
        raise TableFault(f"`{name}` is empty")
    if isinstance(cell, str):
        try:
            return read_plain(shape, cell)
        except UnreadableValue as fault:
            raise TableFault(str(fault).replace("the value", f"`{name}`", 1)) from None
    faults = check_value(shape, cell, name)
    if faults:
        raise TableFault(faults[0])
    return plain(cell)
