"""The line of an answer that is being written: short, honest about secrets, and gone in time."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_report_stories import STORIES

from flowrunner.commands.telling import Teller
from flowrunner.events import CallSent, StepFinished
from flowrunner.report.terminal import Style
from flowrunner.report.writing import Writing
from flowrunner.responses.stream import Delta
from flowrunner.secrets import Scrubber
from flowrunner.visible import columns, has_hidden

KEY = "sk-CANARY-0123456789abcdef"
STYLE = Style(width=60)


def writing(*texts: str, unit: str = "draft", secrets: tuple[str, ...] = ()) -> Writing:
    found = Writing(Scrubber(secrets))
    for text in texts:
        found.tell(unit, Delta("text", text))
    return found


def test_the_end_of_the_text_is_shown() -> None:
    assert writing("Once upon", " a time").line(STYLE) == ' … draft  writing… "Once upon a time"'
    line = writing("one two three " * 20 + "the end").line(STYLE)
    assert line.startswith(' … draft  writing… "')
    assert line.endswith('three the end"')
    assert columns(line) <= 59


def test_nothing_is_shown_of_nothing() -> None:
    assert writing().line(STYLE) == ""


def test_what_is_done_before_a_word_is_written() -> None:
    found = Writing(Scrubber(()))
    found.tell("draft", Delta("response", "resp_1"))
    assert found.line(STYLE) == " … draft  writing…"
    found.tell("draft", Delta("began", "web_search_call"))
    assert found.line(STYLE) == " … draft  web_search_call…"
    found.tell("draft", Delta("ended", "web_search_call"))
    found.tell("draft", Delta("began", "message"))
    assert found.line(STYLE) == " … draft  writing…"
    found.tell("draft", Delta("refusal", "I cannot"))
    assert found.line(STYLE) == ' … draft  writing… "I cannot"'


def test_of_several_the_longest_at_work_is_shown() -> None:
    found = writing("first")
    for number in range(3):
        found.tell(f"more[{number}]", Delta("text", "later"))
    found.tell("draft", Delta("text", "!"))
    assert found.line(STYLE) == ' … draft  writing… "first!" (and 3 more)'


def event_of(kind: type[Any]) -> Any:
    """An event of this class from the stories."""
    told = (event for make in STORIES.values() for event in make().events)
    return next(event for event in told if isinstance(event, kind))


def test_an_answer_that_has_ended_is_not_being_written() -> None:
    for make in STORIES.values():
        for event in make().events:
            address = getattr(event, "address", None)
            if address is None:
                continue
            found = writing("text", unit=address.unit)
            found.feed(event)
            ended = type(event).__name__.startswith(("CallA", "CallR", "CallL", "CallN", "StepF"))
            assert (found.line(STYLE) == "") is (ended and "Accepted" not in type(event).__name__)
    ended = event_of(StepFinished)
    found = writing("text", unit="other")
    found.feed(ended)
    assert found.line(STYLE)
    found.feed(event_of(CallSent))
    assert found.line(STYLE)


def test_what_a_terminal_would_obey_is_shown() -> None:
    line = writing("\x1b[2J\r\nred\x1b]0;x\x07\u202e\t").line(STYLE)
    assert r"\x1b[2J\nred\x1b]0;x\x07\u202e\t" in line
    assert "\x1b" not in line
    assert "\n" not in line
    named = writing("x", unit="\x1b[31m").line(STYLE)
    assert "\x1b" not in named


def test_ascii_where_the_locale_is_not_utf8() -> None:
    line = writing("grün 世界…").line(Style(utf8=False, width=60))
    assert line == r' . draft  writing... "gr\xfcn \u4e16\u754c..."'


@given(st.text(max_size=200), st.integers(1, 120), st.booleans(), st.text(min_size=1, max_size=40))
def test_a_line_is_one_line_and_no_wider_than_the_terminal(
    text: str, width: int, utf8: bool, unit: str
) -> None:
    for found in (writing(text, unit=unit), writing(text or "x", unit=unit), writing(unit=unit)):
        found.tell(unit, Delta("began", text))
        for line in (found.line(Style(utf8=utf8, width=width)),):
            assert columns(line) < max(width, 40)
            assert not has_hidden(line)
            assert "\n" not in line


def test_wide_letters_take_two_columns() -> None:
    line = writing("世" * 200).line(STYLE)
    assert 55 <= columns(line) <= 59


@pytest.mark.parametrize("cut", range(1, len(KEY)))
def test_a_secret_is_not_seen_growing(cut: int) -> None:
    found = writing("the key is ", KEY[:cut], secrets=(KEY,))
    shown = found.line(Style(width=200))
    assert KEY[:6] not in shown
    found.tell("draft", Delta("text", KEY[cut:] + " ok"))
    assert found.line(Style(width=200)) == ' … draft  writing… "the key is *** ok"'


def test_a_secret_that_begins_before_the_line_is_known() -> None:
    found = writing("x" * 9000, KEY, "y" * 45, secrets=(KEY,))
    assert not any(KEY[at : at + 6] in found.line(STYLE) for at in range(len(KEY) - 6))


# How it is drawn


class Paper:
    """What a thread wrote, in order; `drawn` is set at every line that is drawn."""

    def __init__(self) -> None:
        self.marks: list[str] = []
        self.drawn = threading.Semaphore(0)

    def write(self, text: str) -> None:
        self.marks.append(text)

    def redraw(self, line: str) -> None:
        self.marks.append(f"~{line}")
        self.drawn.release()


def test_a_line_that_passes_is_taken_away_before_anything_is_written() -> None:
    paper, now = Paper(), ["a"]
    teller = Teller(paper.write, lambda: now[0], paper.redraw)
    assert paper.drawn.acquire(timeout=10)
    now[0] = "b"
    assert paper.drawn.acquire(timeout=10)
    teller.tell("one")
    teller.tell("two")
    assert paper.drawn.acquire(timeout=10)
    assert paper.drawn.acquire(timeout=10)
    now[0] = ""
    assert paper.drawn.acquire(timeout=10)
    now[0] = "c"
    assert paper.drawn.acquire(timeout=10)
    teller.close()
    assert paper.marks == ["~a", "~b", "~", "one", "two", "~b", "~", "~c", "~"]


def test_nothing_is_drawn_over_a_question() -> None:
    paper, looked = Paper(), threading.Semaphore(0)

    def passing() -> str:
        looked.release()
        return "line"

    teller = Teller(paper.write, passing, paper.redraw)

    def ask(question: str) -> str:
        before = list(paper.marks)
        while looked.acquire(timeout=0.25):
            pass  # A look that was under way.
        teller.tell("meanwhile")
        assert before[-1] == "~"
        return question.upper()

    assert paper.drawn.acquire(timeout=10)
    assert teller.asking(ask)("well?") == "WELL?"
    assert looked.acquire(timeout=10)
    teller.close()
    assert paper.marks[:2] == ["~line", "~"]
    assert "meanwhile" in paper.marks


def test_without_anybody_who_watches_nothing_is_drawn() -> None:
    paper = Paper()
    teller = Teller(paper.write)
    teller.tell("one")
    teller.close()
    assert paper.marks == ["one"]
