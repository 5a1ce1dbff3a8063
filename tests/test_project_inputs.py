"""Inputs from the command line, files and people: every fault at once, each a sentence."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given as any_of
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from flowrunner.errors import ExitStatus, UsageError
from flowrunner.language.shapes import MISSING, Shape
from flowrunner.language.workflow.parts import Input
from flowrunner.project import files, globs, loading
from flowrunner.project.inputs import Given, read_inputs

TEXT = Shape("text")
CHOICE = Shape("choice", choices=("billing", "bug", "other"))


def read(declared: dict[str, Shape], *pairs: str, **given: Any) -> dict[str, Any]:
    inputs = [Input(name, shape) for name, shape in declared.items()]
    return read_inputs(inputs, Given(pairs, **given))


def faults(declared: dict[str, Shape], *pairs: str, **given: Any) -> list[str]:
    with pytest.raises(UsageError) as fault:
        read(declared, *pairs, **given)
    assert fault.value.exit_status is ExitStatus.USAGE
    return fault.value.message.splitlines()


@pytest.mark.parametrize(
    ("shape", "text", "value"),
    [
        (TEXT, "a=b c", "a=b c"),
        (TEXT, "", ""),
        (TEXT, "3.10", "3.10"),
        (TEXT, "@@jack", "@jack"),
        (Shape("number"), "3.5", 3.5),
        (Shape("integer"), "12", 12),
        (Shape("yes_no"), "true", True),
        (Shape("date"), "2026-01-31", "2026-01-31"),
        (CHOICE, "bug", "bug"),
        (Shape("json"), '{"a": [1]}', {"a": [1]}),
        (Shape("list", item=TEXT), "a", ["a"]),
        (Shape("list", item=TEXT), '["a", "b"]', ["a", "b"]),
        (Shape("list", item=TEXT), "[x", ["[x"]),
        (Shape("list", item=Shape("integer")), "[1, 2]", [1, 2]),
        (Shape("object", fields=(("a", TEXT),)), '{"a": "x"}', {"a": "x"}),
    ],
)
def test_values_of_the_command_line(shape: Shape, text: str, value: Any) -> None:
    assert read({"x": shape}, f"x={text}") == {"x": value}


def test_a_list_is_given_piece_by_piece() -> None:
    assert read({"x": Shape("list", item=TEXT)}, "x=a", "x=b") == {"x": ["a", "b"]}


def test_all_faults_come_at_once(tmp_path: Path) -> None:
    declared = {
        "ticket": Shape("text", describe="The customer's message"),
        "team": CHOICE,
        "count": Shape("integer"),
        "twice": TEXT,
        "letter": TEXT,
    }
    pairs = ["tem=bug", "team=bugg", "count=many", "twice=a", "twice=b", "letter=@no.txt", "oops"]
    told = faults(declared, *pairs, folder=tmp_path)
    assert len(told) == 7
    said = "\n".join(told)
    assert "the input `ticket` (The customer's message) is missing" in said
    assert "there is no input `tem`: did you mean `team`?" in said
    assert "did you mean `bug`?" in said
    assert "`count` must be a whole number" in said
    assert "`twice` is given 2 times" in said
    assert "`no.txt` does not exist" in said
    assert "has no `=`" in said
    assert "oops" not in said


def test_unknown_inputs_name_what_there_is() -> None:
    assert faults({"a": TEXT, "b": TEXT}, "a=1", "b=2", "zzzz=3") == [
        "there is no input `zzzz`: there is `a` and `b`"
    ]
    assert "takes none" in faults({}, "a=1")[0]


def test_optional_inputs_and_defaults() -> None:
    declared = {
        "a": Shape("text", optional=True),
        "b": Shape("integer", default=7),
        "c": Shape("text", optional=True, default=None),
        "d": CHOICE,
    }
    assert read(declared, "d=bug") == {"a": None, "b": 7, "c": None, "d": "bug"}


def test_a_person_is_asked_for_what_is_missing() -> None:
    asked: list[str] = []

    def ask(known: Input) -> str:
        asked.append(known.name)
        return {"a": "hello", "n": "5"}[known.name]

    declared = {"a": TEXT, "b": Shape("text", optional=True), "n": Shape("integer")}
    assert read(declared, ask=ask) == {"a": "hello", "b": None, "n": 5}
    assert asked == ["a", "n"]


def test_nobody_is_asked_when_something_is_wrong_already() -> None:
    def ask(known: Input) -> str:
        raise AssertionError(known)

    assert len(faults({"a": TEXT, "n": Shape("integer")}, "n=x", ask=ask)) == 2


@pytest.mark.parametrize("reply", ["", "  ", EOFError()])
def test_no_answer_leaves_the_input_missing(reply: Any) -> None:
    def ask(_: Input) -> str:
        if isinstance(reply, EOFError):
            raise reply
        return str(reply)

    assert "`a` is missing" in faults({"a": TEXT}, ask=ask)[0]


def test_text_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_bytes("\ufeffgrüße\r\n".encode())
    assert read({"a": TEXT}, "a=@t.txt", folder=tmp_path) == {"a": "grüße\r\n"}
    (tmp_path / "n.txt").write_text("12\n")
    assert read({"a": Shape("integer")}, "a=@n.txt", folder=tmp_path) == {"a": 12}
    (tmp_path / "j.json").write_text('{"a": 1}')
    assert read({"a": Shape("json")}, "a=@j.json", folder=tmp_path) == {"a": {"a": 1}}


def test_files_that_are_no_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_TEXT_BYTES", 1024 * 1024)
    (tmp_path / "folder").mkdir()
    (tmp_path / "binary").write_bytes(b"\x89PNG\x00\x01")
    (tmp_path / "latin").write_bytes("grüße".encode("latin-1"))
    (tmp_path / "utf16").write_bytes("grüße".encode("utf-16"))
    (tmp_path / "big").write_bytes(b"x" * (1024 * 1024 + 1))
    (tmp_path / "broken").symlink_to(tmp_path / "nowhere")
    said = {
        "missing": "does not exist",
        "folder": "is a folder",
        "binary": "is a binary file",
        "latin": "is not UTF-8",
        "utf16": "is UTF-16",
        "big": "is larger than 1 MB",
        "broken": "leads nowhere",
        "binary/below": "cannot be opened",
        "nul\0": "cannot be opened",
    }
    for name, sentence in said.items():
        (told,) = faults({"a": TEXT}, f"a=@{name}", folder=tmp_path)
        assert told.startswith(f"the input `a`: `{name}` ")
        assert sentence in told
    assert "`-i a=@@…`" in faults({"a": TEXT}, "a=@jack", folder=tmp_path)[0]


def test_standard_input() -> None:
    assert read({"a": TEXT}, "a=@-", stdin=io.BytesIO(b"piped")) == {"a": "piped"}
    closed = io.BytesIO()
    closed.close()
    for stdin in (None, closed):
        assert "standard input is closed" in faults({"a": TEXT}, "a=@-", stdin=stdin)[0]
    told = faults({"a": TEXT, "b": TEXT}, "a=@-", "b=@-", stdin=io.BytesIO(b"x"))
    assert "read for something else already" in told[0]
    told = faults({"a": TEXT}, "a=@-", inputs_file="-", stdin=io.BytesIO(b"a: x"))
    assert "read for something else already" in told[0]


def test_what_a_file_input_offers(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "Letter.TXT").write_text("hello")
    for given in ("doc=in/Letter.TXT", "doc=@in/Letter.TXT"):
        found = read({"doc": Shape("file")}, given, folder=tmp_path, workflow_folder=tmp_path)
        assert found["doc"] == {
            "path": "in/Letter.TXT",
            "name": "Letter.TXT",
            "stem": "Letter",
            "ext": "txt",
            "size": 5,
            "sha256": hashlib.sha256(b"hello").hexdigest(),
            "text": "hello",
        }


def test_a_binary_file_has_no_text_and_one_elsewhere_its_whole_path(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG\0")
    (tmp_path / "flows").mkdir()
    found = read(
        {"a": Shape("file")}, "a=a.png", folder=tmp_path, workflow_folder=tmp_path / "flows"
    )["a"]
    assert (found["text"], found["path"], found["size"]) == (None, str(tmp_path / "a.png"), 5)


def test_a_large_file_keeps_its_digest_without_its_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MAX_TEXT_BYTES", 10)
    monkeypatch.setattr(files, "MAX_FILE_BYTES", 20)
    (tmp_path / "a").write_bytes(b"x" * 15)
    found = read({"a": Shape("file")}, "a=a", folder=tmp_path)["a"]
    assert (found["text"], found["sha256"]) == (None, hashlib.sha256(b"x" * 15).hexdigest())
    (tmp_path / "a").write_bytes(b"x" * 25)
    assert "is larger than" in faults({"a": Shape("file")}, "a=a", folder=tmp_path)[0]


def test_a_default_file_stands_beside_the_workflow(tmp_path: Path) -> None:
    (tmp_path / "flow").mkdir()
    (tmp_path / "flow" / "d.txt").write_text("default")
    declared = {"a": Shape("file", default="d.txt")}
    found = read(declared, folder=tmp_path, workflow_folder=tmp_path / "flow")
    assert (found["a"]["text"], found["a"]["path"]) == ("default", "d.txt")


YAML = """\
ticket: |
  Two lines
  of text
