"""Arguments of a called workflow, and the inputs that nobody may see."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flowrunner.language.shapes import Shape
from flowrunner.language.workflow.parts import Input
from flowrunner.project.arguments import check_arguments, read_arguments, secret_values

TEXT = Shape("text")
TABLE = Shape("table", columns=(("amount", Shape("number")),))
RECORD = {"path": "a.txt", "name": "a.txt", "stem": "a", "ext": "txt", "size": 1, "text": "a"}


def inputs(**shapes: Shape) -> list[Input]:
    return [Input(name, shape) for name, shape in shapes.items()]


@pytest.mark.parametrize(
    ("shape", "value"),
    [
        (TEXT, "x"),
        (Shape("text", optional=True), None),
        (Shape("file"), RECORD),
        (Shape("file"), "a.txt"),
        (Shape("files"), [RECORD]),
        (Shape("files"), []),
        (Shape("files"), ["a.txt", "b.txt"]),
        (Shape("files"), "*.txt"),
        (Shape("list", item=Shape("file")), [RECORD]),
        (TABLE, [{"amount": 3, "who": "Ann"}]),
        (TABLE, "t.csv"),
        (Shape("json"), {"any": [1]}),
    ],
)
def test_arguments_in_order(shape: Shape, value: Any) -> None:
    assert check_arguments(inputs(x=shape), {"x": value}) == []


@pytest.mark.parametrize(
    ("shape", "value", "said"),
    [
        (TEXT, 3, "`x` must be text, found the number `3`"),
        (TEXT, None, "`x` must be text, found nothing"),
        (Shape("file"), {"path": "a"}, "`x` must be the path of a file, found an object"),
        (Shape("files"), [RECORD, 3], "`x[0]` must be the path of a file, found an object"),
        (TABLE, 3, "`x` must be a list of rows, found the number `3`"),
        (TABLE, ["a"], "`x`: the table, row 1: a row must be a mapping"),
        (TABLE, [{"amount": "many"}], "`x`: the table, row 1: `amount` must be a number"),
        (Shape("text", secret=True), "CANA", "`x` is secret, but too short"),
    ],
)
def test_arguments_that_do_not_fit(shape: Shape, value: Any, said: str) -> None:
    told = check_arguments(inputs(x=shape), {"x": value})
    assert told[0].startswith(said), told
    assert "CANA" not in "".join(told)


def test_names_of_arguments() -> None:
    declared = inputs(ticket=TEXT, count=Shape("integer", default=3))
    assert check_arguments(declared, {"tickt": "x"}) == [
        "there is no input `tickt`: did you mean `ticket`?",
        "the input `ticket` is missing",
    ]


def test_arguments_are_read_and_filled_in(tmp_path: Path) -> None:
    (tmp_path / "caller").mkdir()
    (tmp_path / "called").mkdir()
    (tmp_path / "caller" / "t.csv").write_text("who,amount\nAnn,3\n")
    (tmp_path / "called" / "d.txt").write_text("default")
    declared = inputs(
        bills=TABLE,
        more=TABLE,
        doc=Shape("file", default="d.txt"),
        other=Shape("file"),
        note=Shape("text", optional=True),
        count=Shape("integer", default=3),
    )
    rows = [{"amount": 4}]
    given = {"bills": "t.csv", "more": rows, "other": RECORD}
    places = {"folder": tmp_path / "caller", "workflow_folder": tmp_path / "called"}
    values, faults = read_arguments(declared, given, **places)
    assert faults == []
    assert values["bills"] == [{"who": "Ann", "amount": 3}]
    assert values["more"] == rows
    assert (values["doc"]["text"], values["doc"]["path"]) == ("default", "d.txt")
    assert (values["other"], values["note"], values["count"]) == (RECORD, None, 3)
    values, faults = read_arguments(declared, {"bills": "no.csv", "oter": "x"}, **places)
    assert values == {}
    assert "there is no input `oter`: did you mean `other`?" in faults
    assert "the input `bills`: `no.csv` does not exist" in faults


def test_secret_values() -> None:
    declared = inputs(
        name=TEXT, pin=Shape("text", secret=True), none=Shape("text", secret=True, optional=True)
    )
    assert secret_values(declared, {"name": "Ann", "pin": "CANARY", "none": None}) == ("CANARY",)
