"""What a diff makes of a text: exactly what it says, or a sentence."""

from __future__ import annotations

import difflib
import textwrap
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrunner.tools.patches.diff import Changed, DiffFault, created, updated

FILE = textwrap.dedent("""\
    import os

    class Shop:
        def open(self):
            return True

        def close(self):
            return False

    class Desk:
        def open(self):
            return True
    """)


def change(diff: str, text: str = FILE) -> str:
    return updated(text, diff).text


def test_lines_go_and_come_where_the_context_is() -> None:
    diff = "@@\n     def close(self):\n-        return False\n+        return None\n+        # so\n"
    made = updated(FILE, diff)
    assert made.text == FILE.replace("return False", "return None\n        # so")
    assert (made.added, made.removed) == (2, 1)


def test_an_anchor_leads_past_what_looks_the_same() -> None:
    diff = "@@ class Desk:\n     def open(self):\n-        return True\n+        return 1\n"
    assert change(diff) == FILE[:-12] + "return 1\n"


def test_anchors_lead_one_inside_the_other() -> None:
    diff = "@@ class Desk:\n@@     def open(self):\n-        return True\n+        return 1\n"
    assert change(diff) == FILE[:-12] + "return 1\n"


def test_a_line_that_leads_there_may_be_said_twice() -> None:
    diff = "@@ class Desk:\n class Desk:\n     def open(self):\n-        return True\n"
    assert change(diff) == FILE.removesuffix("        return True\n")


def test_hunks_follow_one_another() -> None:
    diff = (
        " import os\n+import sys\n@@\n-        return True\n+        return 1\n"
        "@@\n-        return True\n+        return 2\n"
    )
    first, second = FILE.replace("import os", "import os\nimport sys").split("return True", 1)
    assert change(diff) == f"{first}return 1{second.replace('return True', 'return 2')}"


def test_numbers_of_other_forms_are_no_anchor() -> None:
    for head in ("@@ -1,3 +1,4 @@", "@@ -1 +1 @@", "@@ @@"):
        assert change(f"{head}\n-import os\n+import sys\n").startswith("import sys\n")
    diff = "@@ -10,3 +10,3 @@ class Desk:\n-        return True\n+        return 1\n"
    assert change(diff) == FILE[:-12] + "return 1\n"


def test_lines_alone_come_after_the_anchor_or_at_the_end() -> None:
    assert change("@@ import os\n+import sys\n").startswith("import os\nimport sys\n")
    assert change("+# end\n") == f"{FILE}# end\n"
    assert change("+a\n+b\n", "") == "a\nb\n"
    assert change("+a\n\n") == f"{FILE}a\n"


def test_the_end_of_the_file_is_meant_where_it_is_said() -> None:
    text = "a\nb\na\nb\n"
    assert change(" a\n-b\n+c\n", text) == "a\nc\na\nb\n"
    assert change(" a\n-b\n+c\n*** End of File\n", text) == "a\nb\na\nc\n"


def test_empty_lines_at_the_end_of_a_diff_may_be_no_part_of_it() -> None:
    assert change("-import os\n+import sys\n\n\n\n").startswith("import sys\n\nclass")
    assert change(" import os\n\n-class Shop:\n+class Store:\n").startswith("import os\n\nclass St")


def test_blanks_are_forgiven_and_lines_that_stay_are_the_files_own() -> None:
    text = "def f():   \n\treturn 1\n"
    assert change(" def f():\n-return 1\n+\treturn 2\n", text) == "def f():   \n\treturn 2\n"


@pytest.mark.parametrize(
    ("text", "diff", "expected"),
    [
        ("a\r\nb\r\n", " a\n+x\n", "a\r\nx\r\nb\r\n"),
        ("a\r\nb\r\n", " a\r\n-b\r\n", "a\r\n"),
        ("a\nb", " b\n+c\n", "a\nb\nc"),
        ("a\r\nb", " b\n+c\n", "a\r\nb\r\nc"),
        ("a\r\nb\nc\r\n", " b\n+x\n", "a\r\nb\nx\r\nc\r\n"),
        ("a\nb\r\nc\n", " b\n+x\n", "a\nb\r\nx\nc\n"),
        ("a\n", "-a\n", ""),
        ("a\nb", "-b\n", "a"),
        ("a\n\\ b\n", " a\n\\ No newline at end of file\n+c\n", "a\nc\n\\ b\n"),
    ],
)
def test_line_ends_stay_as_they_are(text: str, diff: str, expected: str) -> None:
    assert change(diff, text) == expected


