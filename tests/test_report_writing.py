"""What is shown of an answer that is being written: short, honest about secrets, gone in time."""

from __future__ import annotations

import threading
from collections.abc import Sequence
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
    assert (
        writing("Once upon", " a time").shown("draft", 60, STYLE) == 'writing… "Once upon a time"'
    )
    shown = writing("one two three " * 20 + "the end").shown("draft", 48, STYLE)
    assert shown is not None
    assert shown.startswith('writing… "')
    assert shown.endswith('three the end"')
    assert columns(shown) == 48


@pytest.mark.parametrize(
    ("room", "shown"),
    [(19, 'writing… "n a time"'), (18, "writing…"), (8, "writing…"), (3, "ng…"), (0, ""), (-9, "")],
)
def test_little_room_is_left_empty(room: int, shown: str) -> None:
    assert writing("Once upon", " a time").shown("draft", room, STYLE) == shown


def test_nothing_is_shown_of_nothing() -> None:
    assert writing().shown("draft", 60, STYLE) is None
    assert writing("text").shown("other", 60, STYLE) is None


def test_what_is_done_before_a_word_is_written() -> None:
    found = Writing(Scrubber(()))
    steps = [
        (Delta("response", "resp_1"), "writing…"),
        (Delta("began", "web_search_call"), "web_search_call…"),
        (Delta("ended", "web_search_call"), "writing…"),
        (Delta("began", "message"), "writing…"),
        (Delta("refusal", "I cannot"), 'writing… "I cannot"'),
    ]
    for delta, shown in steps:
        found.tell("draft", delta)
        assert found.shown("draft", 60, STYLE) == shown


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
            assert (found.shown(address.unit, 60, STYLE) is None) is (
                ended and "Accepted" not in type(event).__name__
            )
    ended = event_of(StepFinished)
    found = writing("text", unit="other")
    found.feed(ended)
    assert found.shown("other", 60, STYLE)
    found.feed(event_of(CallSent))
    assert found.shown("other", 60, STYLE)


def test_what_a_terminal_would_obey_is_shown() -> None:
    shown = writing("\x1b[2J\r\nred\x1b]0;x\x07\u202e\t").shown("draft", 60, STYLE)
    assert shown == r'writing… "\x1b[2J\nred\x1b]0;x\x07\u202e\t"'


def test_ascii_where_the_locale_is_not_utf8() -> None:
    shown = writing("grün 世界…").shown("draft", 60, Style(utf8=False))
    assert shown == r'writing... "gr\xfcn \u4e16\u754c..."'


@given(st.text(max_size=200), st.integers(-5, 120), st.booleans())
def test_what_is_shown_has_no_more_than_its_room(text: str, room: int, utf8: bool) -> None:
    found = writing(text)
    for more in (None, Delta("began", text)):
        if more is not None:
            found.tell("draft", more)
        shown = found.shown("draft", room, Style(utf8=utf8)) or ""
        assert columns(shown) <= max(room, 0)
        assert not has_hidden(shown)
        assert "\n" not in shown


def test_wide_letters_take_two_columns() -> None:
    shown = writing("世" * 200).shown("draft", 50, STYLE)
    assert shown is not None
    assert 48 <= columns(shown) <= 50


@pytest.mark.parametrize("cut", range(1, len(KEY)))
def test_a_secret_is_not_seen_growing(cut: int) -> None:
    found = writing("the key is ", KEY[:cut], secrets=(KEY,))
    assert KEY[:6] not in str(found.shown("draft", 200, STYLE))
    found.tell("draft", Delta("text", KEY[cut:] + " ok"))
    assert found.shown("draft", 200, STYLE) == 'writing… "the key is *** ok"'


def test_a_secret_that_begins_before_the_line_is_known() -> None:
    found = writing("x" * 9000, KEY, "y" * 45, secrets=(KEY,))
    shown = str(found.shown("draft", 60, STYLE))
    assert not any(KEY[at : at + 6] in shown for at in range(len(KEY) - 6))


# How it is drawn


class Paper:
    """What a thread wrote, in order; `drawn` is released at every frame."""

    def __init__(self) -> None:
        self.marks: list[str] = []
        self.drawn = threading.Semaphore(0)

    def write(self, text: str) -> None:
        self.marks.append(text)

    def redraw(self, below: Sequence[str], above: Sequence[str]) -> None:
        self.marks.append("|".join([*above, f"~{','.join(below)}"]))
        self.drawn.release()

    def wait(self) -> str:
        """The next frame."""
        assert self.drawn.acquire(timeout=10)
        return self.marks[-1]


def drawing(paper: Paper, now: list[str]) -> Teller:
    teller = Teller(paper.write, lambda: tuple(now), paper.redraw)
    assert paper.wait() == "~"
    return teller


def test_lines_that_pass_stand_below_those_that_stay() -> None:
    paper, now = Paper(), ["a", "b"]
    teller = drawing(paper, now)
    assert paper.wait() == "~a,b"
    now.pop()
    assert paper.wait() == "~a"
    teller.tell("one")
    assert paper.wait() == "one|~a"
    now.clear()
    assert paper.wait() == "~"
    now.append("c")
    assert paper.wait() == "~c"
    teller.tell("last")
    teller.close()
    assert paper.marks[-1].endswith("~")
    assert "last" in "".join(paper.marks[-2:])


def test_what_has_not_changed_is_not_drawn_again() -> None:
    paper, looks = Paper(), threading.Semaphore(0)

    def passing() -> tuple[str]:
        looks.release()
        return ("a",)

    teller = Teller(paper.write, passing, paper.redraw)
    for _ in range(4):
        assert looks.acquire(timeout=10)
    teller.close()
    assert paper.marks == ["~", "~a", "~"]


def test_nothing_is_drawn_over_a_question() -> None:
    paper, now = Paper(), ["line"]
    teller = drawing(paper, now)
    assert paper.wait() == "~line"

    def ask(question: str) -> str:
        assert paper.wait() == "~"
        now[0] = "another"
        teller.tell("meanwhile")
        assert paper.wait() == "meanwhile|~Sure? "
        return question.upper()

    assert teller.asking(ask)("It asks:\nSure? ") == "IT ASKS:\nSURE? "
    assert paper.wait() == "~another"
    teller.close()
    assert paper.marks == ["~", "~line", "~", "meanwhile|~Sure? ", "~another", "~"]


def test_without_anybody_who_watches_nothing_is_drawn() -> None:
    paper = Paper()
    teller = Teller(paper.write)
    teller.tell("one")
    teller.close()
    assert paper.marks == ["one"]


def test_a_terminal_that_stands_still_holds_nothing_up() -> None:
    opened, tried = threading.Event(), threading.Event()

    def redraw(below: Sequence[str], above: Sequence[str]) -> None:
        if below or above:
            tried.set()
            opened.wait(30)

    teller = Teller(lambda _: None, lambda: ("a",), redraw)
    assert tried.wait(10)
    for number in range(10_000):
        teller.tell(f"line {number}")
    opened.set()
    teller.close()
