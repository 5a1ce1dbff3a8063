"""Tables as people have them: delimiters, quotes, encodings, and every way to go wrong."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowrunner.language.shapes import Shape
from flowrunner.project import tables
from flowrunner.project.tables import UnreadableTable, check_rows, read_table

PLAIN = Shape("table")
TEXT = Shape("text")
NUMBER = Shape("number")


def typed(**columns: Shape) -> Shape:
    return Shape("table", columns=tuple(columns.items()))


def read(content: str | bytes, name: str = "t.csv", shape: Shape = PLAIN) -> list[Any]:
    return read_table(content.encode() if isinstance(content, str) else content, name, shape)


def faults(content: str | bytes, name: str = "t.csv", shape: Shape = PLAIN) -> list[str]:
    with pytest.raises(UnreadableTable) as fault:
        read(content, name, shape)
    return list(fault.value.sentences)


ROWS = [{"name": "Ann", "city": "Ulm"}, {"name": "Bo", "city": ""}]


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ("name,city\nAnn,Ulm\nBo,\n", "t.csv"),
        ("name;city\r\nAnn;Ulm\r\nBo;\r\n", "t.csv"),
        ("name\tcity\nAnn\tUlm\nBo\t", "t.tsv"),
        ("name\tcity\nAnn\tUlm\nBo\t", "t.txt"),
        ("name|city\rAnn|Ulm\rBo|\r", "t.csv"),
        ("sep=;\r\nname;city\r\nAnn;Ulm\r\nBo;\r\n", "t.csv"),
        ('"name" , city \n'.replace('" ,', '",') + '\n"Ann","Ulm"\n\nBo,""\n', "T.CSV"),
        ("\ufeffname,city\nAnn,Ulm\nBo,\n", "t.csv"),
        ("name,city\n   \nAnn,Ulm\n\n\nBo,\n\n", "t.csv"),
        ("\ufeffname;city\nAnn;Ulm\nBo;\n".encode("utf-16-le"), "t.csv"),
        ('{"name": "Ann", "city": "Ulm"}\n\n{"name": "Bo"}\n', "t.jsonl"),
        ('{"name": "Ann", "city": "Ulm"}\r\n{"name": "Bo", "city": null}', "t.ndjson"),
        ('[{"name": "Ann", "city": "Ulm"}, {"name": "Bo"}]', "t.json"),
        ('\ufeff [{"name": "Ann", "city": "Ulm"}, {"name": "Bo"}]', "standard input"),
        ('{"name": "Ann", "city": "Ulm"}\n{"name": "Bo"}', "standard input"),
    ],
)
def test_one_table_in_many_forms(content: str | bytes, name: str) -> None:
    assert read(content, name) == ROWS


def test_cells_keep_what_quotes_hold() -> None:
    content = 'a,b\n"x, ""y""\r\nz", s p \n1_000,é\n'
    assert read(content) == [{"a": 'x, "y"\r\nz', "b": " s p "}, {"a": "1_000", "b": "é"}]


@pytest.mark.parametrize(
    ("content", "columns"),
    [
        ("name;amount, EUR\nAnn;1,50\nBo;2,75\n", ["name", "amount, EUR"]),
        ("question\nhow\nwhy\n", ["question"]),
        ('a,b\n"x;y;z","1;2"\n"p;q;r","3;4"\n', ["a", "b"]),
        ("a;b;c\n1,5;2,5;3,5\n", ["a", "b", "c"]),
    ],
)
def test_the_delimiter_is_the_one_that_fits_header_and_rows(
    content: str, columns: list[str]
) -> None:
    assert list(read(content)[0]) == columns


def test_columns_with_a_shape() -> None:
    shape = typed(
        amount=NUMBER,
        paid=Shape("yes_no"),
        due=Shape("date"),
        note=Shape("text", optional=True),
        team=Shape("choice", choices=("bug", "other"), default="other"),
        rank=Shape("integer", optional=True),
    )
    content = (
        "id,amount,paid,due,note,team,rank\n"
        "07, 3.50 ,yes,2026-01-31,,,\n"
        "08,4,false,2026-02-01,x,bug,2"
    )
    assert read(content, shape=shape) == [
        {
            "id": "07", "amount": 3.5, "paid": True, "due": "2026-01-31",
            "note": None, "team": "other", "rank": None,
        },
        {
            "id": "08", "amount": 4, "paid": False, "due": "2026-02-01",
            "note": "x", "team": "bug", "rank": 2,
        },
    ]  # fmt: skip


def test_json_cells_are_text_like_all_others_unless_a_column_has_a_shape() -> None:
    content = '[{"a": 1, "b": 2.5, "c": true, "d": 4}]'
    shape = typed(d=NUMBER, e=Shape("list", item=TEXT, optional=True))
    assert read(content, "t.json", shape) == [
        {"a": "1", "b": "2.5", "c": "true", "d": 4, "e": None}
    ]
    shape = typed(tags=Shape("list", item=TEXT))
    assert read('{"tags": ["x"]}', "t.jsonl", shape) == [{"tags": ["x"]}]
    assert read('tags\n"[""x""]"', shape=shape) == [{"tags": ["x"]}]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is empty: its first line must name the columns"),
        ("\n\n", "is empty: its first line must name the columns"),
        ("a,b\n1,2\n1,2,3\n", "line 3: 3 cells, and the header has 2; a cell that holds `,` needs"),
        ("a;b\n1;2\n1\n", "line 3: 1 cell, and the header has 2"),
        ("question\nwell, why\n", "line 2: 2 cells, and the header has 1"),
        ("a,a\n1,2\n", "line 1: the header names the column `a` twice"),
        ("\na, a \n1,2\n", "line 2: the header names the column `a` twice"),
        ("a,,c\n1,2,3\n", "line 1: the header has no name for column 2"),
        ('a,b\n1,"x\ny\n', "line 2: a quote is opened here and never closed"),
        ('a,b\n"x\ny",1\n1,"x"y\n', "line 4: text follows behind a closing quote"),
        (f"a\n{'x' * 200_000}\n", "line 2: a cell is longer than 131,072 characters"),
        (b"a,b\n1,\xff\n", "line 2: this is not UTF-8"),
        (b"a,b\r\n1,2\r\n\xe4,2", "line 3: this is not UTF-8"),
        (b"a,b\n1,\x00\n", "is a binary file"),
        (b"PK\x03\x04 and more", "is a spreadsheet or another archive"),
        (b"\xff\xfea", "is broken UTF-16"),
    ],
)
def test_what_is_no_table(content: str | bytes, said: str) -> None:
    (sentence,) = faults(content)
    assert said in sentence


@pytest.mark.parametrize(
    ("content", "name", "said"),
    [
        ("{}", "t.json", "must be a list of rows, found an object"),
        ("[1]", "t.json", "row 1: a row must be a mapping such as"),
        ('[{"a": 1}, {"a": [1]}]', "t.json", "row 2: `a` holds a list: give the column a shape"),
        ("[", "t.json", "is not JSON: line 1"),
        ('{"a": 1}\n{"a": }\n', "t.jsonl", "line 2: this is not JSON: a value is missing"),
        ('{"a": 1, "a": 2}', "t.jsonl", "line 1: this is not JSON: the key `a` is given twice"),
        ('{"a": 1}\n"x"\n', "t.jsonl", "line 2: a row must be a mapping such as"),
        ("nonsense", "t.jsonl", "line 1: this is not JSON"),
    ],
)
def test_what_is_no_table_of_json(content: str, name: str, said: str) -> None:
    (sentence,) = faults(content, name)
    assert said in sentence


def test_cells_that_do_not_fit_their_columns() -> None:
    shape = typed(amount=NUMBER, due=Shape("date"))
    content = 'amount,due\nmany,2026-01-31\n,2026-01-31\n"1,5",2026-02-30\n'
    assert faults(content, shape=shape) == [
        "line 2: `amount` must be a number, found the text `many`",
        "line 3: `amount` is empty",
        "line 4: `amount` must be a number with a point, such as `1.5`, found `1,5`",
        (
            "line 4: `due` must be a date that exists, written as `2026-01-31`, "
            "found the text `2026-02-30`"
        ),
    ]
    (told,) = faults('[{"amount": true}]', "t.json", typed(amount=NUMBER))
    assert told == "row 1: `amount` must be a number, found `true`"
    (told,) = faults('[{"amount": 1}, {}]', "t.json", typed(amount=NUMBER))
    assert told == "row 2: `amount` is empty"


def test_many_faults_are_cut_short() -> None:
    told = faults("n\n" + "x\n" * 1500, shape=typed(n=NUMBER))
    assert len(told) == 11
    assert told[-1] == "has 1,490 more mistakes of this kind"


def test_columns_that_are_missing() -> None:
    shape = typed(amount=NUMBER)
    assert faults("name,Amount\na,1\n", shape=shape) == [
        "has no column `amount`: did you mean `Amount`?"
    ]
    assert faults("name,city\na,b\n", shape=shape) == [
        "has no column `amount`: it has `name` and `city`"
    ]
    optional = typed(amount=Shape("number", optional=True))
    assert read("name\na\n", shape=optional) == [{"name": "a", "amount": None}]
    assert read("[]", "t.json", shape) == []
    assert read("amount\n", shape=shape) == []


def test_tables_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MAX_ROWS", 3)
    assert len(read("a\n1\n2\n3\n")) == 3
    assert faults("a\n1\n2\n3\n4\n") == ["has more than 3 rows: cut it into several tables"]
    monkeypatch.setattr(tables, "MAX_COLUMNS", 2)
    assert faults("a,b,c\n1,2,3\n") == ["has more than 2 columns"]


def test_rows_that_stand_in_a_file_of_inputs() -> None:
    assert check_rows([{"a": 1, "b": "2"}], typed(b=NUMBER)) == [{"a": "1", "b": 2}]
    with pytest.raises(UnreadableTable, match="row 1: a row must be a mapping"):
        check_rows(["a"], PLAIN)


NAMES = st.lists(
    st.text("abcdefgh XYZ_0123", min_size=1).filter(lambda name: name == name.strip()),
    min_size=1,
    max_size=5,
    unique=True,
)
CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
TABLES = NAMES.flatmap(
    lambda names: st.tuples(
        st.just(names),
        st.lists(st.lists(CELLS, min_size=len(names), max_size=len(names)), max_size=6),
    )
)


@given(
    TABLES,
    st.sampled_from(",;\t|"),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    st.sampled_from([("\r\n", csv.QUOTE_MINIMAL), ("\n", csv.QUOTE_ALL), ("\r", csv.QUOTE_ALL)]),
)
@settings(max_examples=200)
def test_what_a_writer_of_csv_writes_is_read_back(
    table: tuple[list[str], list[list[str]]], delimiter: str, encoding: str, ends: tuple[str, Any]
) -> None:
    columns, rows = table
    if len(columns) == 1:
        # Nothing in such a header tells the delimiter, and none is needed.
        delimiter, ends = ",", ("\r\n", csv.QUOTE_ALL)
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, delimiter=delimiter, lineterminator=ends[0], quoting=ends[1])
    writer.writerows([columns, *rows])
    found = read(stream.getvalue().encode(encoding))
    assert found == [dict(zip(columns, row, strict=True)) for row in rows]


@given(st.lists(st.dictionaries(st.sampled_from("abc"), CELLS), max_size=5), st.booleans())
def test_rows_of_json_are_read_back(rows: list[dict[str, str]], as_lines: bool) -> None:
    lines = "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)
    found = read(lines, "t.jsonl") if as_lines else read(json.dumps(rows), "t.json")
    names = {name for row in rows for name in row}
    assert found == [{name: row.get(name, "") for name in names} for row in rows]


@given(st.binary() | st.text().map(str.encode), st.sampled_from(["t.csv", "t.tsv", "t.json", "-"]))
def test_no_bytes_raise_anything_else(content: bytes, name: str) -> None:
    try:
        assert isinstance(read(content, name, typed(a=NUMBER)), list)
    except UnreadableTable as fault:
        assert fault.sentences  # noqa: PT017
