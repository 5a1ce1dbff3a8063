"""What was filled in is marked: from the template through the journal to the page."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrunner.engine.filled import filled_places
from flowrunner.errors import ExitStatus
from flowrunner.language.templates import Filled, parse_text
from flowrunner.report.html.values import filled_text, text_block
from flowrunner.simulator import Simulator
from tests.cli_world import Project

TEXTS = st.text(alphabet="ab{}%\n<é😀 ", max_size=12)


@given(TEXTS, TEXTS, st.lists(TEXTS, max_size=3))
def test_the_places_are_those_of_the_values(one: str, other: str, many: list[str]) -> None:
    source = "A {{ x }}, {% for each in many %}[{{ each }}]{% endfor %} and {{ y }}."
    text = parse_text(source).fill({"x": one, "y": other, "many": many})
    places = text.places if isinstance(text, Filled) else ()
    assert [text[start : start + length] for start, length in places] == [
        value for value in (one, *many, other) if value
    ]


def test_a_text_without_values_is_a_plain_one() -> None:
    assert type(parse_text("plain").fill({})) is str
    assert type(parse_text("{{ x }}").fill({"x": ""})) is str
    assert type(parse_text("{{ x }}").render({"x": "y"})) is str


def test_what_became_of_a_text_is_not_told_about() -> None:
    text = parse_text("to {{ x }}").fill({"x": "Ada"})
    assert filled_places({"input": text, "instructions": text + "!"}) == {"0": [[3, 3]]}
    parts = [{"type": "input_text", "text": text}, {"type": "input_file", "file_id": "f"}]
    messages = [{"role": "user", "content": parts}, {"role": "user", "content": "x"}]
    assert filled_places({"input": messages}) == {"0": [[3, 3]]}
    assert filled_places({"input": "x"}) is None
    assert filled_places({}) is None


def test_marks_are_escaped_and_places_of_another_text_are_passed_over() -> None:
    text = "to <script>, bye"
    assert filled_text(text, [[3, 8]]).source == (
        '<div class="text">to <span class="filled">&lt;script&gt;</span>, bye</div>'
    )
    for wrong in ([[3, 80]], [[8, 2], [3, 2]], [[3, 0]], [[-1, 2]]):
        assert filled_text(text, wrong).source == text_block(text).source


WORKFLOW = """\
flowrunner: 1
name: Letters
inputs: { letter: { type: text, default: Dear <b>all</b> }, word: { type: text, secret: true } }
defaults: { model: gpt-6-luna }
steps:
  - { id: plain, prompt: "nothing to fill in" }
  - id: kind
    instructions: "Be {{ inputs.letter }}"
    prompt: "Answer {{ inputs.letter }} now"
  - { id: told, prompt: "Use {{ inputs.word }} here" }
"""


@pytest.mark.skipif(os.name == "nt", reason="programs are forked")
def test_a_page_marks_what_was_filled_in(
    project: Project, simulate: Callable[..., Simulator]
) -> None:
    simulator = simulate()
    project.at(simulator).write("flow.yaml", WORKFLOW)
    done = project.run("run", "flow.yaml", "-i", "word=hunter2-hunter2")
    assert done.status == ExitStatus.DONE, done.err
    run = project.latest
    filled: dict[str, Any] = {step["unit"]: step["asked"]["filled"] for step in run.report["steps"]}
    assert filled == {
        "plain": {},
        "kind": {"instructions": [[3, 15]], "0": [[7, 15]]},
        "told": {},
    }
    page = (run.folder / "report.html").read_text(encoding="utf-8")
    assert 'Answer <span class="filled">Dear &lt;b&gt;all&lt;/b&gt;</span> now' in page
    assert "hunter2" not in page
    # What is sent and what is hashed knows nothing of it.
    bodies = [call.body for call in simulator.ledger if call.method == "POST"]
    assert "Answer Dear <b>all</b> now" in [body["input"] for body in bodies]
    again = project.run("run", "flow.yaml", "-i", "word=hunter2-hunter2", "--reuse")
    assert again.status == ExitStatus.DONE
    assert len([call for call in simulator.ledger if call.method == "POST"]) == len(bodies)
