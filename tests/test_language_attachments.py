"""Marks of files in requests, media types, and where a text in a template comes from."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrunner.catalog import media
from flowrunner.language.attachments import FileMark, scheme_of, url_fault, url_part, with_parts
from flowrunner.language.load import load_text
from flowrunner.language.workflow.origins import reads_answers
from tests.sample_files import pdf, png

TODAY = datetime.date(2026, 11, 22)
hashes = st.text("0123456789abcdef", min_size=64, max_size=64)


@given(st.text(), st.sampled_from(["image/png", "text/plain"]), st.integers(0, 10**11), hashes)
def test_a_mark_reads_back(name: str, kind: str, size: int, sha256: str) -> None:
    name = name.encode("utf-8", "replace").decode()
    mark = FileMark(name, kind, size, sha256)
    assert FileMark.read(str(mark)) == mark
    assert "," not in str(mark), "so that it is no data URL"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "data:image/png;base64,aGk=",
        "data:image/png;name=a;size=1;sha256=" + "0" * 63,
        "data:image/png;name=a;size=1;sha256=" + "0" * 64 + ",x",
        "data:image/png;name=a,b;size=1;sha256=" + "0" * 64,
        "https://example.com/a.png",
        3,
        None,
        ["data:"],
    ],
)
def test_what_is_no_mark(text: object) -> None:
    assert FileMark.read(text) is None


@given(
    st.recursive(
        st.none() | st.text() | st.integers(),
        lambda below: st.lists(below) | st.dictionaries(st.text(), below),
    )
)
def test_any_input_is_searched_for_marks(value: object) -> None:
    assert list(FileMark.all_in(value)) == []


def test_without_parts_a_request_is_as_it_was() -> None:
    body = {"model": "m", "input": "Hi"}
    assert with_parts(body, []) == body


MEDIA = {
    "png": ("a.png", png(), "image/png"),
    "called otherwise": ("a.jpg", png(), "image/png"),
    "jpeg": ("a.jpeg", b"\xff\xd8\xff\xe0rest", "image/jpeg"),
    "gif": ("a.gif", b"GIF89a...", "image/gif"),
    "webp": ("a.webp", b"RIFF1234WEBPVP8 ", "image/webp"),
    "pdf": ("a.pdf", pdf(), "application/pdf"),
    "pdf without an ending": ("scan", pdf(), "application/pdf"),
    "pdf with a preamble": ("a.PDF", b"\n\n" + pdf(), "application/pdf"),
    "text": ("a.txt", b"words", "text/plain"),
    "no ending": ("README", b"words", "text/plain"),
    "unknown ending": ("a.xyz", b"words", "text/plain"),
    "table": ("a.csv", b"a,b", "text/csv"),
    "cut letter": ("a.md", b"x" * 1023 + b"\xc3", "text/markdown"),
    "text about pdf": ("a.txt", b"It begins with %PDF-1.4", "text/plain"),
    "document": ("a.docx", b"PK\x03\x04...", media.media_type_by_name("a.docx")),
    "old document": ("a.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/msword"),
}


@pytest.mark.parametrize(("name", "head", "kind"), MEDIA.values(), ids=MEDIA)
def test_a_file_is_what_it_holds(name: str, head: bytes, kind: str) -> None:
    assert media.media_type(name, head) == kind


UNFIT = {
    "drawing": ("a.svg", b"<svg/>", "in a format that models cannot look at"),
    "camera": ("a.HEIC", b"....", "in a format that models cannot look at"),
    "film": ("a.mp4", b"....", "no file that the API takes"),
    "archive": ("a.zip", b"PK\x03\x04", "no file that the API takes"),
    "picture that is none": ("a.png", b"words", "holds something else"),
    "pdf that is none": ("a.pdf", b"words", "holds something else"),
    "document that is none": ("a.docx", b"words", "holds something else"),
    "binary": ("a.dat", b"\0\1", "neither text in UTF-8"),
    "latin": ("a.txt", b"caf\xe9", "neither text in UTF-8"),
}


@pytest.mark.parametrize(("name", "head", "said"), UNFIT.values(), ids=UNFIT)
def test_what_the_api_does_not_take(name: str, head: bytes, said: str) -> None:
    with pytest.raises(media.UnfitFile, match=said):
        media.media_type(name, head)


@given(st.text(max_size=30), st.binary(max_size=50))
def test_every_file_is_something_or_refused(name: str, head: bytes) -> None:
    try:
        kind = media.media_type(name, head)
    except media.UnfitFile:
        return
    assert media.is_image(kind) or media.is_text(kind) or "/" in kind


@pytest.mark.parametrize(
    ("written", "scheme"),
    [
        ("a.png", None),
        ("C:\\scans\\a.png", None),
        ("https://x/a", "https"),
        ("HTTP://x/a", "http"),
        ("file:///etc/x", "file"),
        ("data:,x", "data"),
        ("javascript:x", "javascript"),
    ],
)
def test_schemes(written: str, scheme: str | None) -> None:
    assert scheme_of(written) == scheme


@pytest.mark.parametrize(
    "url",
    ["https://", "https:///a", "https://a b/c", "https://a/\nb", "https://me:pw@a/b", "ftp://a/b"],
)
def test_addresses_that_are_not_passed_on(url: str) -> None:
    assert url_fault(url) is not None


def test_an_address_is_a_picture_by_its_path() -> None:
    assert url_part("https://x/a.png?b=c.pdf#d", "low")["type"] == "input_image"
    assert url_part("https://x.png/a", None) == {
        "type": "input_file",
        "file_url": "https://x.png/a",
    }


ORIGINS = {
    "written": ("x", False),
    "input": ("{{ inputs.name }}", False),
    "run": ("{{ run.id }}", False),
    "step": ("{{ steps.first.text }}", True),
    "command": ("{{ steps.made.text }}", True),
    "set to something": ("{{ steps.kept.output.name }}", False),
    "set to an answer": ("{{ steps.said.output.answer }}", True),
    "written by a step": ("{{ steps.wrote.text }}", False),
    "group": ("{{ steps.both.text }}", True),
    "set in it": ("{% set a = steps.first.text %}{{ a }}", True),
    "row": ("{{ row.name }}", False),
    "row of an answer": ("{{ one.name }}", True),
    "inner row": ("{{ inner }}", False),
    "inner row of an answer": ("{{ part }}", True),
    "position": ("{{ position }}", False),
}


@pytest.mark.parametrize(("text", "answers"), ORIGINS.values(), ids=ORIGINS)
def test_where_a_text_comes_from(text: str, answers: bool) -> None:
    flow = f"""\
