"""The lines of a run for terminals and logs, word by word."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from test_report_nesting import agreed, began, many, waiting
from test_report_stories import (
    RUN,
    STORIES,
    MemoryRecord,
    Story,
    bare,
    failed,
    held,
    pending,
    report_of,
    retried,
    simulated,
    succeeded,
    triaged,
    wide,
    with_tools,
)

from flowrunner.errors import ExitStatus
from flowrunner.events import Address, ApiError, ForEachBegan, RunResumed, Usage
from flowrunner.report.closing import closing_lines, tally_line
from flowrunner.report.listing import run_lines, run_row, show_lines, show_step_lines
from flowrunner.report.terminal import ProgressLines, Style

PLAIN = Style()
FOLDER = ".flowrunner/runs/latest"


def _progress(story: Story, style: Style = PLAIN, *, verbose: bool = False) -> list[str]:
    progress = ProgressLines(style, verbose=verbose)
    return [line for event in story.events for line in progress.feed(event)]


def test_one_line_a_finished_step() -> None:
    assert _progress(succeeded()) == [
        f"Ticket triage · 4 steps · openai · run {RUN}",
        "",
        " ✓ summary     gpt-6-luna         3.1s            81 → 118 tok    $0.000067",
        " ✓ triage      gpt-6-luna         2.4s          1,432 → 96 tok    $0.000099",
        " » bug_report  prompt          skipped: Its `if` is false.",
        " ✓ reply       gpt-6-luna         5.6s            97 → 301 tok     $0.00016",
    ]


def test_ascii_where_the_locale_is_not_utf8() -> None:
    lines = _progress(failed(), Style(utf8=False))
    lines += closing_lines(report_of(failed()), FOLDER, Style(utf8=False))
    lines += show_lines(report_of(retried()), Style(utf8=False))
    assert all(line.isascii() for line in lines), lines
    assert lines[2].startswith(" + summary ")
    assert lines[3].startswith(" x triage ")
    assert "81 -> 118 tok" in lines[2]


def test_a_simulated_run_says_so_first() -> None:
    lines = _progress(simulated())
    assert lines[1] == "SIMULATED: no model is asked and nothing is paid."
    assert lines[3].endswith("simulated")
    assert "$" not in "".join(lines)


def test_a_simulated_run_that_is_taken_up_again_says_so_too() -> None:
    progress = ProgressLines(PLAIN, simulated=True)
    lines = progress.feed(RunResumed(at=1.0, epoch=2))
    assert lines == [
        "Resumed by process 2 of this run.",
        "SIMULATED: no model is asked and nothing is paid.",
    ]


def test_verbose_tells_what_begins_and_what_is_tried_again() -> None:
    lines = _progress(retried(), verbose=True)
    assert " … reply       prompt begins" in lines
    (refused,) = [line for line in lines if "refused (429)" in line]
    assert refused.endswith("Next attempt in 4.0s.")
    assert " warning  reply: The API slowed this run down for 4 s. [rate-limit]" in lines
    assert "Resumed by process 2 of this run." in lines


def test_a_response_in_the_background_is_told_with_its_id() -> None:
    lines = _progress(pending())
    (told,) = [line for line in lines if "queued in background, id resp_" in line]
    assert told.startswith(" … reply ")
    assert not any("polled 4×" in line for line in lines[:-1])
    assert lines[-1].startswith(" ‖ reply ")
    assert "polled 4×" in "\n".join(_progress(pending(), verbose=True))


def test_of_a_crowd_of_items_in_the_background_none_is_told() -> None:
    story = Story().begin()
    story.events.append(ForEachBegan(at=story.at, address=Address.parse("reply"), items=50))
    for item in range(1, 51):
        story.send(f"reply[{item}]", "x").accept(f"reply[{item}]")
    assert not any("background" in line for line in _progress(story, verbose=True))


def test_the_end_of_a_run_that_waits_for_a_response_says_how_to_go_on() -> None:
    text = "\n".join(closing_lines(report_of(pending()), FOLDER, PLAIN))
    assert "Waiting: the API still works on `reply`, in the background" in text
    assert f"flowrunner resume {RUN}" in text
    assert "cost" in tally_line(report_of(pending())).lower()
    assert "+unknown" in tally_line(report_of(pending()))


def test_a_long_wait_is_told_and_a_short_one_is_not() -> None:
    story = Story().begin().start("summary").send("summary", "Hi")
    story.refuse("summary", ApiError("Slow \x1b[2Jdown."), 429, retry_in_s=30.0)
    assert _progress(story)[-1] == (
        " ‖ summary     waiting 30s: the API answered 429 (Slow \\x1b[2Jdown.)"
    )
    story.after(30).send("summary", "Hi", post=2).not_sent("summary", "reset", "No route.", 4.9)
    assert "No route" not in "".join(_progress(story))
    story.lose("summary", "reset", "It broke.", retry_in_s=120.0)
    assert _progress(story)[-1].endswith("waiting 2m 00s: the answer was lost (It broke.)")


def _unmetered(simulated: bool = False) -> Story:
    """An answer of an unknown model that says nothing about its tokens."""
    story = Story(simulated=simulated).begin().start("summary")
    story.send("summary", "Hi", model="house-model").answer("summary", "Hi", Usage(), 0.5)
    answered = replace(story.events[-1], usage=None, cost_usd=None)  # type: ignore[type-var]
    story.events[-1] = answered
    story.finish("summary", result={"text": "Hi"})
    return story.end("succeeded", ExitStatus.DONE)


@pytest.mark.parametrize("is_simulated", [False, True])
def test_what_is_not_known_is_never_nothing(is_simulated: bool) -> None:
    story = _unmetered(is_simulated)
    report = report_of(story)
    lines = _progress(story) + closing_lines(report, FOLDER, PLAIN) + show_lines(report, PLAIN)
    lines += [*show_step_lines(report["steps"][0], PLAIN), tally_line(report)]
    lines += run_lines([run_row(MemoryRecord(story).replay())], PLAIN)
    text = "\n".join(lines)
    assert "$0" not in text
    assert "0 tok" not in text
    assert "0 → 0" not in text
    assert "tokens unknown" in text
    assert "unknown tok" in text
    assert "COST=unknown" in text


def test_a_partly_unknown_price_says_so() -> None:
    story = triaged(Story(simulated=True))
    story.start("reply").send("reply", "Hi", model="house-model")
    story.answer("reply", "Hi", Usage(3, 1), 0.5).finish("reply", result={"text": "Hi"})
    text = "\n".join(closing_lines(report_of(story), FOLDER, PLAIN))
    assert "simulated, would be at least $0.00017" in text


def test_advice_is_given_once() -> None:
    story = Story().begin().start("summary").send("summary", "Hi")
    said = {"message": "The API is down (request id req_1).", "help": "wait, then resume"}
    story.refuse("summary", ApiError("Down."), 500, request_id="req_1")
    story.finish("summary", "failed", **said).end("failed", ExitStatus.FAILED, **said)
    text = "\n".join(closing_lines(report_of(story), FOLDER, PLAIN))
    assert text.count("wait, then resume") == 1
    assert text.count("The API is down") == 1
    assert text.count("req_1") == 1
    assert "1 of 4 steps failed" in text


def test_a_run_of_another_project_is_named_by_its_folder() -> None:
    text = "\n".join(closing_lines(report_of(failed()), f"../x/.flowrunner/runs/{RUN}", PLAIN))
    assert f"flowrunner report ../x/.flowrunner/runs/{RUN} --open" in text
    assert f"flowrunner resume ../x/.flowrunner/runs/{RUN} " in text
    assert f"flowrunner show ../x/.flowrunner/runs/{RUN} triage" in text


@pytest.mark.parametrize("story", [failed, held])
def test_show_says_how_to_go_on(story: Callable[[], Story]) -> None:
    assert f"flowrunner resume {RUN}" in "\n".join(show_lines(report_of(story()), PLAIN))


def test_nested_units_stand_under_their_step() -> None:
    lines = [line[:28].rstrip() for line in _progress(waiting())]
    assert lines[2:8] == [
        " … extract   steps",
        " …   extract[2]  steps",
        " ✓     read      gpt-6-luna",
        " ✗     judge     prompt",
        " ✗   extract[2]  steps",
        " …   extract[1]  steps",
    ]
    crossed = Story().begin().start("a", "steps").start("b", "steps").finish("a/x").finish("b/x")
    names = [line.split()[1] for line in _progress(crossed.finish("a/y").finish("b/y"))[2:]]
    assert names == ["a", "x", "b", "x", "a/y", "b/y"]
    text = "\n".join(_progress(agreed()))
    text = re.sub(" +", " ", text)
    assert "gate somebody must agree: Send \\x1b[2J42 mails?" in text
    assert "gate ada agreed: looked at them" in text
    assert "reused from 20261121-0700-11c2/send" in text


def test_a_long_list_has_a_line_for_each_tenth() -> None:
    lines = _progress(many(3_000))[2:]
    assert lines[0] == " … extract   3,000 items"
    assert lines[1] == " … extract   300 of 3,000 items"
    assert lines[4] == " … extract   1,200 of 3,000 items · 1 failed"
    assert len(lines) == 11
    assert lines[-1].endswith("3,000 items, 3 failed")
    assert "59,940 tok" in lines[-1]


def test_a_long_list_that_another_process_began_stays_modest() -> None:
    story = Story().begin()
    for number in range(21, 1_000):
        story.start(f"summary[{number}]").finish(f"summary[{number}]")
    lines = _progress(story)[2:]
    assert [line.split("  ")[-1].strip() for line in lines] == [
        "1 more item",
        "10 more items",
        "100 more items",
    ]


def test_items_that_wait_together_are_told_once() -> None:
    story = began(Story().begin(), "summary", 100)
    for number in range(1, 101):
        unit = f"summary[{number}]"
        story.start(unit).send(unit, "Hi")
        told = {"retry_in_s": 60.0, "elapsed_s": 0.01}
        story.refuse(unit, ApiError("Slow down."), 429, **told)
    waits = [line for line in _progress(story) if "waiting" in line]
    assert len(waits) == 1
    assert "so summary[1] waits" in waits[0]


def test_show_tells_a_waiting_run_with_its_commands() -> None:
    text = "\n".join(show_lines(report_of(waiting()), PLAIN))
    assert f"Agree       flowrunner approve {RUN} gate" in text
    assert f"Continue    flowrunner resume {RUN}" in text
    assert "3 items, 1 failed" in text
    assert "2 rounds" in text
    assert "case billing" in text
    step = next(step for step in report_of(agreed())["steps"] if step["unit"] == "gate")
    told = "\n".join(show_step_lines(step, PLAIN))
    assert "\\x1b[2J42" in told
    assert "ada agreed, " in told


def test_of_very_many_units_show_tells_the_rest_in_a_line() -> None:
    text = "\n".join(show_lines(report_of(many(3_000)), PLAIN))
    assert f"and 1,000 more units; one of them: flowrunner show {RUN} UNIT" in text


def test_an_unknown_price_is_unknown() -> None:
    story = Story().begin().start("summary").send("summary", "Hi", model="house-model")
    story.answer("summary", "Hi", Usage(3, 1), 0.5).finish("summary", result={"text": "Hi"})
    assert _progress(story)[-1].endswith("unknown")


def test_text_of_others_is_shown_and_never_obeyed() -> None:
    story = Story().begin(workflow="Tri\x1b[2Jage").start("summary")
    message = "bad\r\nDone. OK=9 FAILED=0\x1b]52;c;aGk=\x07 \u202egnp"
    story.finish("summary", "failed", message=message, help="do\x1b[31m this")
    report = report_of(story)
    lines = _progress(story) + closing_lines(report, FOLDER, PLAIN)
    lines += show_lines(report, PLAIN) + show_step_lines(report["steps"][0], PLAIN)
    text = "\n".join(lines)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text)
    assert "\\x1b]52;c;aGk=\\x07" in text
    assert not any(line.startswith("Done.") for line in lines)


def test_the_end_good() -> None:
    assert closing_lines(report_of(succeeded()), FOLDER, PLAIN) == [
        "",
        "✓ Done in 0:11 · 3 ran, 1 skipped · $0.00033 · 2,125 tokens",
        "  Result      .flowrunner/runs/latest/result.json",
        "  Report      .flowrunner/runs/latest/report.html    open with: flowrunner report --open",
    ]


def test_the_end_bad() -> None:
    request = "req_00000000000000000000000000000003"
    keeps = "(keeps the finished step, pays only for what is left)"
    assert closing_lines(report_of(failed()), FOLDER, Style(width=88)) == [
        "",
        "✗ Stopped: 1 of 4 steps failed · 1 ran · 2 cancelled · $0.00014 spent",
        "  triage      The model's answer did not match the shape you asked for: `team` must be",
        "              one of `billing`, `bug`, `other`, found the text `complaints`.",
        "              workflows/ticket_triage.yaml:36",
        f"              2 attempts · request {request} · more: flowrunner show {RUN} triage",
        "  Try         add “choose billing, bug or other, and nothing else” to the prompt",
        "  Next        Mend the step `triage`, then go on with `flowrunner resume`.",
        f"  Continue    flowrunner resume {RUN}    {keeps}",
        "  Report      .flowrunner/runs/latest/report.html    open with: flowrunner report --open",
    ]  # fmt: skip


def test_the_end_of_a_held_run_names_the_id_to_search_for() -> None:
    text = "\n".join(closing_lines(report_of(held()), FOLDER, PLAIN))
    assert text.startswith("\n? Held: A call's outcome is unknown · 2 ran · 1 skipped")
    assert f"client request {RUN}.reply.1.1.1" in text
    assert "$0.00017 and an unknown part" in text


def test_many_failures_are_named_up_to_five() -> None:
    text = "\n".join(closing_lines(report_of(wide(800)), FOLDER, PLAIN))
    assert text.count("The answer was cut off.") == 5
    assert "and 3 more steps, all in the report" in text


@pytest.mark.parametrize("name", STORIES)
def test_every_story_has_an_end_and_fits_the_width(name: str) -> None:
    report = report_of(STORIES[name]())
    lines = closing_lines(report, FOLDER, Style(width=80)) + show_lines(report, Style(width=80))
    assert lines
    assert tally_line(report).endswith(f"RUN={RUN}")


@pytest.mark.parametrize(
    ("story", "line"),
    [
        (succeeded, "OK=3 REUSED=0 FAILED=0 SKIPPED=1 TOTAL=4 COST=$0.00033 TIME=11s"),
        (failed, "OK=1 REUSED=0 FAILED=1 SKIPPED=0 CANCELLED=2 TOTAL=4 COST=$0.00014 TIME=7s"),
        (held, "OK=2 REUSED=0 FAILED=0 SKIPPED=1 UNKNOWN=1 TOTAL=4 COST=$0.00017+unknown TIME=14s"),
        (bare, "OK=0 REUSED=0 FAILED=0 SKIPPED=0 TOTAL=0 COST=$0 TIME=0s"),
    ],
)  # fmt: skip
def test_the_line_for_grep(story: object, line: str) -> None:
    report = report_of(story())  # type: ignore[operator]
    assert tally_line(report) == f"Done. {line} RUN={RUN}"


def test_the_line_for_grep_says_simulated() -> None:
    assert " SIMULATED=1 RUN=" in tally_line(report_of(simulated()))


def test_colour_is_never_the_only_sign() -> None:
    style = Style(colour=True)
    coloured = _progress(failed(), style) + closing_lines(report_of(failed()), FOLDER, style)
    plain = _progress(failed()) + closing_lines(report_of(failed()), FOLDER, PLAIN)
    assert "\x1b[31m✗\x1b[0m" in "\n".join(coloured)
    assert [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in coloured] == plain


def test_the_table_of_runs() -> None:
    rows = [run_row(MemoryRecord(story()).replay()) for story in (succeeded, simulated, held, bare)]
    assert run_lines(rows, PLAIN) == [
        "   run                 workflow       status      started                    took  cost",
        f" ✓ {RUN}  Ticket triage  succeeded   22 Nov 2026, 07:00:04 UTC  11s   $0.00033",
        f" ✓ {RUN}  Ticket triage  succeeded   22 Nov 2026, 07:00:04 UTC  11s   simulated",
        f" ? {RUN}  Ticket triage  held        22 Nov 2026, 07:00:04 UTC  14s   $0.00017 + unknown",
        f" … {RUN}  Ticket triage  unfinished  22 Nov 2026, 07:00:04 UTC        $0",
    ]
    assert run_lines([], PLAIN) == ["No run yet. Start one with: flowrunner run WORKFLOW"]


def test_show_tells_the_run_and_its_result() -> None:
    lines = show_lines(report_of(succeeded()), PLAIN)
    assert lines[0] == "Ticket triage  workflows/ticket_triage.yaml"
    assert " ✓ reply          5.6s  $0.00016" in lines
    assert "Result" in lines
    assert lines[-1] == f"One step: flowrunner show {RUN} STEP"


def test_show_tells_a_step_with_everything_known() -> None:
    report = report_of(failed())
    text = "\n".join(show_step_lines(report["steps"][1], PLAIN))
    for part in ("Why", "Asked", "Answered", "Attempts", "Numbers"):
        assert f"\n{part}\n" in text
    assert "user: Choose the team for:" in text
    assert "response id: resp_" in text
    assert "Try: add" in text


def test_show_says_where_a_cut_value_is_whole() -> None:
    long = "word " * 40_000
    story = triaged(Story()).start("reply").send("reply", "Hi")
    story.answer("reply", long, Usage(9, 9), 1.0).finish("reply", result={"text": long})
    text = "\n".join(show_step_lines(report_of(story)["steps"][3], PLAIN))
    assert f"200,000 bytes; all of it: flowrunner show {RUN} reply" in " ".join(text.split())


def test_calls_of_tools_are_told_when_they_have_ended() -> None:
    lines = [line for line in _progress(with_tools()) if " reply " in line]
    assert [line.split("reply", 1)[1].strip() for line in lines[:-1]] == [
        "find_order answered in 0.2s",
        'somebody must agree: call `refund`, which changes things order: "17"',
        "Ada agreed: it was late",
        "refund answered in 0.2s",
        "nuke was not run: there is no tool `nuke`",
    ]


def test_show_tells_each_call_with_what_it_was_given() -> None:
    [step] = [each for each in report_of(with_tools())["steps"] if each["unit"] == "reply"]
    lines = show_step_lines(step, PLAIN)
    at = lines.index("Tools")
    assert lines[at + 1 : at + 7] == [
        '  find_order {"order": "17"}',
        "    It answered in 0.2s.",
        '    {"state": "<b>sent</b>"}',
        '  refund {"order": "17"}',
        "    It answered in 0.2s. Ada agreed: it was late.",
        "    refunded",
    ]