version: 3.10
count: 4
tags: [1.0, two]
flag: true
doc: letter.txt
"""


def test_a_yaml_file_of_inputs(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "inputs.yaml").write_text(YAML)
    (tmp_path / "in" / "letter.txt").write_text("dear")
    declared = {
        "ticket": TEXT,
        "version": TEXT,
        "count": Shape("integer"),
        "tags": Shape("list", item=TEXT),
        "flag": Shape("yes_no"),
        "doc": Shape("file"),
    }
    found = read(declared, "count=5", inputs_file="in/inputs.yaml", folder=tmp_path)
    assert found["doc"]["text"] == "dear"
    del found["doc"]
    assert found == {
        "ticket": "Two lines\nof text\n",
        "version": "3.10",
        "count": 5,
        "tags": ["1.0", "two"],
        "flag": True,
    }
    assert type(read({"n": Shape("number")}, **_stdin(b"n: 2.50"))["n"]) is float


def _stdin(content: bytes) -> dict[str, Any]:
    return {"inputs_file": "-", "stdin": io.BytesIO(content)}


@pytest.mark.parametrize(
    "content", [b'{"a": "x"}', b"a: x", b"{a: x}", b"\xef\xbb\xbfa: x\r\n", b'\n {"a":\n"x"}']
)
def test_inputs_on_standard_input(content: bytes) -> None:
    assert read({"a": TEXT}, **_stdin(content)) == {"a": "x"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "must hold inputs by name"),
        (b"# nothing\n", "must hold inputs by name"),
        (b"- a\n- b\n", "must hold inputs by name"),
        (b"just text", "must hold inputs by name"),
        (b"a: x\na: y\n", "standard input:2:1"),
        (b"a: [x\n", "standard input:"),
        (b"\xff\xfea", "UTF-16"),
        (b"\x00", "binary"),
        (b"b: 1\na: x", "there is no input `b`"),
        (b"a: [x]", "`a` must be text, found a list"),
    ],
)
def test_files_of_inputs_that_cannot_be_used(content: bytes, said: str) -> None:
    told = faults({"a": TEXT}, **_stdin(content))
    assert said in told[0]
    assert len(told) == 1


def test_a_json_file_of_inputs(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"a": "x", "n": 5}')
    declared = {"a": TEXT, "n": TEXT}
    assert read(declared, inputs_file="a.json", folder=tmp_path) == {"a": "x", "n": "5"}
    (tmp_path / "a.json").write_text('{"a": "x",}')
    (told,) = faults({"a": TEXT}, inputs_file="a.json", folder=tmp_path)
    assert told.startswith("`a.json` is not JSON: line 1")
    (tmp_path / "a.json").write_text("[1]")
    assert "by name" in faults({"a": TEXT}, inputs_file="a.json", folder=tmp_path)[0]
    assert "does not exist" in faults({"a": TEXT}, inputs_file="b.json", folder=tmp_path)[0]


def test_a_secret_is_not_shown_in_a_fault() -> None:
    declared = {"pin": Shape("integer", secret=True)}
    (told,) = faults(declared, "pin=CANARY")
    assert "CANARY" not in told
    assert "`pin`" in told


def test_lists_of_files(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("1")
    (tmp_path / "b.txt").write_text("2")
    declared = {"docs": Shape("list", item=Shape("file"))}
    for pairs in (["docs=a.txt", "docs=@b.txt"], ['docs=["a.txt", "b.txt"]']):
        found = read(declared, *pairs, folder=tmp_path)
        assert [doc["text"] for doc in found["docs"]] == ["1", "2"]


def test_a_table_from_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "bills.csv").write_text("who;amount\nAnn;3\n")
    shape = Shape("table", columns=(("amount", Shape("number")),))
    rows = [{"who": "Ann", "amount": 3}]
    for given in ("bills=in/bills.csv", "bills=@in/bills.csv", 'bills=[{"who":"Ann","amount":3}]'):
        assert read({"bills": shape}, given, folder=tmp_path) == {"bills": rows}
    stdin = io.BytesIO(b"who,amount\nAnn,3\n")
    assert read({"bills": shape}, "bills=@-", stdin=stdin) == {"bills": rows}


def test_a_table_from_a_file_of_inputs_and_by_default(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "bills.csv").write_text("who,amount\nAnn,3\n")
    (tmp_path / "in" / "a.yaml").write_text("bills: bills.csv\n")
    (tmp_path / "in" / "b.yaml").write_text("bills: [{ who: 007, amount: 3.50 }]\n")
    shape = Shape("table", columns=(("amount", Shape("number")),))
    found = read({"bills": shape}, inputs_file="in/a.yaml", folder=tmp_path)
    assert found == {"bills": [{"who": "Ann", "amount": 3}]}
    found = read({"bills": shape}, inputs_file="in/b.yaml", folder=tmp_path)
    assert found == {"bills": [{"who": "007", "amount": 3.5}]}
    assert type(found["bills"][0]["amount"]) is float
    by_default = Shape("table", default="bills.csv")
    found = read({"bills": by_default}, workflow_folder=tmp_path / "in")
    assert found == {"bills": [{"who": "Ann", "amount": "3"}]}
    assert read({"bills": Shape("table", optional=True)}) == {"bills": None}


def test_a_table_with_mistakes(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,n\n1,x\n2,y\n")
    shape = Shape("table", columns=(("n", Shape("number")),))
    assert faults({"t": shape}, "t=t.csv", folder=tmp_path) == [
        "the input `t`: `t.csv`, line 2: `n` must be a number, found the text `x`",
        "the input `t`: `t.csv`, line 3: `n` must be a number, found the text `y`",
    ]
    for given, said in (
        ("t=none.csv", "the input `t`: `none.csv` does not exist"),
        ("t=.", "the input `t`: `.` is a folder, not a file"),
        ("t=https://a.example/t.csv", "is an address, not a path"),
        ("t=@-", "the input `t`: standard input is closed"),
        ("t=[1]", "the input `t`: the table, row 1: a row must be a mapping"),
    ):
        (told,) = faults({"t": shape}, given, folder=tmp_path)
        assert said in told
    (told,) = faults({"t": shape}, **_stdin(b"t: 3"), folder=tmp_path)
    assert told == "`t` must be a list of rows, found the number `3`"
    assert "`-i t=FILE.csv`" in faults({"t": shape})[0]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("in/b.txt", "in/a.txt", "in/c.md", "in/.hidden", "in/deep/d.txt", "in/x[1].txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "in" / ".git").mkdir()
    (tmp_path / "in" / ".git" / "e.txt").write_text("e")
    (tmp_path / "in" / "folder.txt").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("patterns", "paths"),
    [
        (["in/*.txt"], ["in/a.txt", "in/b.txt", "in/x[1].txt"]),
        (["@in/?.txt"], ["in/a.txt", "in/b.txt"]),
        (["in/**/*.txt"], ["in/a.txt", "in/b.txt", "in/deep/d.txt", "in/x[1].txt"]),
        (["in/x[1].txt"], ["in/x[1].txt"]),
        (["in/*.md", "in/[ab].txt", "in/a.*"], ["in/a.txt", "in/b.txt", "in/c.md"]),
        (["./in/deep/../c*"], ["in/c.md"]),
    ],
)
def test_files_are_those_that_match_sorted_by_path(
    folder: Path, patterns: list[str], paths: list[str]
) -> None:
    pairs = [f"x={pattern}" for pattern in patterns]
    found = read({"x": Shape("files")}, *pairs, folder=folder, workflow_folder=folder)["x"]
    assert [each["path"] for each in found] == paths
    assert [each["text"] for each in found] == paths
    assert set(found[0]) == {"path", "name", "stem", "ext", "size", "sha256", "text"}


def test_files_of_a_file_of_inputs_and_by_default(folder: Path) -> None:
    (folder / "in" / "one.yaml").write_text("x: '*.md'\n")
    (folder / "in" / "two.yaml").write_text("x: ['*.md', deep/*]\n")
    declared = {"x": Shape("files")}
    for name, paths in (("one", ["c.md"]), ("two", ["c.md", "deep/d.txt"])):
        given = {"inputs_file": f"in/{name}.yaml", "folder": folder}
        found = read(declared, workflow_folder=folder / "in", **given)["x"]
        assert [each["path"] for each in found] == paths
    found = read({"x": Shape("files", default="*.md")}, workflow_folder=folder / "in")["x"]
    assert [each["path"] for each in found] == ["c.md"]


def test_files_that_are_none(folder: Path) -> None:
    declared = {"x": Shape("files")}
    for given, said in (
        ("in/*.pdf", "the input `x`: `in/*.pdf` matches no file"),
        ("in/.*", "the input `x`: `in/.*` matches no file"),
        ("in/.hidden", "`in/.hidden` begins with a dot: such files are never taken"),
        ("in/a.tx", "the input `x`: `in/a.tx` does not exist"),
        ("in", "`in` is a folder: write `in/*` for the files in it"),
        ("in/", "`in/` is a folder: write `in/*` for the files in it"),
        ("file:///etc/passwd", "is an address, not a path"),
        ("nul\0*", "matches no file"),
    ):
        told = faults(declared, f"x={given}", folder=folder)
        assert len(told) == 1
        assert said in told[0]
    assert read({"x": Shape("files", optional=True)}, "x=in/*.pdf", folder=folder) == {"x": []}
    assert read({"x": Shape("files", optional=True)}) == {"x": None}


def test_the_text_of_all_files_is_bounded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "MAX_TEXT_BYTES", 20)
    (folder / "in" / "p.bin").write_bytes(b"\0" * 100)
    assert len(read({"x": Shape("files")}, "x=in/[ap].*", folder=folder)["x"]) == 2
    told = faults(
        {"x": Shape("files"), "y": Shape("file")}, "x=in/?.*", "y=in/p.bin", folder=folder
    )
    assert len(told) == 1
    assert "MB of text together: give fewer" in told[0]


def test_a_pattern_that_matches_too_much(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(globs, "MAX_FILES", 2)
    assert "matches more than 2 files" in faults({"x": Shape("files")}, "x=in/*", folder=folder)[0]


def test_a_file_is_no_address(tmp_path: Path) -> None:
    for path in ("https://a.example/x.pdf", "file:///etc/passwd", "FILE:x"):
        (told,) = faults({"x": Shape("file")}, f"x={path}", folder=tmp_path)
        assert told.startswith(f"the input `x`: `{path}` is an address")


def test_a_list_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "l.json").write_text('["a", "@b"]')
    (tmp_path / "t.txt").write_text("@text")
    declared = {"x": Shape("list", item=TEXT)}
    assert read(declared, "x=@l.json", folder=tmp_path) == {"x": ["a", "@b"]}
    assert read(declared, "x=@t.txt", folder=tmp_path) == {"x": ["@text"]}
    assert read(declared, "x=@t.txt", "x=@@b", folder=tmp_path) == {"x": ["@text", "@b"]}


def test_a_list_of_files(folder: Path) -> None:
    declared = {"x": Shape("list", item=Shape("file"))}
    for given in (["x=in/b.txt", "x=in/a.txt"], ['x=["in/b.txt", "in/a.txt"]']):
        found = read(declared, *given, folder=folder, workflow_folder=folder)["x"]
        assert [each["path"] for each in found] == ["in/b.txt", "in/a.txt"]
    (told,) = faults(declared, "x=[1, {}]", folder=folder)
    assert told == "`x[1]` must be the path of a file, found an object"


def test_a_secret_is_never_shown_and_long_enough_to_be_masked() -> None:
    declared = {"pin": Shape("text", secret=True)}
    assert read(declared, "pin=CANARY") == {"pin": "CANARY"}
    (told,) = faults(declared, "pin=CANA")
    assert told == "`pin` is secret, but too short to be masked: give it 6 characters at least"
    optional = {"pin": Shape("text", secret=True, optional=True)}
    assert read(optional) == {"pin": None}


@any_of(
    st.lists(
        st.text()
        | st.sampled_from(["a", "n", "l"]).flatmap(
            lambda name: st.text().map(lambda text: f"{name}={text}")
        )
    )
)
@hypothesis_settings(max_examples=60)
def test_no_command_line_raises_anything_else(pairs: list[str]) -> None:
    declared = {"a": TEXT, "n": Shape("number"), "l": Shape("list", item=Shape("json"))}
    try:
        assert read(declared, *pairs, folder=Path("/nonexistent")).keys() == declared.keys()
    except UsageError as fault:
        assert fault.message  # noqa: PT017


@any_of(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
@hypothesis_settings(max_examples=60)
def test_no_file_of_inputs_raises_anything_else(content: bytes) -> None:
    declared = {"a": Shape("text", default="x"), "b": Shape("json", optional=True)}
    assert MISSING is not declared["a"].default
    try:
        read(declared, **_stdin(content))
    except UsageError as fault:
        assert fault.message  # noqa: PT017


@pytest.mark.parametrize(
    "shape",
    [
        Shape("file"),
        Shape("files"),
        Shape("table"),
        Shape("list", item=Shape("file")),
    ],
    ids=lambda shape: shape.kind,
)
@pytest.mark.parametrize("written", ["", "@", " "])
def test_an_empty_path_is_called_empty(shape: Shape, written: str) -> None:
    (told,) = faults({"f": shape}, f"f={written}")
    assert told.startswith("the input `f` is empty: give a path, as in `-i f=")


def test_an_empty_path_in_a_file_of_inputs_is_called_empty(tmp_path: Path) -> None:
    (tmp_path / "i.yaml").write_text("f: ''")
    (told,) = faults({"f": Shape("file")}, inputs_file="i.yaml", folder=tmp_path)
    assert "is empty" in told


@pytest.mark.parametrize("kind", ["text", "json", "file", "choice"])
def test_bytes_that_are_no_text_are_refused(kind: Any) -> None:
    shape = CHOICE if kind == "choice" else Shape(kind)
    (told,) = faults({"x": shape}, "x=caf\udce9")
    assert told == (
        "the input `x` holds bytes that are no text in UTF-8: "
        "save it as UTF-8 in a file, and give it with `-i x=@FILE`"
    )


def test_a_key_given_twice_in_json_is_a_fault() -> None:
    (told,) = faults({"j": Shape("json")}, 'j={"a": 1, "a": 2}')
    assert "the key `a` is given twice" in told