flowrunner: 1
name: Origins
inputs: {{ name: text, rows: table }}
defaults: {{ model: gpt-6-luna }}
steps:
  - {{ id: first, prompt: x, output: {{ list: {{ name: text, parts: {{ list: text }} }} }} }}
  - {{ id: made, run: [x] }}
  - {{ id: kept, set: {{ name: "{{{{ inputs.name }}}}" }} }}
  - {{ id: said, set: {{ answer: "{{{{ steps.first.text }}}}" }} }}
  - {{ id: wrote, write: "To {{{{ steps.kept.output.name }}}}" }}
  - {{ id: both, steps: [{{ id: ask, prompt: x }}, {{ id: end, write: x }}] }}
  - id: outer
    for_each: inputs.rows
    as: row
    steps:
      - id: middle
        for_each: steps.first.output
        as: one
        steps:
          - id: third
            for_each: "[row.name]"
            as: inner
            steps:
              - id: last
                for_each: one.parts
                as: part
                write: "{text}"
"""
    workflow, found = load_text(flow, "flow.yaml", Path("/project"), today=TODAY)
    assert workflow is not None, found
    step = workflow.step("last")
    assert step is not None
    (leaf,) = [each for each in step.leaves if each.route[-1] == "write"]
    assert reads_answers(workflow, step, leaf) is answers
    of_name = {"input", "set to something", "written by a step"}
    named = {ORIGINS[each][0] for each in of_name}
    assert reads_answers(workflow, step, leaf, {"name"}) is (answers or text in named)
    is_made = "made" in text
    assert reads_answers(workflow, step, leaf, commands=False) is (answers and not is_made)
