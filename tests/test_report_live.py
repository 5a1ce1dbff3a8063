"""The lines for a run at work, word by word: from events to what stands below all others."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_report_nesting import began, many
from test_report_stories import START, STORIES, MemoryRecord, Story

from flowrunner.events import (
    Address,
    ApiError,
    ApprovalAsked,
    ApprovalGiven,
    ForEachBegan,
    Slowed,
    ToolCallBegan,
    ToolCallEnded,
    Usage,
)
from flowrunner.report.live import live_lines, rows_of_screen
from flowrunner.report.terminal import ProgressLines, Style
from flowrunner.report.underway import Moment, Outline, Progress, Row, Underway
from flowrunner.visible import columns, has_hidden

NEEDS = {"summary": (), "triage": (), "bug_report": ("triage",), "reply": ("summary", "triage")}
PLAIN = Style()
HINT = "Ctrl-C stops safely (you can resume)"
RULE = f" {'─' * 97}"
SPINNER = re.compile("[⠙⠹⠸⠼⠴⠦⠧⠇⠏]")
ANSI = re.compile(r"\x1b\[[0-9;]*m")


def nothing(unit: str, room: int, style: Style) -> str | None:
    return None


def underway(story: Story, needs: dict[str, tuple[str, ...]] | None = None) -> Underway:
    found = Underway(Outline(NEEDS if needs is None else needs, simulated=story.simulated))
    for event in story.events:
        found.feed(event)
    return found


def seen(
    story: Story, after_s: float = 0.0, style: Style = PLAIN, height: int = 60, **needs: tuple[str]
) -> list[str]:
    """What stands there so many seconds after the last event of a story."""
    moment = underway(story, needs or None).moment(story.at + after_s, rows_of_screen(height))
    lines = [] if moment is None else live_lines(moment, style, height, nothing)
    return [SPINNER.sub("⠋", line) for line in lines]


def asked(unit: str = "summary") -> Story:
    return Story().begin().start(unit).send(unit, "Hi")


def test_the_picture() -> None:
    story = asked().start("triage").send("triage", "Hi").accept("triage").after(4)
    story.poll("triage", 3)
    assert seen(story, 4.2) == [
        " ⠋ summary     gpt-6-luna         8.2s   waiting for the answer",
        " ⠋ triage      gpt-6-luna         8.2s   at work in background, polled 3×",
        " · bug_report  waiting for triage",
        " · reply       waiting for summary, triage",
        RULE,
        f" 0/4 done · 0:08 · $0 · {HINT}",
    ]


def test_ascii_where_the_locale_is_not_utf8() -> None:
    lines = seen(asked(), 0.2, Style(utf8=False))
    assert lines[0] == " / summary     gpt-6-luna         0.2s   waiting for the answer"
    assert lines[-1] == f" 0/4 done - 0:00 - $0 - {HINT}"
    assert all(line.isascii() for line in lines)


def refused(http_status: int, retry_in_s: float | None) -> Story:
    return asked().refuse("summary", ApiError("Slow."), http_status, retry_in_s=retry_in_s)


def sent_again() -> Story:
    return refused(429, 1.0).after(1).send("summary", "Hi", post=2)


def not_sent() -> Story:
    return asked().not_sent("summary", "connect", "No route.", 4.0)


def lost() -> Story:
    return asked().lose("summary", "reset", "It broke.", retry_in_s=30.0)


def agreeing(granted: bool | None = None) -> Story:
    story = Story().begin().start("summary", "approve")
    address = Address.parse("summary")
    story.events.append(ApprovalAsked(at=story.at, address=address, text="Really?"))
    if granted is not None:
        given_ = ApprovalGiven(at=story.at, address=address, granted=granted, by="a", way="command")
        story.events.append(given_)
    return story


def calling(*names: str, ended: int = 0) -> Story:
    story = asked().answer("summary", "", Usage(), 1.0)
    address = Address.parse("summary")
    for number, name in enumerate(names):
        began_ = ToolCallBegan(
            at=story.at, address=address, call_id=f"call_{number}", name=name, kind="function_call",
            tool=name, changes_things=False, arguments={},
        )  # fmt: skip
        story.events.append(began_)
    for number in range(ended):
        over = ToolCallEnded(
            at=story.at, address=address, call_id=f"call_{number}", ok=True, error=None, elapsed_s=1
        )
        story.events.append(over)
    return story


SAID: dict[str, tuple[Story, float, str]] = {
    "begun": (Story().begin().start("summary"), 1, "⠋ waiting for its turn"),
    "command": (Story().begin().start("summary", "run"), 1, "⠋"),
    "sent": (asked(), 1, "⠋ waiting for the answer"),
    "accepted": (asked().accept("summary"), 1, "⠋ queued in background"),
    "limited": (refused(429, 12.6), 0.6, "‖ waiting 12s: the server limits requests (429)"),
    "limited-no-more": (refused(429, 12.0), 13, "⠋ waiting for its turn"),
    "overloaded": (refused(503, 90.0), 0, "‖ waiting 1m 30s: the API answered 503"),
    "sent-again": (sent_again(), 0, "⠋ waiting for the answer"),
    "not-sent": (not_sent(), 1, "‖ waiting 3.0s: the request did not leave"),
    "lost": (lost(), 0, "‖ waiting 30s: the answer was lost"),
    "asks": (agreeing(), 1, "‖ somebody must agree"),
    "agreed": (agreeing(granted=True), 1, "⠋"),
    "tool": (calling("search"), 0, "⠋ tool search"),
    "tools": (calling("search", "look", "search"), 0, "⠋ tools search, look"),
    "one-left": (calling("search", "look", ended=1), 0, "⠋ tool look"),
    "none-left": (calling("search", ended=1), 0, "⠋"),
    "evil-tool": (calling("\x1b[2J\n"), 0, r"⠋ tool \x1b[2J\n"),
}  # fmt: skip


@pytest.mark.parametrize(("story", "after_s", "said"), SAID.values(), ids=SAID)
def test_what_a_step_does(story: Story, after_s: float, said: str) -> None:
    line = seen(story, after_s)[0]
    mark, _, words = said.partition(" ")
    shown = line[41:]
    assert shown.startswith(words) if words else not shown
    assert (line[1] == "‖") is (mark == "‖")


def test_a_step_that_has_ended_is_counted_and_paid_for() -> None:
    story = asked().answer("summary", "x", Usage(input=81, output=118), 1.0).finish("summary")
    story.start("triage").finish("triage", "failed")
    lines = seen(story, 1)
    assert lines == [
        " · bug_report  waiting for its turn",
        " · reply       waiting for its turn",
        RULE,
        f" 2/4 done, 1 failed · 0:02 · $0.000067 · {HINT}",
    ]
    again = seen(story.start("triage"), 1)
    assert again[0].startswith(" ⠋ triage ")
    assert again[-1].startswith(" 1/4 done · ")


def test_a_step_that_waits_or_is_held_is_neither_done_nor_at_work() -> None:
    story = asked().finish("summary", "unknown")
    assert seen(story)[-1].startswith(" 0/4 done · ")
    assert not any("summary " in line[:12] for line in seen(story)[:-1])


MONEY = {
    "nothing": (Moment(), "$0"),
    "spent": (Moment(cost_usd=0.004), "$0.004"),
    "budget": (Moment(cost_usd=0.004, budget_usd=0.5), "$0.004 of $0.50"),
    "partly": (Moment(cost_usd=0.004, cost_is_complete=False), "$0.004 + unknown"),
    "unknown": (Moment(cost_is_complete=False), "cost unknown"),
    "simulated": (Moment(simulated=True, cost_usd=0.004, budget_usd=0.5), "simulated"),
}


@pytest.mark.parametrize(("moment", "cost"), MONEY.values(), ids=MONEY)
def test_what_it_cost(moment: Moment, cost: str) -> None:
    assert live_lines(moment, PLAIN, 24, nothing)[-1] == f" 0/0 done · 0:00 · {cost} · {HINT}"


FOOTS = {
    100: " 3/6 done · 0:11 · $0.004 of $0.50 · Ctrl-C stops safely (you can resume)",
    60: " 3/6 done · 0:11 · $0.004 of $0.50 · Ctrl-C stops safely",
    50: " 3/6 done · 0:11 · $0.004 of $0.50",
    30: " 3/6 done · 0:11",
    20: " 3/6 done · 0:11",
}


@pytest.mark.parametrize(("width", "foot"), FOOTS.items(), ids=map(str, FOOTS))
def test_the_last_line_has_what_there_is_room_for(width: int, foot: str) -> None:
    moment = Moment(
        steps=tuple("abcdef"), done=3, elapsed_s=11.6, cost_usd=0.004, budget_usd=0.5
    )  # fmt: skip
    assert live_lines(moment, Style(width=width), 24, nothing)[-1] == foot


def test_a_run_that_is_told_to_stop_says_so() -> None:
    found = underway(asked())
    found.stop()
    moment = found.moment(START, 5)
    assert moment is not None
    last = live_lines(moment, PLAIN, 24, nothing)[-1]
    assert last.endswith("stopping, Ctrl-C once more ends it at once")


def test_there_is_nothing_to_see_before_and_after_a_run() -> None:
    assert Underway(Outline(NEEDS)).moment(START, 5) is None
    for make in STORIES.values():
        story = make()
        moment = underway(story).moment(story.at, 5)
        assert (moment is None) is ("RunFinished" in type(story.events[-1]).__name__)


# Lists


def listed(items: int, ended: int, failed: int = 0, every_s: float = 0.5) -> Story:
    story = began(Story().begin(), "summary", items)
    for number in range(1, ended + 1):
        unit = f"summary[{number}]"
        story.start(unit).after(every_s)
        story.finish(unit, "failed" if number <= failed else "succeeded")
    return story


LISTS = {
    "none": (listed(2_000, 0), "0/2,000 items"),
    "too-few": (listed(2_000, 2), "2/2,000 items"),
    "some": (listed(2_000, 10), "10/2,000 items · 2.0/s · 16m 35s left"),
    "failed": (listed(2_000, 10, 3), "10/2,000 items · 3 failed · 2.0/s · 16m 35s left"),
    "fast": (listed(2_000, 1_000, every_s=0.01), "1,000/2,000 items · 100/s · 10s left"),
    "slow": (listed(30, 10, every_s=20), "10/30 items · 0.05/s · 6m 40s left"),
    "all": (listed(100, 100), "100/100 items · 2.0/s · 0ms left"),
}


@pytest.mark.parametrize(("story", "said"), LISTS.values(), ids=LISTS)
def test_how_far_a_list_is(story: Story, said: str) -> None:
    (line,) = [line for line in seen(story) if " summary " in line]
    assert line[41:] == said


def test_the_pace_is_that_of_the_last_items() -> None:
    story = listed(2_000, 300, every_s=10)
    for number in range(301, 701):
        story.start(f"summary[{number}]").after(0.1).finish(f"summary[{number}]")
    assert "10.0/s · 2m 10s left" in seen(story)[0].replace("10/s", "10.0/s")
    assert "/s" in seen(story, 1_000)[0]
    assert "10/s" not in seen(story, 1_000)[0]


def test_few_items_have_a_line_each_and_many_none() -> None:
    story = began(Story().begin(), "summary", 3)
    story.start("summary[1]", "steps").start("summary[1]/read").start("summary[2]", "steps")
    names = [line.split()[1] for line in seen(story)[:3]]
    assert names == ["summary", "summary[1]/read", "summary[2]"]
    crowd = began(Story().begin(), "summary", 30)
    crowd.start("summary[1]", "steps").start("summary[1]/read")
    assert [line.split()[1] for line in seen(crowd)[:2]] == ["summary", "triage"]


def test_what_stands_inside_of_others_is_named_with_them() -> None:
    story = Story().begin().start("summary", "repeat")
    story.start("summary#2", "steps").start("summary#2/draft").send("summary#2/draft", "Hi")
    lines = seen(story)
    assert lines[0].startswith(" ⠋ summary#2/draft  gpt-6-luna ")
    assert not any(line.startswith(" ⠋ summary ") for line in lines)
    story.finish("summary#2/draft").finish("summary", "cancelled")
    assert not any("summary" in line[:10] for line in seen(story))


def test_a_list_that_a_resume_goes_on_with_is_counted_from_where_it_was() -> None:
    before = MemoryRecord(listed(100, 40, 2)).replay()
    found = Underway(Outline(NEEDS), before)
    story = Story().resume(2).start("summary[41]").after(1).finish("summary[41]")
    for event in story.events:
        found.feed(event)
    moment = found.moment(story.at, 10)
    assert moment is not None
    assert moment.rows[0].progress == Progress(41, 100, 2)
    assert (moment.elapsed_s, moment.done) == (1.0, 0)


def test_a_resume_counts_what_was_done_and_paid_before() -> None:
    story = asked().answer("summary", "x", Usage(input=81, output=118), 1.0).finish("summary")
    before = MemoryRecord(story.start("triage").finish("triage", "failed")).replay()
    found = Underway(Outline(NEEDS, budget_usd=0.5), before)
    for event in Story().resume(2).events:
        found.feed(event)
    moment = found.moment(START + 1, 10)
    assert moment is not None
    assert (moment.done, moment.failed, moment.budget_usd) == (1, 0, 0.5)
    assert moment.cost_usd == pytest.approx(0.0000671)
    assert moment.waiting[0] == ("triage", ())


# Room


def test_a_model_that_is_not_asked_for_now_has_a_line() -> None:
    story = asked()
    story.events.append(Slowed(at=story.at, server="openai", model="gpt-6-luna", wait_s=12.0))
    assert " ‖ gpt-6-luna pauses, 7.0s left: the server allows no more now" in seen(story, 5)
    assert not any("pauses" in line for line in seen(story, 12))


def wide(at_work: int, waiting: int) -> tuple[Story, dict[str, tuple[str, ...]]]:
    needs = {f"s{n}": () for n in range(at_work)} | {f"w{n}": ("s0",) for n in range(waiting)}
    story = Story().begin()
    for number in range(at_work):
        story.start(f"s{number}")
    return story, needs  # type: ignore[return-value]


ROOM = {
    "fits": (3, 3, 24, 6, None),
    "waiting": (3, 4, 24, 5, "and 2 more waiting"),
    "at-work": (9, 0, 24, 5, "and 4 more at work"),
    "both": (9, 30, 24, 5, "and 4 more at work, 30 waiting"),
    "tall": (9, 30, 60, 17, "and 22 more waiting"),
    "small": (9, 30, 9, 1, "and 8 more at work, 30 waiting"),
    "smaller": (9, 30, 6, 0, "and 9 more at work, 30 waiting"),
    "nothing": (9, 30, 3, 0, None),
    "no-screen": (9, 30, 0, 0, None),
}


@pytest.mark.parametrize(("at_work", "waiting", "height", "shown", "more"), ROOM.values(), ids=ROOM)
def test_a_third_of_the_screen_is_enough(
    at_work: int, waiting: int, height: int, shown: int, more: str | None
) -> None:
    story, needs = wide(at_work, waiting)
    lines = seen(story, 0, PLAIN, height, **needs)
    assert len(lines) <= max(height // 3, 1)
    names = [line.split()[1] for line in lines if len(line.split()) > 1 and "and " not in line]
    assert sum(name[1:].isdecimal() for name in names) == shown
    assert [line.strip() for line in lines if line.strip().startswith("and ")] == (
        [more] if more else []
    )
    assert " done · " in lines[-1]


def test_a_narrow_screen_drops_the_kind_and_a_long_name_its_beginning() -> None:
    story = Story().begin().start("summary", "steps").start("summary/a_step_with_a_long_name")
    story.send("summary/a_step_with_a_long_name", "Hi")
    assert (
        seen(story, 1, Style(width=59))[0]
        == " ⠋ …p_with_a_long_name     1.0s   waiting for the answer"
    )
    assert seen(story, 1, Style(width=40))[0] == " ⠋ …_a_long_name     1.0s   waiting fo…"


def written(unit: str, room: int, style: Style) -> str:
    return "w" * room


def test_what_is_written_fills_the_line() -> None:
    moment = Moment(rows=(Row("draft", "gpt-6-luna", 1.0),), steps=("draft",))
    line = live_lines(moment, Style(width=70), 24, written)[0]
    assert line.startswith(" ⠋ draft     gpt-6-luna         1.0s   www")
    assert columns(line) == 69


TEXTS = st.text(max_size=40)
ROWS = st.builds(
    Row, TEXTS, TEXTS, st.floats(0, 1e6), TEXTS, st.none() | st.floats(0, 1e5),
    st.none() | st.builds(Progress, st.integers(0, 10**6), st.none() | st.integers(0, 10**6)),
)  # fmt: skip
MOMENTS = st.builds(
    Moment,
    rows=st.lists(ROWS, max_size=5).map(tuple),
    more_rows=st.integers(0, 10**6),
    waiting=st.lists(st.tuples(TEXTS, st.lists(TEXTS).map(tuple)), max_size=5).map(tuple),
    more_waiting=st.integers(0, 10**6),
    pauses=st.lists(st.tuples(TEXTS, st.floats(0, 1e5)), max_size=2).map(tuple),
    steps=st.lists(TEXTS, max_size=5).map(tuple),
)


@given(MOMENTS, st.integers(0, 130), st.integers(0, 60), st.booleans(), st.booleans())
def test_every_line_fits_and_obeys_nothing(
    moment: Moment, width: int, height: int, utf8: bool, colour: bool
) -> None:
    style = Style(colour=colour, utf8=utf8, width=width)
    lines = live_lines(moment, style, height, nothing)
    assert 1 <= len(lines) <= max(height // 3, 1)
    for line in lines:
        plain = ANSI.sub("", line)
        assert columns(plain) < max(width, 20)
        assert not has_hidden(plain)
        assert "\n" not in plain
        assert utf8 or plain.isascii()


def test_colour_only_where_it_is_wanted() -> None:
    assert not any("\x1b" in line for line in seen(asked()))
    coloured = seen(asked(), style=Style(colour=True))
    assert "\x1b[36m⠋\x1b[0m" in coloured[0]
    assert [ANSI.sub("", line) for line in coloured] == seen(asked())


def test_a_long_list_takes_little_time_and_memory() -> None:
    story = listed(20_000, 20_000, every_s=0.01)
    found = Underway(Outline(NEEDS))
    began_at = time.process_time()
    for number, event in enumerate(story.events):
        found.feed(event)
        if number % 100 == 0:
            moment = found.moment(story.at, 10)
            assert moment is None or len(moment.rows) <= 1
    assert time.process_time() - began_at < 5


# The lines above


@pytest.mark.parametrize("make", [lambda: refused(429, 30.0), lambda: asked().accept("summary")])
def test_what_goes_on_is_not_told_above(make: Callable[[], Story]) -> None:
    lines = ProgressLines(PLAIN, live=True)
    told = [line for event in make().events for line in lines.feed(event)]
    assert len(told) == 2  # the header


def test_of_a_long_list_only_its_end_is_told_above() -> None:
    lines = ProgressLines(PLAIN, live=True)
    story = many(2_000)
    story.events.insert(1, Slowed(at=START, server="openai", model="m", wait_s=1.0))
    told = [line for event in story.events for line in lines.feed(event)]
    assert [line[:11] for line in told[2:]] == [" ✓ extract "]
    assert told[-1].endswith("2,000 items, 2 failed")


def test_a_list_begun_anew_keeps_its_count() -> None:
    story = listed(30, 5)
    again = ForEachBegan(at=story.at, address=Address.parse("summary"), items=40)
    story.events.append(again)
    assert "5/40 items" in seen(story)[0]
    assert replace(again, items=3).items == 3
