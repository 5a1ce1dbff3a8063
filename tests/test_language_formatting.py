"""The usual look: what is put in order, what stays as it is; and the meaning never moves."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowrunner.catalog import load_schema
from flowrunner.language.document import parse
from flowrunner.language.formatting import format_text, same_workflow
from flowrunner.language.formatting.order import STEP_KEYS
from flowrunner.language.formatting.sameness import same_document
from flowrunner.language.load import load_text

TOP = Path(__file__).resolve().parent.parent
CASES = TOP / "tests" / "cases"
SOUND = sorted([*(TOP / "workflows").glob("*.yaml"), *(CASES / "ok").glob("*.yaml")])
WRONG = sorted((CASES / "err").glob("*.yaml"))
TODAY = date(2026, 11, 22)


def formatted(text: str) -> str:
    found = format_text(text, "a.yaml")
    assert found.text is not None, (found.why_not, found.diagnostics)
    assert format_text(found.text, "a.yaml").text == found.text, "formatting once is enough"
    return found.text


def lines(*them: str) -> str:
    return "".join(f"{line}\n" for line in them)


# The order of keys


def test_every_key_of_a_step_has_its_place_once() -> None:
    of_steps = [
        each for name, each in load_schema("workflow")["$defs"].items() if name[-5:] == "_step"
    ]
    known = {key for step in of_steps for key in step["properties"]}
    assert sorted(STEP_KEYS) == sorted(known)


def test_keys_of_the_file_and_of_steps_are_put_in_order() -> None:
    text = lines(
        "steps:",
        "  - prompt: hi",
        "    promt: stays behind it",
        "    if: true",
        "    id: a",
        "name: A",
        "flowrunner: 1",
    )
    assert formatted(text) == lines(
        "flowrunner: 1",
        "name: A",
        "steps:",
        "  - id: a",
        "    if: true",
        "    prompt: hi",
        "    promt: stays behind it",
    )


def test_the_order_of_everything_else_stays() -> None:
    text = lines(
        "inputs:",
        "  zebra: text",
        "  apple: { type: text, describe: x }",
        "defaults: { store: true, model: gpt-6-luna }",
    )
    assert formatted(text) == text


def test_a_key_takes_its_comment_and_its_gap_along() -> None:
    text = lines(
        "# modeline",
        "",
        "# the first key",
        "name: A  # beside it",
        "",
        "# the language",
        "# of this file",
        "flowrunner: 1",
        "",
        "steps: []",
        "# the end",
    )
    assert formatted(text) == lines(
        "# modeline",
        "",
        "# the first key",
        "# the language",
        "# of this file",
        "flowrunner: 1",
        "",
        "name: A  # beside it",
        "",
        "steps: []",
        "# the end",
    )


def test_what_repeats_something_above_keeps_its_place() -> None:
    text = lines("name: &name A", "flowrunner: 1", "description: *name")
    assert formatted(text) == text


# Indentation


def test_blocks_stand_two_spaces_in() -> None:
    text = lines(
        "steps:",
        "-   id: a",
        "    prompt: |",
        "          first",
        "            second",
        "",
        "          third",
        "-",
        "    id: b",
        "    steps:",
        "        # above c",
        "        - id: c",
        "          write: x",
        "        # at the end of the group",
        "    # at the end of b",
        "# above d",
        "- id: d",
        "  write: y",
    )
    assert formatted(text) == lines(
        "steps:",
        "  - id: a",
        "    prompt: |",
        "      first",
        "        second",
        "",
        "      third",
        "  - id: b",
        "    steps:",
        "      # above c",
        "      - id: c",
        "        write: x",
        "      # at the end of the group",
        "    # at the end of b",
        "  # above d",
        "  - id: d",
        "    write: y",
    )


@pytest.mark.parametrize(
    "block",
    [
        ("|2-", "      deeper", "    first"),
        (">", "    one", "    two", "", "      - three"),
        ("|+", "    kept", "", ""),
        ("|", "    spaces behind  ", "      ", "    a # in it"),
    ],
    ids=lambda block: block[0],
)
def test_blocks_of_text_stay_byte_for_byte(block: tuple[str, ...]) -> None:
    text = lines("steps:", "  -", f"    prompt: {block[0]}", *(f"  {line}" for line in block[1:]))
    text += "    id: a\n"
    before, after = parse(text, "")[0], parse(formatted(text), "")[0]
    assert before is not None
    assert after is not None
    assert before.value == after.value


def test_a_text_of_several_lines_moves_with_its_key() -> None:
    text = lines(
        "steps:", "- id: a", '  prompt: "one', '    two"', "  output: [a,", "           b]"
    )
    assert formatted(text) == lines(
        "steps:",
        "  - id: a",
        '    prompt: "one',
        '      two"',
        "    output: [a,",
        "             b]",
    )


def test_a_file_without_a_last_line_end_gets_one_and_means_the_same() -> None:
    assert formatted("name: A\nwrite: |\n  x") == "name: A\nwrite: |-\n  x\n"
    assert formatted("write: >+ # why\n  x") == "write: >- # why\n  x\n"
    assert formatted("name: A") == "name: A\n"


def test_line_ends_of_windows_stay() -> None:
    assert format_text(b"name: A\r\nflowrunner: 1\r\n", "").text == "flowrunner: 1\r\nname: A\r\n"


# One line


def test_brackets_have_the_usual_spaces() -> None:
    text = "inputs: {a: text ,b: {list: [ x,'y, z' ] }, c: {}, \"d\":[]}\n"
    assert formatted(text) == "inputs: { a: text, b: { list: [x, 'y, z'] }, c: {}, \"d\": [] }\n"


def test_a_step_in_brackets_has_its_keys_in_order() -> None:
    text = "steps:\n  - {prompt: hi, id: a}\n"
    assert formatted(text) == "steps:\n  - { id: a, prompt: hi }\n"


@pytest.mark.parametrize(
    ("written", "becomes"),
    [
        ('"{{ steps.a.output.b == 1 }}"', "steps.a.output.b == 1"),
        ("'{{- not steps.a.text -}}'", "not steps.a.text"),
        ("\"{{ 'x' in inputs.a }}\"", "\"'x' in inputs.a\""),
        ('"{{ true }}"', '"true"'),
        ('"{{ a }} and {{ b }}"', '"{{ a }} and {{ b }}"'),
        ('"{{ }}"', '"{{ }}"'),
        ("inputs.a", "inputs.a"),
        ("true", "true"),
    ],
)
def test_braces_come_off_decisions(written: str, becomes: str) -> None:
    assert formatted(f"steps:\n  - if: {written}\n") == f"steps:\n  - if: {becomes}\n"
    assert formatted(f"result:\n  if: {written}\n") == f"result:\n  if: {written}\n"


def test_until_branch_and_for_each_are_decisions_too() -> None:
    text = 'steps:\n  - { repeat: { until: "{{ a }}" }, branch: "{{ b }}", for_each: "{{ c }}" }\n'
    assert formatted(text) == "steps:\n  - { for_each: c, repeat: { until: a }, branch: b }\n"


# What YAML read otherwise than it was meant


@pytest.mark.parametrize(
    ("written", "becomes"),
    [
        ("{{ inputs.a }}", '"{{ inputs.a }}"'),
        ('{{ inputs.a }}: "so"', "'{{ inputs.a }}: \"so\"'"),
        ("Fix: this  and  that", '"Fix: this  and  that"'),
        ("*bold* words", '"*bold* words"'),
        ("!important words", '"!important words"'),
        ("@everybody", '"@everybody"'),
        ("[draft] of it", '"[draft] of it"'),
    ],
)
def test_quotes_are_put_where_they_are_missing(written: str, becomes: str) -> None:
    text = f"flowrunner: 1\nresult:\n  a: {written}\n  b: x\n"
    assert formatted(text) == f"flowrunner: 1\nresult:\n  a: {becomes}\n  b: x\n"


def test_braces_in_a_list_in_brackets_get_quotes() -> None:
    text = "result: [ {{ inputs.a }}, b ]\n"
    assert formatted(text) == 'result: ["{{ inputs.a }}", b]\n'


def test_tabs_become_spaces_where_their_width_does_not_matter() -> None:
    assert formatted("limits:\n\tat_once: 3\n\ttimeout: 1m\n") == lines(
        "limits:", "  at_once: 3", "  timeout: 1m"
    )


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a: 1\na: 2\n", "dup-key"),
        ("a: 1\n b: 2\n", "syntax"),
        ("a: <<\n<<: {}\n", "merge"),
        ("a:\n  b: |\n  \tx\n\tc: d\n", "tab"),
        ("- a\n", "root"),
        ("", "empty"),
    ],
)
def test_other_mistakes_are_for_people_to_mend(text: str, code: str) -> None:
    found = format_text(text, "a.yaml")
    assert found.text is None
    assert code in {each.code for each in found.diagnostics}


@pytest.mark.parametrize("text", ["? a\n: b\n", "--- {a: b}\n...\n", "a: b\n...\n"])
def test_an_unusual_layout_stays(text: str) -> None:
    found = format_text(text, "a.yaml")
    assert found.text is not None or found.why_not is not None


def test_what_is_lost_behind_a_hash_is_not_guessed_at() -> None:
    text = "steps:\n  - prompt: Fix issue #3 now\n"
    assert formatted(text) == text


# The meaning never moves


@pytest.mark.parametrize("path", SOUND, ids=lambda path: path.name)
def test_a_formatted_workflow_is_the_same_workflow(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    one, _ = load_text(text, path.name, path.parent, today=TODAY)
    other, _ = load_text(formatted(text), path.name, path.parent, today=TODAY)
    assert one is not None
    assert other is not None
    assert same_workflow(one, other)


@pytest.mark.parametrize("path", sorted((TOP / "workflows").glob("*.yaml")), ids=lambda p: p.name)
def test_the_gallery_has_the_usual_look(path: Path) -> None:
    assert formatted(path.read_text(encoding="utf-8")) == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", WRONG, ids=lambda path: path.name)
def test_a_file_with_mistakes_keeps_its_values_or_stays(path: Path) -> None:
    content = path.read_bytes()
    found = format_text(content, path.name)
    if found.text is None:
        assert found.diagnostics or found.why_not
        return
    before, after = parse(content, "")[0], parse(found.text, "")[0]
    assert before is not None
    assert after is not None
    assert same_document(before, after)
    assert formatted(found.text) == found.text


def test_another_prompt_is_another_workflow(tmp_path: Path) -> None:
    text = "flowrunner: 1\nname: A\nsteps:\n  - { id: a, model: gpt-6-luna, prompt: hi }\n"
    one, _ = load_text(text, "a.yaml", tmp_path, today=TODAY)
    for change in (("hi", "ho"), ("id: a", "id: b"), ("prompt: hi", "prompt: hi, retry: 2")):
        other, found = load_text(text.replace(*change), "a.yaml", tmp_path, today=TODAY)
        assert one is not None
        assert other is not None, found
        assert not same_workflow(one, other)


def test_keys_keep_their_place_where_a_block_keeps_the_lines_behind_it() -> None:
    text = (
        "id: |-\n plain\nfor_each: [plain]\ncases:\n- |-\n plain\n\n"
        "steps: |-\n plain\nname: |+\n plain\n"
    )
    after = formatted(text)
    before, again = parse(text, "")[0], parse(after, "")[0]
    assert before is not None
    assert again is not None
    assert same_document(before, again)
    assert formatted(after) == after


WORDS = st.sampled_from(
    ["plain", "two words", "a: b", "3.10", "true", "- x", "{{ inputs.a }}", "x # y", "", "é\n\nz "]
)
KEYS = st.sampled_from(
    ["id", "if", "prompt", "steps", "cases", "zoo", "name", "for_each", "output"]
)
VALUES = st.recursive(
    WORDS,
    lambda below: st.lists(below, max_size=3) | st.dictionaries(KEYS, below, max_size=4),
    max_leaves=12,
)


class _Writer:
    """Writes a value as YAML in a way that somebody might: indented somehow, with comments."""

    def __init__(self, draw: Any) -> None:
        self.draw = draw

    def choose(self, *of: Any) -> Any:
        return self.draw(st.sampled_from(of))

    def block(self, value: Any, column: int) -> list[str]:
        """The lines of a list or a mapping with something in it."""
        found: list[str] = []
        entries = value.items() if isinstance(value, dict) else ((None, each) for each in value)
        for key, below in entries:
            found += self.choose((), (), ("",), (" " * column + "# above",), ("# far left",))
            head = " " * column + ("-" if key is None else f"{key}:")
            if isinstance(below, dict | list) and below and self.choose(True, True, False):
                inner = column + self.choose(
                    *((0, 2, 4) if isinstance(below, list) and key else (2, 3, 6))
                )
                found += [head + self.choose("", " # beside"), *self.block(below, inner)]
            else:
                found += self.scalar(head, below, column)
        return [*found, *self.choose((), (), (" " * column + "# below",))]

    def scalar(self, head: str, value: Any, column: int) -> list[str]:
        if isinstance(value, str) and value.strip(" ") and self.choose(True, False):
            inner = " " * (column + self.choose(1, 2, 5))
            texts = [inner + line if line else "" for line in value.split("\n")]
            return [f"{head} |{self.choose('-', '', '+')}", *texts]
        return [f"{head}{self.choose(' ', '   ')}{self.flow(value)}{self.choose('', '  # why')}"]

    def flow(self, value: Any) -> str:
        gap = self.choose("", " ")
        if isinstance(value, dict):
            pairs = (f"{key}: {self.flow(below)}" for key, below in value.items())
            return "{" + gap + f"{gap}, ".join(pairs) + gap + "}"
        if isinstance(value, list):
            return "[" + gap + f",{gap}".join(map(self.flow, value)) + gap + "]"
        escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'"{escaped}"'


@settings(max_examples=300, deadline=None)
@given(st.data(), st.dictionaries(KEYS, VALUES, min_size=1, max_size=5))
def test_whatever_is_written_keeps_its_values_and_comments(
    data: Any, value: dict[str, Any]
) -> None:
    text = "\n".join(_Writer(data.draw).block(value, 0)) + data.draw(st.sampled_from(["", "\n"]))
    before, found = parse(text, "")
    if before is None or any(each.severity == "error" for each in found):
        return
    after = parse(formatted(text), "")[0]
    assert after is not None
    assert same_document(before, after)
    for comment in ("# above", "# below", "# beside", "# why", "# far left"):
        assert formatted(text).count(comment) == text.count(comment)