OUT_OF_ORDER = (
    "the lines from line 2 of the diff on (`import os` …) are not in the file as they stand there "
    "after the change before them: keep to the order of the file"
)


@pytest.mark.parametrize(
    ("diff", "told"),
    [
        ("", "the diff changes nothing"),
        (" import os\n", "the diff changes nothing"),
        (
            "-import os.path\n",
            "the lines from line 1 of the diff on (`import os.path` …) are not in",
        ),
        (
            "@@ class Bank:\n-x\n",
            "the line `class Bank:`, to which line 1 of the diff leads, is not",
        ),
        ("-class Desk:\n@@\n-import os\n", OUT_OF_ORDER),
        ("import os\n", "line 1 of the diff, `import os`, begins with none of"),
        ("*** Begin Patch\n", "line 1 of the diff, `*** Begin Patch`, begins with none of"),
        ("\x1b[2J\n", "line 1 of the diff, `\\x1b[2J`, begins with none of"),
        ("@@\n+x\n" * 501, "the diff leads to more than 500 places"),
    ],
)
def test_what_does_not_apply_is_told(diff: str, told: str) -> None:
    with pytest.raises(DiffFault) as caught:
        change(diff)
    assert str(caught.value).startswith(told)


def test_a_new_file_has_a_plus_on_each_line() -> None:
    assert created("+a\n+\n+ b\n") == Changed("a\n\n b\n", 3, 0)
    assert created("") == Changed("", 0, 0)
    assert created("+no end").text == "no end\n"
    with pytest.raises(DiffFault, match="line 2 of the diff of a new file has no"):
        created("+a\nb\n")


LINES = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n\r"), max_size=8))
FEW = st.lists(st.sampled_from(["", " ", "a", "b", "@@", "+", "-x", "*** End of File"]))


def whole_diff(before: list[str], after: list[str]) -> str:
    marks = [line for line in difflib.ndiff(before, after) if line[0] != "?"]
    return "".join(f"{line[0]}{line[2:]}\n" for line in marks)


@given(st.one_of(LINES, FEW), st.one_of(LINES, FEW))
def test_a_diff_of_the_whole_file_makes_the_other(before: list[str], after: list[str]) -> None:
    text = "".join(f"{line}\n" for line in before)
    diff = whole_diff(before, after)
    if before == after:
        with pytest.raises(DiffFault):
            updated(text, diff)
    else:
        assert updated(text, diff).text == "".join(f"{line}\n" for line in after)


@given(st.data())
def test_hunks_with_some_context_make_the_other(data: st.DataObject) -> None:
    """Lines that are all different leave no doubt where a hunk belongs."""
    before = [f"line {number}" for number in range(data.draw(st.integers(1, 40)))]
    after = list(before)
    for number in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(after)))
        if data.draw(st.booleans()) and at < len(after):
            del after[at]
        else:
            after.insert(at, f"new {number}")
    context = data.draw(st.integers(1, 3))
    unified = list(difflib.unified_diff(before, after, n=context, lineterm=""))[2:]
    diff = "".join(f"{'@@' if line.startswith('@@') else line}\n" for line in unified)
    if before == after or not before:
        return
    assert updated("\n".join(before) + "\n", diff).text == "".join(f"{a}\n" for a in after)


@given(st.text(), st.text())
def test_no_diff_is_anything_but_applied_or_told(text: str, diff: str) -> None:
    for do in (lambda: updated(text, diff), lambda: created(diff)):
        with suppress(DiffFault):
            do()


def test_a_diff_made_to_take_long_does_not() -> None:
    text = "a\n" * 100_000
    diff = " a\n" * 20_000 + "-b\n"
    with pytest.raises(DiffFault):
        updated(text, diff)
    with pytest.raises(DiffFault, match="more than 200,000 lines"):
        updated("\n" * 300_000, "+x\n")
